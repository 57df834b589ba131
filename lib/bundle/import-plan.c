/* What is to be done, and whether it can be: nothing is changed here. */
#include "import-internal.h"

#include <stdlib.h>
#include <string.h>

/* --- signature ------------------------------------------------------------------------------------------ */

static int check_signature(const struct import *import, const struct stl_volume *volume,
                           struct stl_error *err)
{
    const struct stl_import_options *options = import->options;
    const struct stl_trust *trust = &import->registry->settings.trust;
    const struct stl_buf *list = &import->bundle->list; /* which all volumes have */
    if (options->trust_count == 0 && trust->count == 0)
        return 0;
    if (!volume->is_signed)
        return stl_error_set(err, STL_DENIED, "%s is not signed", volume->label);
    for (size_t i = 0; i < options->trust_count + trust->count; i++) {
        STL_AUTO_FREE char *path = i < options->trust_count ? stl_strdup(options->trust[i])
                                                            : stl_trust_path(trust, i - options->trust_count,
                                                                             import->registry->path);
        int good = stl_signature_check(path, list->data, list->length, volume->signature, err);
        if (good)
            return good < 0 ? -1 : 0;
    }
    return stl_error_set(err, STL_DENIED, "%s is not signed with a key that is trusted here, or was changed",
                         volume->label);
}

/* --- manifests ------------------------------------------------------------------------------------------ */

static void lose(struct import *import, const struct stl_digest *digest, int64_t size, const char *why)
{
    struct stl_import_report *report = import->report;
    stl_grow(report->lost, report->lost_count);
    report->lost[report->lost_count++] = (struct stl_bundle_lost){*digest, 0, size, stl_strdup(why)};
}

static int check_missing_manifests(struct import *import, struct stl_error *err)
{
    const struct stl_graph *graph = &import->graph;
    char text[STL_DIGEST_TEXT_MAX];
    for (size_t i = 0; i < graph->manifests.count; i++) {
        const struct stl_digest *digest = &graph->manifests.items[i];
        size_t number;
        if (!graph->nodes[i].missing)
            continue;
        if (stl_digestset_find(&import->bundle->digests, digest, &number) &&
            stl_bundle_is_manifest(import->bundle, number))
            lose(import, digest, graph->nodes[i].size, "it is damaged or missing, and images need it");
        else if (!import->registry->settings.push.sparse_indexes)
            return stl_error_set(err, STL_MANIFEST_BLOB_UNKNOWN,
                                 "an index of the bundle names manifest %s, which is not in the bundle, and "
                                 "push.sparse-indexes is not set",
                                 stl_digest_format(digest, text));
    }
    return 0;
}

/* --- names ---------------------------------------------------------------------------------------------- */

static int map_name(const struct import *import, const char *name, struct stl_name *mapped,
                    struct stl_error *err)
{
    const struct stl_import_options *options = import->options;
    STL_AUTO_FREE char *text = stl_strdup(name);
    for (size_t i = 0; i < options->map_count; i++) {
        const struct stl_import_map *map = &options->maps[i];
        size_t length = strlen(map->from.text);
        if (strncmp(name, map->from.text, length) || (name[length] && name[length] != '/'))
            continue;
        free(text);
        text = stl_sprintf("%s%s", map->to.text, name + length);
        break;
    }
    STL_AUTO_FREE char *whole =
        stl_sprintf("%s%s%s", options->prefix ? options->prefix : "", options->prefix ? "/" : "", text);
    return stl_name_parse(whole, mapped, err);
}

static int add_target(struct import *import, size_t i, struct stl_error *err)
{
    struct import_target *target = &import->targets[i];
    const struct stl_bundle_image *image = target->image;
    struct stl_name name;
    if (map_name(import, image->name, &name, err))
        return stl_error_context(err, "%s", image->name);
    target->name = stl_import_keep_name(import->report, &name);
    return stl_graph_add(&import->graph, &image->digest, image->size, image->media_type, &target->root, err);
}

/* --- choice --------------------------------------------------------------------------------------------- */

/* What an image without a tag, or with one that older tools give to signatures, is about. */
static bool find_subject(struct import *import, const struct stl_bundle_image *image,
                         struct stl_digest *subject)
{
    STL_AUTO_BUF struct stl_buf bytes = STL_BUF_INIT;
    STL_AUTO_MANIFEST struct stl_manifest manifest = {0};
    struct stl_error ignored = STL_ERROR_INIT;
    if (image->tag)
        return stl_tag_names_digest(image->tag, subject);
    if (stl_graph_read(&import->graph, &image->digest, image->size, image->media_type, &bytes, &manifest,
                       &ignored))
        return false;
    *subject = manifest.subject;
    return manifest.has_subject;
}

