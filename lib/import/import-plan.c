/* Finds out what has to be done and whether it can be done; changes nothing. */
#include "import-run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "consent.h"
#include "find-hint.h"
#include "import.h"
#include "quota.h"
#include "references.h"

/* --- signature ------------------------------------------------------------------------------------------ */

static int check_signature(const struct import *import, const struct stl_volume *volume,
                           struct stl_error *err)
{
    const struct stl_import_options *options = import->options;
    const struct stl_trust *trust = &import->registry->settings.trust;
    const struct stl_buf *list = &import->bundle->list; /* all volumes have the same list */
    if (options->of_our_own || (options->trust_count == 0 && !trust->asks))
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
    const char *volume = import->volume_count == 1 ? import->volumes[0].label : "in every volume at hand";
    report->lost[report->lost_count++] =
        (struct stl_bundle_lost){*digest, 0, size, stl_sprintf("%s: %s", volume, why)};
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
            return stl_error_set(
                err, STL_MANIFEST_BLOB_UNKNOWN,
                "an index of the bundle names manifest %s, which is not in the bundle: it was "
                "exported for some platforms only, and registry.yaml has to say "
                "'sparse-indexes: true' under 'push:' to take such indexes",
                stl_digest_format(digest, text));
    }
    return 0;
}

/* --- choice --------------------------------------------------------------------------------------------- */

static int choose_image(struct import *import, size_t i, struct stl_error *err)
{
    struct import_target *target = &import->targets[i];
    const struct stl_bundle_image *image = target->image;
    if (stl_import_name_target(import, target, err))
        return -1;
    return stl_graph_add(&import->graph, &image->digest, image->size, image->media_type, &target->root, err);
}

/* The subject of an image that has no tag, or one that older tools give to signatures. */
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

/* An image that was not chosen, and its subject. */
struct referrer {
    size_t target;
    struct stl_digest subject;
};

static bool is_reached(const struct import *import, const struct stl_digest *digest)
{
    size_t number;
    return stl_digestset_find(&import->graph.manifests, digest, &number) && number < import->walk.capacity &&
           import->walk.seen[number];
}

static bool is_excluded(const struct import *import, const struct stl_bundle_image *image)
{
    return stl_selection_excludes(import->options->selection, image->name, image->tag, &image->digest);
}

/* Chooses the referrers of what was reached, and then the referrers of those. */
static int choose_reached(struct import *import, const struct referrer *referrers, size_t count,
                          struct stl_error *err)
{
    for (bool more = count > 0; more;) {
        more = false;
        for (size_t i = 0; i < count; i++) {
            const struct import_target *target = &import->targets[referrers[i].target];
            if (target->root != STL_NO_NODE || !is_reached(import, &referrers[i].subject))
                continue;
            if (choose_image(import, referrers[i].target, err))
                return -1;
            stl_import_walk_add(&import->walk, &import->graph, target->root);
            more = true;
        }
    }
    return 0;
}

static int explain_unmatched(const struct stl_bundle *bundle, const struct stl_selection_pattern *pattern,
                             struct stl_error *err)
{
    STL_AUTO_HINT struct stl_hint hint = {.pattern = pattern};
    stl_hint_bundle(&hint, bundle);
    STL_AUTO_FREE char *why = stl_hint_format(&hint);
    return stl_error_set(err, STL_USAGE, "the bundle has no image that matches '%.200s': %s", pattern->text,
                         why);
}

/* Signatures and the like of what was chosen of one repository, images `first` to `end`. */
static int choose_referrers_of(struct import *import, size_t first, size_t end, struct stl_error *err)
{
    STL_AUTO_FREE struct referrer *referrers = NULL;
    size_t count = 0;
    stl_import_walk_reset(&import->walk);
    for (size_t i = first; i < end; i++)
        if (import->targets[i].root != STL_NO_NODE)
            stl_import_walk_add(&import->walk, &import->graph, import->targets[i].root);
    for (size_t i = first; i < end && import->walk.count > 0; i++) {
        struct stl_digest subject;
        if (import->targets[i].root != STL_NO_NODE || is_excluded(import, import->targets[i].image) ||
            !find_subject(import, import->targets[i].image, &subject))
            continue;
        stl_grow(referrers, count);
        referrers[count++] = (struct referrer){i, subject};
    }
    return choose_reached(import, referrers, count, err);
}

/* The images of a bundle are sorted by name. */
static int choose_referrers(struct import *import, struct stl_error *err)
{
    const struct stl_bundle *bundle = import->bundle;
    for (size_t first = 0, end; first < bundle->image_count; first = end) {
        end = first + 1;
        while (end < bundle->image_count && !strcmp(bundle->images[end].name, bundle->images[first].name))
            end++;
        if (choose_referrers_of(import, first, end, err))
            return -1;
    }
    stl_import_walk_reset(&import->walk);
    return 0;
}

