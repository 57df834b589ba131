/* Chooses the images and what belongs to them. */
#include "export-run.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "export.h"
#include "find-hint.h"
#include "listing.h"
#include "platform.h"
#include "references.h"
#include "referrers.h"

/* The largest possible push.manifest-size, now or when the manifest was pushed. */
enum { MANIFEST_MAX = 64 << 20 };

/* --- reading manifests for the graph -------------------------------------------------------------------- */

static int read_held(const struct stl_export *export, const char *folder, const struct stl_digest *digest,
                     int64_t size, struct stl_buf *bytes, struct stl_error *err)
{
    char text[STL_DIGEST_TEXT_MAX], path[STL_PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", folder, stl_digest_format(digest, text));
    if (stl_file_read(export->repo.fd, path, true, bytes, err)) {
        if (err->sys_errno != ENOENT)
            return -1;
        stl_error_clear(err);
        return 0;
    }
    if ((int64_t)bytes->length == size)
        return 1;
    return stl_error_set(err, STL_MANIFEST_INVALID, "%s: %s has %zu bytes where %lld are expected",
                         export->repo.name.text, text, bytes->length, (long long)size);
}

static int read_exported_manifest(void *context, const struct stl_digest *digest, int64_t size,
                                  struct stl_buf *bytes, struct stl_error *err)
{
    const struct stl_export *export = context;
    struct stl_digest actual;
    char text[STL_DIGEST_TEXT_MAX];
    int found = read_held(export, STL_REPO_LINKS, digest, size, bytes, err);
    if (found <= 0)
        return found;
    stl_digest_of(digest->algorithm, bytes->data ? bytes->data : "", bytes->length, &actual);
    if (stl_digest_equal(&actual, digest))
        return 1;
    return stl_error_set(err, STL_DIGEST_INVALID, "%s: manifest %s is damaged: run 'stillage verify'",
                         export->repo.name.text, stl_digest_format(digest, text));
}

static int read_blob(void *context, const struct stl_digest *digest, int64_t size, struct stl_buf *bytes,
                     struct stl_error *err)
{
    return read_held(context, STL_REPO_BLOBS, digest, size, bytes, err);
}

/* --- images --------------------------------------------------------------------------------------------- */

/* State of the walk through one repository. */
struct export_walk {
    struct stl_export *export;
    struct stl_digestset reached; /* manifests that were added from this repository */
};

static void walk_clear(struct export_walk *walk)
{
    stl_digestset_clear(&walk->reached);
}

static int find_manifest(const struct stl_export *export, const struct stl_digest *digest,
                         struct stl_platform_image *image, struct stl_error *err)
{
    struct stl_media_type type;
    struct stat st;
    char text[STL_DIGEST_TEXT_MAX], path[STL_PATH_MAX];
    if (stl_manifest_type(&export->repo, digest, &type, err))
        return -1;
    stl_path_reference(stl_digest_format(digest, text), path);
    if (fstatat(export->repo.fd, path, &st, 0))
        return stl_error_errno(err, "cannot look at %s/%s", export->repo.name.text, path);
    *image = (struct stl_platform_image){*digest, st.st_size, stl_strdup(type.text)};
    return 0;
}

static void append_image(struct stl_export *export, const char *tag, const struct stl_platform_image *found)
{
    stl_grow(export->images, export->image_count);
    export->images[export->image_count++] = (struct stl_bundle_image){
        .name = export->names[export->name_count - 1],
        .tag = tag ? stl_arena_strdup(&export->arena, tag) : NULL,
        .media_type = stl_arena_intern(&export->arena, found->media_type),
        .digest = found->digest,
        .size = found->size,
    };
}

/* Replaces an index with the manifest of the wanted platform; with several platforms, keeps the index.
 * Returns 1, 0 if it has none of them, or -1. */
static int narrow_down(const struct stl_export *export, struct stl_platform_image *image,
                       struct stl_error *err)
{
    const struct stl_platforms *platforms = &export->options->platforms;
    int found = 0;
    if (platforms->count == 1)
        return stl_platform_find(&export->graph, &platforms->items[0], image, err);
    for (size_t i = 0; i < platforms->count && !found; i++) {
        struct stl_platform_image one = {image->digest, image->size, stl_strdup(image->media_type)};
        found = stl_platform_find(&export->graph, &platforms->items[i], &one, err);
        free(one.media_type);
    }
    return found;
}

static int skip(struct stl_export *export, const char *tag, const struct stl_digest *digest)
{
    stl_grow(export->skipped, export->skipped_count);
    export->skipped[export->skipped_count++] =
        (struct stl_export_skipped){.name = export->names[export->name_count - 1],
                                    .tag = tag ? stl_arena_strdup(&export->arena, tag) : NULL,
                                    .digest = *digest};
    return 0;
}

static int append_graph(struct export_walk *walk, const char *tag, const struct stl_platform_image *image,
                        struct stl_error *err)
{
    struct stl_export *export = walk->export;
    size_t number;
    if (stl_graph_add(&export->graph, &image->digest, image->size, image->media_type, &number, err))
        return -1;
    append_image(export, tag, image);
    stl_digestset_add(&walk->reached, &image->digest, &number);
    return 0;
}

/* Adds a manifest with everything that it leads to. `narrow`: only the wanted platforms of an index. */
static int add_image(struct export_walk *walk, const char *tag, const struct stl_digest *digest, bool narrow,
                     struct stl_error *err)
{
    struct stl_export *export = walk->export;
    const struct stl_platforms *platforms = &export->options->platforms;
    struct stl_platform_image image = {0};
    narrow &= platforms->count > 0;
    if (find_manifest(export, digest, &image, err))
        return -1;
    int found = narrow ? narrow_down(export, &image, err) : 1;
    export->graph.platforms = narrow && platforms->count > 1 ? platforms : NULL;
    int result = found > 0    ? append_graph(walk, tag, &image, err)
                 : found == 0 ? skip(export, tag, digest)
                              : -1;
    free(image.media_type);
    return result;
}

/* A tag that is deleted meanwhile is ignored. */
static int add_tag(struct export_walk *walk, const char *text, bool narrow, struct stl_error *err)
{
    struct stl_tag tag;
    struct stl_digest digest;
    if (stl_tag_parse(text, &tag, err))
        return -1;
    int found = stl_tag_resolve_if_any(&walk->export->repo, &tag, &digest, err);
    return found > 0 ? add_image(walk, text, &digest, narrow, err) : found;
}

/* The digest matters only if a pattern names one. */
static int choose_tag(void *context, const char *text, struct stl_error *err)
{
    struct export_walk *walk = context;
    struct stl_export *export = walk->export;
    struct stl_selection *selection = export->options->selection;
    struct stl_digest digest;
    struct stl_tag tag;
    bool known = false;
    if (selection->has_digests) {
        int found =
            stl_tag_parse(text, &tag, err) ? -1 : stl_tag_resolve_if_any(&export->repo, &tag, &digest, err);
        if (found <= 0)
            return found;
        known = true;
    }
    if (!stl_selection_matches_tag(selection, export->repo.name.text, text, known ? &digest : NULL))
        return 0;
    return add_tag(walk, text, true, err);
}

/* Adds the manifest that a pattern names by digest. Returns 1, 0 if the repository lacks it, or -1. */
static int choose_digest(struct export_walk *walk, struct stl_selection_pattern *pattern,
                         struct stl_error *err)
{
    const struct stl_repo *repo = &walk->export->repo;
    struct stl_media_type type;
    size_t ignored;
    if (stl_manifest_type(repo, &pattern->digest, &type, err)) {
        if (err->code != STL_MANIFEST_UNKNOWN)
            return -1;
        stl_error_clear(err);
        return 0;
    }
    pattern->matched = true;
    if (stl_selection_excludes(walk->export->options->selection, repo->name.text, NULL, &pattern->digest) ||
        stl_digestset_find(&walk->reached, &pattern->digest, &ignored))
        return 1;
    return add_image(walk, NULL, &pattern->digest, true, err) ? -1 : 1;
}

static int choose_digests(struct export_walk *walk, struct stl_error *err)
{
    struct stl_selection *selection = walk->export->options->selection;
    for (size_t i = 0; i < selection->count; i++) {
        struct stl_selection_pattern *pattern = &selection->items[i];
        if (pattern->has_digest && !pattern->excludes &&
            stl_pattern_match(pattern->name, walk->export->repo.name.text) &&
            choose_digest(walk, pattern, err) < 0)
            return -1;
    }
    return 0;
}

/* --- referrers ------------------------------------------------------------------------------------------ */

static int compare_digests(const void *a, const void *b)
{
    return stl_digest_compare(a, b);
}

/* The list is in the order in which they were pushed, which differs between registries. */
static int read_referrers(const struct stl_repo *repo, const struct stl_digest *subject,
                          struct stl_digest **digests, size_t *count, struct stl_error *err)
{
    STL_AUTO_BUF struct stl_buf text = STL_BUF_INIT;
    struct json_object *list = NULL;
    if (stl_referrers_read(repo->fd, subject, NULL, &text, err))
        return -1;
    STL_AUTO_JSON struct json_object *index = stl_json_parse(text.data, text.length, err);
    if (!index || stl_json_array(index, "manifests", &list, err))
        return -1;
    *count = json_object_array_length(list);
    *digests = stl_alloc(*count * sizeof **digests);
    for (size_t i = 0; i < *count; i++) {
        const char *digest = "";
        if (stl_json_string(json_object_array_get_idx(list, i), "digest", &digest, err) ||
            stl_digest_parse(digest, &(*digests)[i], err))
            return -1;
    }
    if (*count)
        qsort(*digests, *count, sizeof **digests, compare_digests);
    return 0;
}

static int walk_referrers(struct export_walk *walk, const struct stl_digest *subject, struct stl_error *err)
{
    STL_AUTO_FREE struct stl_digest *digests = NULL;
    size_t count = 0, ignored;
    if (read_referrers(&walk->export->repo, subject, &digests, &count, err))
        return -1;
    for (size_t i = 0; i < count; i++)
        if (!stl_digestset_find(&walk->reached, &digests[i], &ignored) &&
            !stl_selection_excludes(walk->export->options->selection, walk->export->repo.name.text, NULL,
                                    &digests[i]) &&
            add_image(walk, NULL, &digests[i], false, err))
            return -1;
    return 0;
}

/* Before there were referrers, tags that contain the digest served that purpose; some tools still write
 * them. */
static int add_referrer_tags(struct export_walk *walk, const struct stl_digest *subject,
                             struct stl_error *err)
{
    static const char *const endings[] = {"", ".sig", ".att", ".sbom"};
    char text[STL_DIGEST_TEXT_MAX], tag[STL_DIGEST_TEXT_MAX + 8];
    stl_digest_format(subject, text);
    *strchr(text, ':') = '-';
    for (size_t i = 0; i < sizeof endings / sizeof *endings && strlen(text) < STL_TAG_MAX - 8; i++) {
        const struct stl_export *export = walk->export;
        snprintf(tag, sizeof tag, "%s%s", text, endings[i]);
        struct stl_selection *selection = export->options->selection;
        bool decided = stl_selection_matches_tag(selection, export->repo.name.text, tag, NULL) ||
                       stl_selection_excludes(selection, export->repo.name.text, tag, NULL);
        if (!decided && add_tag(walk, tag, false, err))
            return -1;
    }
    return 0;
}

/* Children, referrers, referrers of those, ...: the set grows while we go through it. */
static int follow(struct export_walk *walk, struct stl_error *err)
{
    const struct stl_graph *graph = &walk->export->graph;
    for (size_t i = 0; i < walk->reached.count; i++) {
        struct stl_digest digest = walk->reached.items[i];
        size_t number, ignored;
        if (!stl_digestset_find(&graph->manifests, &digest, &number))
            continue;
        for (size_t k = 0; k < graph->nodes[number].child_count; k++)
            stl_digestset_add(&walk->reached, &graph->manifests.items[graph->nodes[number].children[k]],
                              &ignored);
        if (!walk->export->options->without_referrers &&
            (walk_referrers(walk, &digest, err) || add_referrer_tags(walk, &digest, err)))
            return -1;
    }
    return 0;
}

/* --- repositories --------------------------------------------------------------------------------------- */

static int place_blobs(struct stl_export *export, uint32_t place, struct stl_error *err)
{
    const struct stl_graph *graph = &export->graph;
    for (; export->placed_blobs < graph->blob_digests.count; export->placed_blobs++) {
        size_t i = export->placed_blobs;
        char text[STL_DIGEST_TEXT_MAX];
        int64_t size;
        int found = stl_repo_has_blob(&export->repo, &graph->blob_digests.items[i], &size, err);
        if (found < 0)
            return -1;
        stl_digest_format(&graph->blob_digests.items[i], text);
        if (found ? size != graph->blobs[i].size : graph->blobs[i].required)
            return stl_error_set(err, STL_BLOB_UNKNOWN, "blob %s is %s: run 'stillage verify'", text,
                                 found ? "damaged" : "missing");
        stl_grow(export->blob_places, i);
        export->blob_places[i] = found ? place : STL_EXPORT_NOWHERE;
    }
    return 0;
}

static int place(struct stl_export *export, struct stl_error *err)
{
    uint32_t place = (uint32_t) export->name_count - 1;
    for (; export->placed_manifests < export->graph.manifests.count; export->placed_manifests++) {
        stl_grow(export->manifest_places, export->placed_manifests);
        export->manifest_places[export->placed_manifests] = place;
    }
    return place_blobs(export, place, err);
}

static int choose_in_repository(struct export_walk *walk, struct stl_error *err)
{
    struct stl_export *export = walk->export;
    STL_AUTO_CLOSE int tags = stl_dir_open(export->repo.fd, STL_REPO_TAGS, err);
    if (tags < 0 || stl_listing_each(tags, &export->repo.name, choose_tag, walk, err) ||
        choose_digests(walk, err))
        return -1;
    if (follow(walk, err))
        return -1;
    return place(export, err);
}

static int visit_repository(void *context, const char *text, struct stl_error *err)
{
    struct stl_export *export = context;
    __attribute__((cleanup(walk_clear))) struct export_walk walk = {.export = export};
    if (!stl_selection_enters(export->options->selection, text))
        return 0;
    stl_grow(export->names, export->name_count);
    export->names[export->name_count++] = stl_arena_strdup(&export->arena, text);
    if (stl_export_enter(export, (uint32_t) export->name_count - 1, err)) {
        if (err->code != STL_NAME_UNKNOWN)
            return -1;
        stl_error_clear(err); /* deleted meanwhile */
        return 0;
    }
    return choose_in_repository(&walk, err) ? stl_error_context(err, "%s", text) : 0;
}

static int compare_images(const void *a, const void *b)
{
    return stl_bundle_image_compare(a, b);
}

/* Two patterns may have led to the same image. */
static void sort_images(struct stl_export *export)
{
    size_t kept = 0;
    if (export->image_count)
        qsort(export->images, export->image_count, sizeof *export->images, compare_images);
    for (size_t i = 0; i < export->image_count; i++) {
        struct stl_bundle_image *image = &export->images[i];
        if (kept == 0 || compare_images(&export->images[kept - 1], image) != 0)
            export->images[kept++] = *image;
    }
    export->image_count = kept;
}

/* Finds out which hosts in the patterns belong to names. */
static int note_name(void *context, const char *name, struct stl_error *err)
{
    (void)err;
    stl_selection_note_name(context, name);
    return 0;
}

/* The caller reports skipped images, unless nothing else is left. */
static int check_rest(const struct stl_export *export, struct stl_error *err)
{
    const struct stl_export_skipped *skipped = export->skipped;
    char digest[STL_DIGEST_TEXT_MAX], others[64] = "";
    if (export->image_count)
        return 0;
    if (!skipped)
        return stl_error_set(err, STL_USAGE,
                             "nothing is left: the patterns with '!' leave out all that others choose");
    STL_AUTO_FREE char *platforms = stl_platforms_format(&export->options->platforms);
    if (export->skipped_count == 2)
        snprintf(others, sizeof others, ", nor has another image");
    else if (export->skipped_count > 2)
        snprintf(others, sizeof others, ", nor have %zu others", export->skipped_count - 1);
    return stl_error_set(err, STL_INVALID, "nothing is left: %s%s%s has nothing for platform %s%s",
                         skipped->name, skipped->tag ? ":" : "@",
                         skipped->tag ? skipped->tag : stl_digest_format(&skipped->digest, digest), platforms,
                         others);
}

static int explain_unmatched(const struct stl_export *export, const struct stl_selection_pattern *pattern,
                             struct stl_error *err)
{
    STL_AUTO_HINT struct stl_hint hint = {.pattern = pattern};
    if (stl_hint_registry(&hint, export->registry, err))
        return -1;
    STL_AUTO_FREE char *why = stl_hint_format(&hint);
    return stl_error_set(err, STL_USAGE, "no image matches '%.200s': %s", pattern->text, why);
}

int stl_export_choose(struct stl_export *export, struct stl_error *err)
{
    const struct stl_registry *registry = export->registry;
    struct stl_selection *selection = export->options->selection;
    STL_AUTO_CLOSE int v2 = stl_dir_open(registry->root.fd, STL_V2, err);
    export->graph.reader =
        (struct stl_graph_reader){registry->path, read_exported_manifest, read_blob, export};
    export->graph.manifest_size_max = MANIFEST_MAX;
    export->graph.sparse = registry->settings.push.sparse_indexes || registry->settings.upstreams.count;
    if (v2 < 0 || stl_listing_each(v2, NULL, note_name, selection, err))
        return -1;
    stl_selection_drop_hosts(selection);
    if (stl_listing_each(v2, NULL, visit_repository, export, err))
        return -1;
    const struct stl_selection_pattern *unmatched = stl_selection_unmatched(selection);
    if (unmatched)
        return explain_unmatched(export, unmatched, err);
    sort_images(export);
    return check_rest(export, err);
}
