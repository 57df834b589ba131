/* Deleting what the bundle was exported for and does not have any more. */
#include "import-internal.h"

#include <stdlib.h>
#include <string.h>

#include "repos.h"

struct mirror {
    struct import *import;
    bool check_only;
    struct stl_selection scope; /* the patterns of the export */
};

/* One repository's. */
struct turn {
    struct mirror *mirror;
    struct stl_repo repo;
    char *source; /* what it is called in the bundle */
    size_t kept;
    struct stl_tag *gone;
    size_t gone_count;
};

static void mirror_clear(struct mirror *mirror)
{
    stl_selection_clear(&mirror->scope);
}

static void turn_clear(struct turn *turn)
{
    stl_repo_close(&turn->repo);
    free(turn->source);
    free(turn->gone);
}

/* The name that becomes `name` here, or NULL if none does. The caller frees. */
static char *source_name(const struct import *import, const char *name)
{
    const struct stl_import_options *options = import->options;
    size_t prefix = options->prefix ? strlen(options->prefix) : 0;
    if (prefix && (strncmp(name, options->prefix, prefix) || name[prefix] != '/'))
        return NULL;
    const char *inner = prefix ? name + prefix + 1 : name;
    for (size_t i = 0; i < options->map_count; i++) {
        const struct stl_import_map *map = &options->maps[i];
        size_t length = strlen(map->to.text);
        if (!strncmp(inner, map->to.text, length) && (!inner[length] || inner[length] == '/'))
            return stl_sprintf("%s%s", map->from.text, inner + length);
    }
    return stl_strdup(inner);
}

static bool is_in_bundle(const struct turn *turn, const char *tag)
{
    const struct stl_bundle_image key = {.name = turn->source, .tag = tag};
    const struct stl_bundle *bundle = turn->mirror->import->bundle;
    size_t low = 0, high = bundle->image_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = stl_bundle_image_compare(&bundle->images[middle], &key);
        if (order == 0)
            return true;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

/* The links themselves: the list loses a tag first, and what a deletion that was killed has left has to go as
 * well. */
static int visit_link(void *context, const char *text, unsigned char type, struct stl_error *err)
{
    struct turn *turn = context;
    (void)type;
    if (strchr(text, ':'))
        return 0;
    bool gone =
        stl_selection_matches(&turn->mirror->scope, turn->source, text, NULL) && !is_in_bundle(turn, text);
    turn->kept += !gone;
    if (!gone)
        return 0;
    stl_grow(turn->gone, turn->gone_count);
    return stl_tag_parse(text, &turn->gone[turn->gone_count++], err);
}

static int compare_tags(const void *a, const void *b)
{
    return strcmp(((const struct stl_tag *)a)->text, ((const struct stl_tag *)b)->text);
}

static int find_gone(struct turn *turn, struct stl_error *err)
{
    if (stl_dir_each(turn->repo.fd, "manifests", visit_link, turn, err))
        return -1;
    if (turn->gone_count)
        qsort(turn->gone, turn->gone_count, sizeof *turn->gone, compare_tags);
    return 0;
}

static void note(struct turn *turn, const struct stl_tag *tag)
{
    struct stl_import_report *report = turn->mirror->import->report;
    report->images = stl_realloc(report->images, (report->image_count + 1) * sizeof *report->images);
    struct stl_imported *entry = &report->images[report->image_count++];
    *entry = (struct stl_imported){.name = stl_import_keep_name(report, &turn->repo.name),
                                   .has_tag = true,
                                   .tag = *tag,
                                   .state = STL_IMPORT_DELETED};
}

/* Whether the limits of the registry let a tag go; one that has gone is no matter. */
static int check_tag(const struct turn *turn, const struct stl_tag *tag, struct stl_error *err)
{
    struct stl_digest current;
    size_t added = 0;
    if (stl_tag_resolve(&turn->repo, tag, &current, err))
        return -1;
    return stl_limits_check_tag(&turn->repo, tag, &current, NULL, &added, err);
}

static int check_tags(const struct turn *turn, struct stl_error *err)
{
    for (size_t i = 0; i < turn->gone_count; i++) {
        if (check_tag(turn, &turn->gone[i], err) && err->code != STL_MANIFEST_UNKNOWN)
            return stl_error_context(err, "%s:%s", turn->repo.name.text, turn->gone[i].text);
        stl_error_clear(err); /* somebody else was faster */
    }
    return 0;
}

static int delete_tags(struct turn *turn, struct stl_error *err)
{
    const struct mirror *mirror = turn->mirror;
    if (mirror->check_only)
        return check_tags(turn, err);
    if (!mirror->import->options->dry_run && turn->gone_count > 0 &&
        stl_tags_delete(&turn->repo, turn->gone, turn->gone_count, NULL, NULL, err) &&
        err->code != STL_MANIFEST_UNKNOWN)
        return stl_error_context(err, "%s", turn->repo.name.text);
    stl_error_clear(err); /* somebody else was faster */
    for (size_t i = 0; i < turn->gone_count; i++)
        note(turn, &turn->gone[i]);
    return 0;
}

/* Whether the export was for the repository with all its tags. */
static bool is_covered(const struct turn *turn)
{
    const struct stl_selection *scope = &turn->mirror->scope;
    for (size_t i = 0; i < scope->count; i++) {
        const struct stl_selection_pattern *pattern = &scope->items[i];
        if (pattern->tag && (!strcmp(pattern->tag, "*") || !strcmp(pattern->tag, "**")) &&
            stl_pattern_match(pattern->name, turn->source))
            return true;
    }
    return false;
}

static bool has_images(const struct turn *turn)
{
    const struct stl_bundle *bundle = turn->mirror->import->bundle;
    for (size_t i = 0; i < bundle->image_count; i++)
        if (!strcmp(bundle->images[i].name, turn->source))
            return true;
    return false;
}

/* One of which a killed deletion has left something is no repository, and goes. */
static int delete_repository(const struct turn *turn, struct stl_error *err)
{
    const struct mirror *mirror = turn->mirror;
    if (mirror->check_only || mirror->import->options->dry_run || !is_covered(turn) || has_images(turn) ||
        stl_repo_delete(mirror->import->registry, &turn->repo.name, err) == 0)
        return 0;
    if (err->code != STL_NAME_UNKNOWN)
        return -1;
    stl_error_clear(err);
    return 0;
}

static int mirror_repository(struct mirror *mirror, const char *text, struct stl_error *err)
{
    __attribute__((cleanup(turn_clear))) struct turn turn = {.mirror = mirror, .repo = STL_REPO_INIT};
    struct stl_name name;
    turn.source = source_name(mirror->import, text);
    if (!turn.source)
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
