/* Deleting what the bundle was exported for and does not have any more. */
#include "import-internal.h"

#include <stdlib.h>
#include <string.h>

#include "listing.h"

struct mirror {
    struct import *import;
    bool check_only;
    struct stl_selection scope; /* the patterns of the export */
    const struct stl_repo *repo;
    char *source; /* what the repository is called in the bundle */
    size_t kept;
    struct stl_tag *gone;
    size_t gone_count;
};

static void mirror_clear(struct mirror *mirror)
{
    stl_selection_clear(&mirror->scope);
    free(mirror->source);
    free(mirror->gone);
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

static bool is_in_bundle(const struct mirror *mirror, const char *tag)
{
    const struct stl_bundle_image key = {.name = mirror->source, .tag = tag};
    const struct stl_bundle *bundle = mirror->import->bundle;
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

static int visit_tag(void *context, const char *text, struct stl_error *err)
{
    struct mirror *mirror = context;
    bool gone =
        stl_selection_matches(&mirror->scope, mirror->source, text, NULL) && !is_in_bundle(mirror, text);
    mirror->kept += !gone;
    if (!gone)
        return 0;
    stl_grow(mirror->gone, mirror->gone_count);
    return stl_tag_parse(text, &mirror->gone[mirror->gone_count++], err);
}

static void note(struct mirror *mirror, const struct stl_tag *tag)
{
    struct stl_import_report *report = mirror->import->report;
    report->images = stl_realloc(report->images, (report->image_count + 1) * sizeof *report->images);
    struct stl_imported *entry = &report->images[report->image_count++];
    *entry = (struct stl_imported){
        .name = mirror->repo->name, .has_tag = true, .tag = *tag, .state = STL_IMPORT_DELETED};
}

/* Whether the limits of the registry let a tag go; one that has gone is no matter. */
static int check_tag(const struct mirror *mirror, const struct stl_tag *tag, struct stl_error *err)
{
    struct stl_digest current;
    size_t added = 0;
    if (stl_tag_resolve(mirror->repo, tag, &current, err))
        return -1;
    return stl_limits_check_tag(mirror->repo, tag, &current, NULL, &added, err);
}

static int delete_tags(struct mirror *mirror, struct stl_error *err)
{
    for (size_t i = 0; i < mirror->gone_count; i++) {
        const struct stl_tag *tag = &mirror->gone[i];
        int result = mirror->check_only                 ? check_tag(mirror, tag, err)
                     : mirror->import->options->dry_run ? 0
                                                        : stl_tag_delete(mirror->repo, tag, NULL, NULL, err);
        if (result && err->code != STL_MANIFEST_UNKNOWN)
            return stl_error_context(err, "%s:%s", mirror->repo->name.text, tag->text);
        stl_error_clear(err); /* somebody else was faster */
        if (!mirror->check_only)
            note(mirror, tag);
    }
    return 0;
}

/* Whether the export was for the repository with all its tags. */
static bool is_covered(const struct mirror *mirror)
{
    for (size_t i = 0; i < mirror->scope.count; i++) {
        const struct stl_selection_pattern *pattern = &mirror->scope.items[i];
        if (pattern->tag && (!strcmp(pattern->tag, "*") || !strcmp(pattern->tag, "**")) &&
            stl_pattern_match(pattern->name, mirror->source))
            return true;
    }
    return false;
}

static bool has_images(const struct mirror *mirror)
{
    const struct stl_bundle *bundle = mirror->import->bundle;
    for (size_t i = 0; i < bundle->image_count; i++)
        if (!strcmp(bundle->images[i].name, mirror->source))
            return true;
    return false;
}

static int visit_repository(void *context, const char *text, struct stl_error *err)
{
    struct mirror *mirror = context;
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
    struct stl_name name;
    free(mirror->source);
    mirror->source = source_name(mirror->import, text);
    mirror->repo = &repo;
    mirror->kept = mirror->gone_count = 0;
    if (!mirror->source)
        return 0;
    if (stl_name_parse(text, &name, err) || stl_repo_open(&repo, mirror->import->registry, &name, err)) {
        if (err->code != STL_NAME_UNKNOWN)
            return -1;
        stl_error_clear(err);
        return 0;
    }
    STL_AUTO_CLOSE int tags = stl_dir_open(repo.fd, "tags", err);
    if (tags < 0 || stl_listing_each(tags, &name, visit_tag, mirror, err) || delete_tags(mirror, err))
        return -1;
    if (mirror->kept || mirror->check_only || mirror->import->options->dry_run || !is_covered(mirror) ||
        has_images(mirror))
        return 0;
    return stl_repo_delete(mirror->import->registry, &name, err);
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
    STL_AUTO_CLOSE int v2 = stl_dir_open(import->registry->root.fd, "www/v2", err);
    return v2 < 0 || stl_listing_each(v2, NULL, visit_repository, &mirror, err) ? -1 : 0;
}