/* Whether a chosen image of the same repository leads to the digest. */
static bool is_reached(const struct import *import, const char *name, const struct stl_digest *digest)
{
    const struct stl_graph *graph = &import->graph;
    STL_AUTO_FREE bool *seen = stl_alloc(graph->manifests.count);
    STL_AUTO_FREE uint32_t *order = stl_alloc(graph->manifests.count * sizeof *order);
    size_t number;
    if (!stl_digestset_find(&graph->manifests, digest, &number))
        return false;
    for (size_t i = 0; i < import->bundle->image_count && !seen[number]; i++) {
        const struct import_target *target = &import->targets[i];
        if (target->root != STL_NO_NODE && !strcmp(target->image->name, name))
            stl_graph_order(graph, target->root, seen, order);
    }
    return seen[number];
}

/* Signatures and the like of what was chosen, and what refers to those. */
static int choose_referrers(struct import *import, struct stl_error *err)
{
    for (bool more = true; more;) {
        more = false;
        for (size_t i = 0; i < import->bundle->image_count; i++) {
            const struct import_target *target = &import->targets[i];
            struct stl_digest subject;
            if (target->root != STL_NO_NODE || !find_subject(import, target->image, &subject) ||
                !is_reached(import, target->image->name, &subject))
                continue;
            if (add_target(import, i, err))
                return -1;
            more = true;
        }
    }
    return 0;
}

static int choose(struct import *import, struct stl_error *err)
{
    const struct stl_bundle *bundle = import->bundle;
    struct stl_selection *selection = import->options->selection;
    bool all = !selection || selection->count == 0;
    for (size_t i = 0; i < bundle->image_count; i++) {
        const struct stl_bundle_image *image = &bundle->images[i];
        import->targets[i] = (struct import_target){.image = image, .root = STL_NO_NODE};
        if ((all || stl_selection_matches(selection, image->name, image->tag, &image->digest)) &&
            add_target(import, i, err))
            return -1;
    }
    if (all)
        return 0;
    const char *unmatched = stl_selection_unmatched(selection);
    if (unmatched)
        return stl_error_set(err, STL_USAGE, "the bundle has no image that matches '%.200s'", unmatched);
    return choose_referrers(import, err);
}

static int compare_results(const void *left, const void *right)
{
    const struct stl_imported *a = left, *b = right;
    int by_name = strcmp(a->name->text, b->name->text);
    if (by_name)
        return by_name;
    if (a->has_tag && b->has_tag)
        return strcmp(a->tag.text, b->tag.text);
    return a->has_tag != b->has_tag ? b->has_tag - a->has_tag : stl_digest_compare(&a->digest, &b->digest);
}

static int add_results(struct import *import, struct stl_error *err)
{
    struct stl_import_report *report = import->report;
    report->images = stl_alloc(import->bundle->image_count * sizeof *report->images);
    for (size_t i = 0; i < import->bundle->image_count; i++) {
        const struct import_target *target = &import->targets[i];
        if (target->root == STL_NO_NODE)
            continue;
        struct stl_imported *result = &report->images[report->image_count++];
        *result = (struct stl_imported){.name = target->name, .digest = target->image->digest};
        result->has_tag = target->image->tag != NULL;
        if (result->has_tag && stl_tag_parse(target->image->tag, &result->tag, err))
            return -1;
    }
    if (report->image_count)
        qsort(report->images, report->image_count, sizeof *report->images, compare_results);
    for (size_t i = 1; i < report->image_count; i++) {
        const struct stl_imported *a = &report->images[i - 1], *b = &report->images[i];
        if (a->has_tag && compare_results(a, b) == 0 && !stl_digest_equal(&a->digest, &b->digest))
            return stl_error_set(err, STL_CONFLICT, "two images of the bundle would both become %s:%s",
                                 a->name->text, a->tag.text);
    }
    return 0;
}

/* Both ways to one result: where two images become one, they share it. */
static void link_results(struct import *import)
{
    struct stl_import_report *report = import->report;
    for (size_t i = 0; i < import->bundle->image_count; i++) {
        struct import_target *target = &import->targets[i];
        struct stl_imported key = {.name = target->name, .digest = target->image->digest};
        if (target->root == STL_NO_NODE)
            continue;
        key.has_tag = target->image->tag != NULL;
        snprintf(key.tag.text, sizeof key.tag.text, "%s", key.has_tag ? target->image->tag : "");
        target->result =
            bsearch(&key, report->images, report->image_count, sizeof *report->images, compare_results);
    }
}

/* --- blobs ---------------------------------------------------------------------------------------------- */