static int choose_images(struct import *import, struct stl_error *err)
{
    const struct stl_bundle *bundle = import->bundle;
    struct stl_selection *selection = import->options->selection;
    bool all = !selection || selection->count == 0;
    for (size_t i = 0; i < bundle->image_count && !all; i++)
        stl_selection_note_name(selection, bundle->images[i].name);
    if (!all)
        stl_selection_drop_hosts(selection);
    for (size_t i = 0; i < bundle->image_count; i++) {
        const struct stl_bundle_image *image = &bundle->images[i];
        if ((all || stl_selection_matches(selection, image->name, image->tag, &image->digest)) &&
            choose_image(import, i, err))
            return -1;
    }
    if (all)
        return 0;
    const struct stl_selection_pattern *unmatched = stl_selection_unmatched(selection);
    if (unmatched)
        return explain_unmatched(bundle, unmatched, err);
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
    import->planned = report->image_count;
    stl_import_list_destinations(import);
    return 0;
}

/* Links both ways to one result: if two images become one, they share it. */
static void link_results(struct import *import)
{
    struct stl_import_report *report = import->report;
    import->roots = stl_alloc(import->planned * sizeof *import->roots);
    for (size_t i = 0; i < import->bundle->image_count; i++) {
        struct import_target *target = &import->targets[i];
        struct stl_imported key = {.name = target->name, .digest = target->image->digest};
        if (target->root == STL_NO_NODE)
            continue;
        key.has_tag = target->image->tag != NULL;
        snprintf(key.tag.text, sizeof key.tag.text, "%s", key.has_tag ? target->image->tag : "");
        target->result =
            bsearch(&key, report->images, report->image_count, sizeof *report->images, compare_results);
        import->roots[target->result - report->images] = target->root;
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

/* Limits are checked again when changes are made; here, so that nothing is changed if they forbid it. */
static int check_tag(const struct stl_repo *repo, const struct stl_imported *result, size_t *added,
                     struct stl_error *err)
{
    struct stl_digest current;
    int exists = stl_tag_resolve_if_any(repo, &result->tag, &current, err);
    if (exists < 0)
        return -1;
    return stl_may_change_tag(repo, &result->tag, exists ? &current : NULL, &result->digest, NULL, NULL,
                              added, err);
}

static int check_tags(const struct import *import, const struct import_destination *destination,
                      struct stl_error *err)
{
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
    const struct stl_imported *images = &import->report->images[destination->first];
    size_t added = 0;
    int found = stl_repo_open_if_any(&repo, import->registry, destination->name, err);
    if (found <= 0) /* in a new repository, no tag is immutable yet */
        return found;
    for (size_t i = 0; i < destination->count; i++)
        if (images[i].has_tag && check_tag(&repo, &images[i], &added, err))
            return -1;
    return 0;
}

/* The number of bytes that the manifests of the walk would add to a repository. */
static int64_t added_size(const struct import *import, const struct stl_name *name)
{
    const struct stl_graph *graph = &import->graph;
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
    STL_AUTO_FREE bool *counted = stl_alloc(graph->blob_digests.count);
    struct stl_error ignored = STL_ERROR_INIT;
    int64_t size = 0;
    bool exists = stl_repo_open(&repo, import->registry, name, &ignored) == 0;
    for (size_t i = 0; i < import->walk.count; i++) {
        const struct stl_node *node = &graph->nodes[import->walk.order[i]];
        for (size_t k = 0; k < node->blob_count; k++) {
            uint32_t number = node->blobs[k];
            if (!counted[number] && (!exists || stl_repo_has_blob(&repo, &graph->blob_digests.items[number],
                                                                  NULL, &ignored) <= 0))
                size += graph->blobs[number].size;
            counted[number] = true;
        }
    }
    return size;
}

static int check_quota(struct import *import, const struct import_destination *destination,
                       struct stl_error *err)
{
    int64_t left;
    if (stl_quota_left(import->registry, destination->name, &left, err))
        return -1;
    if (left == INT64_MAX)
        return 0;
    stl_import_walk_reset(&import->walk);
    for (size_t i = 0; i < destination->count; i++)
        stl_import_walk_add(&import->walk, &import->graph, import->roots[destination->first + i]);
    int64_t size = added_size(import, destination->name);
    stl_import_walk_reset(&import->walk);
    return size > left ? stl_quota_exceeded(destination->name, size, left, err) : 0;
}

static int check_destinations(struct import *import, struct stl_error *err)
{
    for (size_t i = 0; i < import->destination_count; i++)
        if (check_tags(import, &import->destinations[i], err) ||
            check_quota(import, &import->destinations[i], err))
            return -1;
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
    stl_import_list_sources(import);
    import->graph.reader = stl_bundle_manifests_reader(&import->manifests);
    import->graph.manifest_size_max = settings->push.manifest_size;
    import->graph.sparse = true; /* whether anything required is missing is checked once all are read */
    if (choose_images(import, err) || check_missing_manifests(import, err) || add_results(import, err))
        return -1;
    link_results(import);
    import->blobs = stl_alloc(import->graph.blob_digests.count * sizeof *import->blobs);
    for (size_t i = 0; i < import->graph.blob_digests.count; i++)
        if (find_blob(import, i, err))
            return -1;
    return check_destinations(import, err);
}
