/* The step that makes images visible. What they consist of is in the store by now. */
#include "import-internal.h"

#include <stdlib.h>
#include <string.h>

#include "pool.h"

/* The images that go into one repository. */
struct place {
    struct import *import;
    struct stl_repo repo;
    bool *seen;      /* for each manifest: it is in `order` */
    uint32_t *order; /* manifests, children first */
    size_t count;
};

static void place_clear(struct place *place)
{
    stl_repo_close(&place->repo);
    free(place->seen);
    free(place->order);
}

/* Whether the registry has all that the image consists of. */
static bool is_complete(const struct import *import, const struct import_target *target)
{
    const struct stl_graph *graph = &import->graph;
    STL_AUTO_FREE bool *seen = stl_alloc(graph->manifests.count);
    STL_AUTO_FREE uint32_t *order = stl_alloc(graph->manifests.count * sizeof *order);
    size_t count = stl_graph_order(graph, target->root, seen, order);
    for (size_t i = 0; i < count; i++) {
        const struct stl_node *node = &graph->nodes[order[i]];
        for (size_t k = 0; k < node->blob_count; k++)
            if (!import->blobs[node->blobs[k]].stored && graph->blobs[node->blobs[k]].required)
                return false;
        for (size_t k = 0; k < node->child_count; k++) {
            size_t ignored;
            if (graph->nodes[node->children[k]].missing &&
                stl_digestset_find(&import->bundle->digests, &graph->manifests.items[node->children[k]],
                                   &ignored))
                return false; /* damaged, not left out */
        }
    }
    return count > 0;
}

/* --- what is there -------------------------------------------------------------------------------------- */

static bool has_all_blobs(const struct import *import, const struct stl_repo *repo,
                          const struct stl_node *node)
{
    struct stl_error ignored = STL_ERROR_INIT;
    for (size_t i = 0; i < node->blob_count; i++)
        if (import->blobs[node->blobs[i]].stored &&
            stl_repo_has_blob(repo, &import->graph.blob_digests.items[node->blobs[i]], NULL, &ignored) <= 0)
            return false;
    return true;
}

static bool is_unchanged(const struct import *import, const struct import_target *target)
{
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
    const struct stl_graph *graph = &import->graph;
    struct stl_error ignored = STL_ERROR_INIT;
    struct stl_media_type type;
    struct stl_digest current;
    if (stl_repo_open(&repo, import->registry, target->name, &ignored))
        return false;
    if (target->result->has_tag && (stl_tag_resolve(&repo, &target->result->tag, &current, &ignored) ||
                                    !stl_digest_equal(&current, &target->image->digest)))
        return false;
    STL_AUTO_FREE bool *seen = stl_alloc(graph->manifests.count);
    STL_AUTO_FREE uint32_t *order = stl_alloc(graph->manifests.count * sizeof *order);
    size_t count = stl_graph_order(graph, target->root, seen, order);
    for (size_t i = 0; i < count; i++)
        if (stl_manifest_type(&repo, &graph->manifests.items[order[i]], &type, &ignored) ||
            !has_all_blobs(import, &repo, &graph->nodes[order[i]]))
            return false;
    return true;
}

static void decide(struct import *import)
{
    for (size_t i = 0; i < import->bundle->image_count; i++) {
        struct import_target *target = &import->targets[i];
        if (target->root == STL_NO_NODE)
            continue;
        target->result->state = !is_complete(import, target)   ? STL_IMPORT_WAITING
                                : is_unchanged(import, target) ? STL_IMPORT_UNCHANGED
                                                               : STL_IMPORT_DONE;
    }
}

/* What the last run may have left half done is done again. */
static bool is_to_do(const struct import *import, const struct stl_imported *image)
{
    return image->state == STL_IMPORT_DONE || (import->interrupted && image->state == STL_IMPORT_UNCHANGED);
}

/* --- one repository ------------------------------------------------------------------------------------- */

/* Those that the repository has are passed over: linking costs a lock. */
static int link_blobs(struct place *place, struct stl_error *err)
{
    const struct import *import = place->import;
    const struct stl_graph *graph = &import->graph;
    STL_AUTO_FREE bool *seen = stl_alloc(graph->blob_digests.count);
    STL_AUTO_FREE struct stl_digest *linked = stl_alloc(graph->blob_digests.count * sizeof *linked);
    size_t count = 0;
    for (size_t i = 0; i < place->count; i++) {
        const struct stl_node *node = &graph->nodes[place->order[i]];
        for (size_t k = 0; k < node->blob_count; k++) {
            uint32_t number = node->blobs[k];
            const struct stl_digest *digest = &graph->blob_digests.items[number];
            if (seen[number] || !import->blobs[number].stored)
                continue;
            seen[number] = true;
            int found = stl_repo_has_blob(&place->repo, digest, NULL, err);
            if (found < 0 || (!found && stl_repo_enter_blob(&place->repo, NULL, digest, err)))
                return -1;
            linked[count++] = *digest;
        }
    }
    return stl_repo_sync_entered(&place->repo, linked, count, err);
}

