/* Deletes tags that the export selected but the bundle no longer has. */
#include "import-run.h"

#include <stdlib.h>
#include <string.h>

#include "consent.h"
#include "import.h"
#include "publication.h"
#include "references.h"

struct mirror {
    struct import *import;
    bool check_only;
    struct stl_selection scope; /* the patterns of the export */
};

/* The mirroring of one repository. */
struct mirrored_repo {
    struct mirror *mirror;
    struct stl_repo repo;
    struct stl_names sources;                     /* its possible names in the bundle's registry */
    const struct import_destination *destination; /* NULL: the bundle has nothing for it */
    size_t kept;
    struct stl_tag *gone;
    size_t gone_count;
};

static void mirror_clear(struct mirror *mirror)
{
    stl_selection_clear(&mirror->scope);
}

static void mirrored_repo_clear(struct mirrored_repo *turn)
{
    stl_repo_close(&turn->repo);
    stl_names_clear(&turn->sources);
    free(turn->gone);
}

/* The images of a repository are sorted by tag; those without one come last. */
static bool is_in_bundle(const struct mirrored_repo *turn, const char *tag)
{
    const struct import_destination *destination = turn->destination;
    const struct stl_imported *images =
        turn->mirror->import->report->images + (destination ? destination->first : 0);
    size_t low = 0, high = destination ? destination->count : 0;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = images[middle].has_tag ? strcmp(images[middle].tag.text, tag) : 1;
        if (order == 0)
            return true;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

/* Whether the export selected the tag, under any of the names that the repository may have had. */
static bool is_in_scope(const struct mirrored_repo *turn, const char *tag, const struct stl_digest *digest)
{
    for (size_t i = 0; i < turn->sources.count; i++)
        if (stl_selection_matches_tag(&turn->mirror->scope, turn->sources.items[i], tag, digest))
            return true;
    return false;
}

/* Reads the links themselves: a deletion removes a tag from the list first, and what a killed deletion has
 * left must be deleted as well. */
static int check_tag_link(void *context, const char *text, unsigned char type, struct stl_error *err)
{
    struct mirrored_repo *turn = context;
    struct stl_digest digest;
    struct stl_tag tag;
    (void)type;
    if (strchr(text, ':'))
        return 0;
    int known = stl_tag_parse(text, &tag, err) ? -1 : 0;
    if (known == 0 && turn->mirror->scope.has_digests)
        known = stl_tag_resolve_if_any(&turn->repo, &tag, &digest, err);
    if (known < 0)
        return -1;
    bool gone = is_in_scope(turn, text, known ? &digest : NULL) && !is_in_bundle(turn, text);
    turn->kept += !gone;
    if (!gone)
        return 0;
    stl_grow(turn->gone, turn->gone_count);
    turn->gone[turn->gone_count++] = tag;
    return 0;
}

static int compare_tags(const void *a, const void *b)
{
    return strcmp(((const struct stl_tag *)a)->text, ((const struct stl_tag *)b)->text);
}

static int find_gone(struct mirrored_repo *turn, struct stl_error *err)
{
    if (stl_dir_each_file(turn->repo.fd, STL_REPO_LINKS, check_tag_link, turn, err))
        return -1;
    if (turn->gone_count)
        qsort(turn->gone, turn->gone_count, sizeof *turn->gone, compare_tags);
    return 0;
}

static void note_deleted(struct mirrored_repo *turn, const struct stl_tag *tag)
{
    struct stl_import_report *report = turn->mirror->import->report;
    report->images = stl_realloc(report->images, (report->image_count + 1) * sizeof *report->images);
    struct stl_imported *entry = &report->images[report->image_count++];
    *entry = (struct stl_imported){.name = stl_import_keep_name(report, &turn->repo.name),
                                   .has_tag = true,
                                   .tag = *tag,
                                   .state = STL_IMPORT_DELETED};
}

/* Whether the limits of the registry allow deleting a tag; one that is already gone is ignored. */
static int check_tag(const struct mirrored_repo *turn, const struct stl_tag *tag, struct stl_error *err)
{
    struct stl_digest current;
    size_t added = 0;
    if (stl_tag_resolve(&turn->repo, tag, &current, err))
        return -1;
    return stl_may_change_tag(&turn->repo, tag, &current, NULL, NULL, NULL, &added, err);
}

static int check_tags(const struct mirrored_repo *turn, struct stl_error *err)
{
    for (size_t i = 0; i < turn->gone_count; i++) {
        if (check_tag(turn, &turn->gone[i], err) && err->code != STL_MANIFEST_UNKNOWN)
            return stl_error_context(err, "%s:%s", turn->repo.name.text, turn->gone[i].text);
        stl_error_clear(err); /* already deleted */
    }
    return 0;
}

static int delete_tags(struct mirrored_repo *turn, struct stl_error *err)
{
    const struct mirror *mirror = turn->mirror;
    STL_AUTO_PUBLICATION struct stl_publication publication = STL_PUBLICATION_INIT;
    if (mirror->check_only)
        return check_tags(turn, err);
    stl_publication_begin(&publication, &turn->repo);
    for (size_t i = 0; i < turn->gone_count; i++)
        stl_publication_delete_tag(&publication, &turn->gone[i]);
    if (!mirror->import->options->dry_run && stl_publication_commit(&publication, err) &&
        err->code != STL_MANIFEST_UNKNOWN)
        return stl_error_context(err, "%s", turn->repo.name.text);
    stl_error_clear(err); /* already deleted */
    for (size_t i = 0; i < turn->gone_count; i++)
        note_deleted(turn, &turn->gone[i]);
    return 0;
}

/* Whether the export selected the repository with all its tags, under each of its names. */
static bool is_covered(const struct mirrored_repo *turn)
{
    for (size_t i = 0; i < turn->sources.count; i++)
        if (!stl_selection_covers(&turn->mirror->scope, turn->sources.items[i]))
            return false;
    return true;
}

/* The rest of a killed deletion is not a repository and is removed. */
static int delete_repository(const struct mirrored_repo *turn, struct stl_error *err)
{
    const struct mirror *mirror = turn->mirror;
    if (mirror->check_only || mirror->import->options->dry_run || !is_covered(turn) || turn->destination ||
        stl_repo_delete(mirror->import->registry, &turn->repo.name, NULL, err) == 0)
        return 0;
    if (err->code != STL_NAME_UNKNOWN)
        return -1;
    stl_error_clear(err);
    return 0;
}

static int mirror_repository(struct mirror *mirror, const char *text, struct stl_error *err)
{
    __attribute__((cleanup(mirrored_repo_clear))) struct mirrored_repo turn = {.mirror = mirror,
                                                                               .repo = STL_REPO_INIT};
    struct stl_name name;
    turn.destination = stl_import_find_destination(mirror->import, text);
    stl_import_find_sources(mirror->import, text, &turn.sources);
    if (turn.sources.count == 0)
        return 0;
    if (stl_name_parse(text, &name, err))
        return -1;
    int found = stl_repo_open_if_any(&turn.repo, mirror->import->registry, &name, err);
    if (found < 0 || (found && (find_gone(&turn, err) || delete_tags(&turn, err))))
        return -1;
    return turn.kept ? 0 : delete_repository(&turn, err);
}

int stl_import_mirror(struct import *import, bool check_only, struct stl_error *err)
{
    __attribute__((cleanup(mirror_clear))) struct mirror mirror = {.import = import,
                                                                   .check_only = check_only};
    if (import->bundle->select_count == 0)
        return stl_error_set(err, STL_USAGE,
                             "the bundle does not say what it is a mirror of: export it with --mirror");
    for (size_t i = 0; i < import->bundle->select_count; i++)
        if (stl_selection_add(&mirror.scope, import->bundle->selects[i], err))
            return stl_error_context(err, STL_BUNDLE_LIST);
    STL_AUTO_NAMES struct stl_names names = {0};
    if (stl_repos_list(import->registry, &names, err))
        return -1;
    stl_names_sort(&names);
    for (size_t i = 0; i < names.count; i++)
        if (mirror_repository(&mirror, names.items[i], err))
            return -1;
    return 0;
}