static int find_blob(struct import *import, size_t i, struct stl_error *err)
{
    const struct stl_digest *digest = &import->graph.blob_digests.items[i];
    struct import_blob *blob = &import->blobs[i];
    int64_t wanted = import->graph.blobs[i].size, size;
    char text[STL_DIGEST_TEXT_MAX];
    size_t number;
    blob->listed = STL_NO_NODE;
    if (stl_digestset_find(&import->bundle->digests, digest, &number)) {
        if (import->bundle->blobs[number].size != wanted)
            return stl_error_set(err, STL_MANIFEST_INVALID,
                                 "the list of the bundle says that %s has %lld bytes, a "
                                 "manifest says %lld",
                                 stl_digest_format(digest, text),
                                 (long long)import->bundle->blobs[number].size, (long long)wanted);
        if (!import->bundle->blobs[number].absent)
            blob->listed = number;
    }
    int found = stl_store_claim(import->registry, digest, &size, err);
    if (found < 0)
        return -1;
    blob->stored = found;
    if (found && size != wanted)
        return stl_error_set(err, STL_MANIFEST_INVALID,
                             "the registry's blob %s has %lld bytes, a manifest says %lld: run "
                             "'stillage verify'",
                             stl_digest_format(digest, text), (long long)size, (long long)wanted);
    return 0;
}

/* --- limits --------------------------------------------------------------------------------------------- */

/* They are checked again when it happens: here, so that nothing happens if they forbid it. */
static int check_tag(const struct stl_repo *repo, const struct stl_imported *result, size_t *added,
                     struct stl_error *err)
{
    struct stl_digest current;
    int exists = stl_tag_resolve_if_any(repo, &result->tag, &current, err);
    if (exists < 0)
        return -1;
    return stl_limits_check_tag(repo, &result->tag, exists ? &current : NULL, &result->digest, added, err);
}

static int check_tags(const struct import *import, const struct stl_name *name, struct stl_error *err)
{
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
    const struct stl_import_report *report = import->report;
    size_t added = 0;
    int found = stl_repo_open_if_any(&repo, import->registry, name, err);
    if (found <= 0) /* what is new cannot be immutable */
        return found;
    for (size_t i = 0; i < report->image_count; i++)
        if (report->images[i].has_tag && !strcmp(report->images[i].name->text, name->text) &&
            check_tag(&repo, &report->images[i], &added, err))
            return -1;
    return 0;
}

/* The bytes that the images of a repository would add to it. */
static int64_t added_size(const struct import *import, const struct stl_name *name)
{
    const struct stl_graph *graph = &import->graph;
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
    STL_AUTO_FREE bool *seen = stl_alloc(graph->manifests.count),
                       *counted = stl_alloc(graph->blob_digests.count);
    STL_AUTO_FREE uint32_t *order = stl_alloc(graph->manifests.count * sizeof *order);
    struct stl_error ignored = STL_ERROR_INIT;
    size_t count = 0;
    int64_t size = 0;
    bool exists = stl_repo_open(&repo, import->registry, name, &ignored) == 0;
    for (size_t i = 0; i < import->bundle->image_count; i++)
        if (import->targets[i].root != STL_NO_NODE && !strcmp(import->targets[i].name->text, name->text))
            count += stl_graph_order(graph, import->targets[i].root, seen, order + count);
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < graph->nodes[order[i]].blob_count; k++) {
            uint32_t number = graph->nodes[order[i]].blobs[k];
            if (!counted[number] && (!exists || stl_repo_has_blob(&repo, &graph->blob_digests.items[number],
                                                                  NULL, &ignored) <= 0))
                size += graph->blobs[number].size;
            counted[number] = true;
        }
    return size;
}

static int check_quota(const struct import *import, const struct stl_name *name, struct stl_error *err)
{
    int64_t left;
    if (stl_limits_left(import->registry, name, &left, err))
        return -1;
    int64_t size = left == INT64_MAX ? 0 : added_size(import, name);
    return size > left ? stl_limits_exceeded(name, size, left, err) : 0;
}

static int check_limits(const struct import *import, struct stl_error *err)
{
    const struct stl_import_report *report = import->report;
    for (size_t i = 0; i < report->image_count; i++) {
        const struct stl_name *name = report->images[i].name;
        if ((i == 0 || strcmp(report->images[i - 1].name->text, name->text)) &&
            (check_tags(import, name, err) || check_quota(import, name, err)))
            return -1;
    }
    return 0;
}

int stl_import_plan(struct import *import, struct stl_error *err)
{
    for (size_t i = 0; i < import->volume_count; i++)
        if (check_signature(import, &import->volumes[i], err))
            return -1;
    const struct stl_settings *settings = &import->registry->settings;
    if (stl_bundle_manifests_load(&import->manifests, import->bundle, import->volumes, import->volume_count,
                                  settings->push.manifest_size, err))
        return -1;
    import->targets = stl_alloc(import->bundle->image_count * sizeof *import->targets);
    import->graph.reader = stl_bundle_manifests_reader(&import->manifests);
    import->graph.manifest_size_max = settings->push.manifest_size;
    import->graph.sparse = true; /* what is missing and may not be is found out when all are read */
    if (choose(import, err) || check_missing_manifests(import, err) || add_results(import, err))
        return -1;
    link_results(import);
    import->blobs = stl_alloc(import->graph.blob_digests.count * sizeof *import->blobs);
    for (size_t i = 0; i < import->graph.blob_digests.count; i++)
        if (find_blob(import, i, err))
            return -1;
    return check_limits(import, err);
}