static int publish_manifest(void *context, size_t index, struct stl_error *err)
{
    const struct place *place = context;
    const struct import *import = place->import;
    uint32_t number = place->order[index];
    const struct stl_node *node = &import->graph.nodes[number];
    const struct stl_publish how = {.allow_missing_children = import->registry->settings.push.sparse_indexes};
    STL_AUTO_BUF struct stl_buf bytes = STL_BUF_INIT;
    STL_AUTO_MANIFEST struct stl_manifest manifest = {0};
    return stl_graph_read(&import->graph, &import->graph.manifests.items[number], node->size,
                          node->media_type, &bytes, &manifest, err) ||
                   stl_publish_manifest(&place->repo, &manifest, bytes.data, &how, err)
               ? -1
               : 0;
}

/* What has no children comes to the front, and the rest keeps its order. Returns how many those are. */
static size_t sort_leaves(struct place *place)
{
    const struct stl_node *nodes = place->import->graph.nodes;
    STL_AUTO_FREE uint32_t *rest = stl_alloc(place->count * sizeof *rest);
    size_t leaves = 0, others = 0;
    for (size_t i = 0; i < place->count; i++)
        if (nodes[place->order[i]].child_count)
            rest[others++] = place->order[i];
        else
            place->order[leaves++] = place->order[i];
    memcpy(place->order + leaves, rest, others * sizeof *rest);
    return leaves;
}

static int publish_manifests(struct import *import, const struct stl_name *name, size_t workers,
                             struct stl_error *err)
{
    const struct stl_graph *graph = &import->graph;
    __attribute__((cleanup(place_clear))) struct place place = {.import = import, .repo = STL_REPO_INIT};
    place.seen = stl_alloc(graph->manifests.count);
    place.order = stl_alloc(graph->manifests.count * sizeof *place.order);
    for (size_t i = 0; i < import->bundle->image_count; i++) {
        const struct import_target *target = &import->targets[i];
        if (target->root != STL_NO_NODE && is_to_do(import, target->result) &&
            !strcmp(target->name->text, name->text))
            place.count += stl_graph_order(graph, target->root, place.seen, place.order + place.count);
    }
    if (place.count == 0)
        return 0;
    /* From linking to publishing, so that garbage collection does not come in between. */
    STL_AUTO_CLOSE int content = stl_registry_lock(import->registry, STL_LOCK_CONTENT, name, false, err);
    if (content < 0 || stl_repo_make(&place.repo, import->registry, name, err) || link_blobs(&place, err))
        return -1;
    size_t leaves = sort_leaves(&place);
    if (stl_pool_run(workers, leaves, publish_manifest, &place, err))
        return -1;
    for (size_t i = leaves; i < place.count; i++)
        if (publish_manifest(&place, i, err))
            return -1;
    return 0;
}

/* --- all of them ---------------------------------------------------------------------------------------- */

struct repositories {
    struct import *import;
    const struct stl_imported **first; /* image of each */
    size_t count;
};

static int publish_repository(void *context, size_t index, struct stl_error *err)
{
    const struct repositories *all = context;
    const struct stl_name *name = all->first[index]->name;
    return publish_manifests(all->import, name, stl_copy_workers() / all->count + 1, err)
               ? stl_error_context(err, "%s", name->text)
               : 0;
}

/* The images of a repository follow each other. */
static int set_tags(void *context, size_t index, struct stl_error *err)
{
    const struct repositories *all = context;
    const struct stl_import_report *report = all->import->report;
    const struct stl_name *name = all->first[index]->name;
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
    STL_AUTO_FREE struct stl_tagging *set = NULL;
    size_t count = 0;
    for (const struct stl_imported *image = all->first[index];
         image < report->images + report->image_count && !strcmp(image->name->text, name->text); image++) {
        if (image->has_tag && is_to_do(all->import, image)) {
            stl_grow(set, count);
            set[count++] = (struct stl_tagging){.tag = image->tag, .digest = image->digest};
        }
    }
    if (count == 0)
        return 0;
    return stl_repo_open(&repo, all->import->registry, name, err) ||
                   stl_publish_tag_set(&repo, set, count, NULL, NULL, err)
               ? stl_error_context(err, "%s", name->text)
               : 0;
}

/* First everything that the tags lead to, signatures too, then all tags: what appears is whole. Results are
 * sorted by name. Several at once, since a disk makes durable together what comes together. */
static int publish_all(struct import *import, struct stl_error *err)
{
    const struct stl_import_report *report = import->report;
    STL_AUTO_FREE const struct stl_imported **first = stl_alloc(report->image_count * sizeof *first);
    struct repositories all = {.import = import, .first = first};
    for (size_t i = 0; i < report->image_count; i++)
        if (i == 0 || strcmp(report->images[i - 1].name->text, report->images[i].name->text))
            first[all.count++] = &report->images[i];
    return stl_pool_run(stl_copy_workers(), all.count, publish_repository, &all, err) ||
                   stl_pool_run(stl_copy_workers(), all.count, set_tags, &all, err)
               ? -1
               : 0;
}

static const char marker[] = "publishing";

static int find_marker(struct import *import, struct stl_error *err)
{
    STL_AUTO_BUF struct stl_buf ignored = STL_BUF_INIT;
    int found = stl_pending_read(&import->pending, marker, &ignored, err);
    import->interrupted = found > 0;
    return found < 0 ? -1 : 0;
}

int stl_import_publish(struct import *import, struct stl_error *err)
{
    decide(import);
    if (import->options->dry_run)
        return 0;
    if (find_marker(import, err) || stl_pending_write(&import->pending, marker, "", 0, err) ||
        stl_pending_sync(&import->pending, err))
        return -1;
    return publish_all(import, err) || stl_pending_drop(&import->pending, marker, err) ? -1 : 0;
}
