/* The step that makes images visible. Their content is already in the store. */
#include "import-run.h"

#include <stdlib.h>
#include <string.h>

#include "blobs.h"
#include "import.h"
#include "pool.h"
#include "publication.h"
#include "publish-batch.h"
#include "references.h"
#include "repo-make.h"

/* The images that go into one repository. */
struct publishing {
    struct import *import;
    struct stl_repo repo; /* open while something is written to it */
    struct stl_publication publication;
    struct import_walk walk; /* manifests */
    const struct import_destination *destination;
};

/* Whether the registry has everything in the walk. */
static bool is_complete(const struct import *import)
{
    const struct stl_graph *graph = &import->graph;
    for (size_t i = 0; i < import->walk.count; i++) {
        const struct stl_node *node = &graph->nodes[import->walk.order[i]];
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
    return import->walk.count > 0;
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

/* Whether everything of the image is already in the repository, apart from its tag. */
static bool has_image(const struct import *import, const struct stl_repo *repo)
{
    const struct stl_graph *graph = &import->graph;
    for (size_t i = 0; i < import->walk.count; i++) {
        uint32_t number = import->walk.order[i];
        if (!stl_manifest_exists(repo, &graph->manifests.items[number]) ||
            !has_all_blobs(import, repo, &graph->nodes[number]))
            return false;
    }
    return true;
}

/* `repo`: NULL if it does not exist yet. */
static void decide(const struct import *import, const struct stl_repo *repo, struct stl_imported *image)
{
    struct stl_error ignored = STL_ERROR_INIT;
    image->state = STL_IMPORT_WAITING;
    if (!is_complete(import))
        return;
    image->state = STL_IMPORT_DONE;
    if (!repo)
        return;
    struct stl_digest current;
    bool tagged = image->has_tag && stl_tag_resolve(repo, &image->tag, &current, &ignored) == 0;
    bool moved = tagged && !stl_digest_equal(&current, &image->digest);
    if (tagged == image->has_tag && !moved && has_image(import, repo)) {
        image->state = STL_IMPORT_UNCHANGED;
        return;
    }
    image->moved = moved;
    if (tagged)
        image->from = current;
}

/* The images of a repository follow each other. */
static void decide_all(struct import *import)
{
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
    bool exists = false;
    for (size_t i = 0; i < import->planned; i++) {
        struct stl_error ignored = STL_ERROR_INIT;
        struct stl_imported *image = &import->report->images[i];
        if (strcmp(repo.name.text, image->name->text)) {
            stl_repo_close(&repo);
            exists = stl_repo_open(&repo, import->registry, image->name, &ignored) == 0;
        }
        stl_import_walk_add(&import->walk, &import->graph, import->roots[i]);
        decide(import, exists ? &repo : NULL, image);
        stl_import_walk_reset(&import->walk);
    }
}

/* Work that the last run may have left unfinished is done again. */
static bool is_to_do(const struct import *import, const struct stl_imported *image)
{
    return image->state == STL_IMPORT_DONE || (import->interrupted && image->state == STL_IMPORT_UNCHANGED);
}

/* --- one repository ------------------------------------------------------------------------------------- */

/* Blobs that the repository has are skipped: linking takes a lock. The names in the store are durable by now:
 * they were synced with those in the folder of the import. */
static int link_blobs(struct publishing *place, struct stl_error *err)
{
    const struct import *import = place->import;
    const struct stl_graph *graph = &import->graph;
    STL_AUTO_FREE bool *seen = stl_alloc(graph->blob_digests.count);
    for (size_t i = 0; i < place->walk.count; i++) {
        const struct stl_node *node = &graph->nodes[place->walk.order[i]];
        for (size_t k = 0; k < node->blob_count; k++) {
            uint32_t number = node->blobs[k];
            const struct stl_digest *digest = &graph->blob_digests.items[number];
            if (seen[number] || !import->blobs[number].stored)
                continue;
            seen[number] = true;
            int found = stl_repo_has_blob(&place->repo, digest, NULL, err);
            if (found < 0 || (!found && stl_repo_enter_blob(&place->repo, NULL, digest, err)))
                return -1;
        }
    }
    return stl_repo_sync_folder(&place->repo, STL_REPO_BLOBS, err);
}

static int publish_manifest(void *context, size_t index, struct stl_error *err)
{
    const struct publishing *place = context;
    const struct import *import = place->import;
    uint32_t number = place->walk.order[index];
    const struct stl_node *node = &import->graph.nodes[number];
    STL_AUTO_BUF struct stl_buf bytes = STL_BUF_INIT;
    STL_AUTO_MANIFEST struct stl_manifest manifest = {0};
    return stl_graph_read(&import->graph, &import->graph.manifests.items[number], node->size,
                          node->media_type, &bytes, &manifest, err) ||
                   stl_publication_write_manifest(&place->publication, &manifest, bytes.data, false, err)
               ? -1
               : 0;
}

/* Moves manifests with neither children nor a subject to the front; the others keep their order. Returns how
 * many were moved. */
static size_t sort_leaves(const struct publishing *place)
{
    const struct stl_node *nodes = place->import->graph.nodes;
    const struct import_walk *walk = &place->walk;
    STL_AUTO_FREE uint32_t *rest = stl_alloc(walk->count * sizeof *rest);
    size_t leaves = 0, others = 0;
    for (size_t i = 0; i < walk->count; i++)
        if (nodes[walk->order[i]].child_count || nodes[walk->order[i]].subject)
            rest[others++] = walk->order[i];
        else
            walk->order[leaves++] = walk->order[i];
    memcpy(walk->order + leaves, rest, others * sizeof *rest);
    return leaves;
}

/* Publishes from `first` on. Everything that an index may name is written before it. */
static int publish_rest(struct publishing *place, size_t first, struct stl_error *err)
{
    const struct stl_graph *graph = &place->import->graph;
    STL_AUTO_PUBLISH_BATCH struct stl_publish_batch batch = {.publication = &place->publication,
                                                             .graph = graph};
    for (size_t i = first; i < place->walk.count; i++) {
        uint32_t number = place->walk.order[i];
        int result;
        if (stl_publish_batch_takes(&batch, number))
            result = stl_publish_batch_add(&batch, number, false, err);
        else
            result = stl_publish_batch_write(&batch, err) || publish_manifest(place, i, err);
        if (result)
            return -1;
    }
    return stl_publish_batch_write(&batch, err);
}

static void collect_images(struct publishing *place)
{
    const struct import *import = place->import;
    const size_t first = place->destination->first, end = first + place->destination->count;
    for (size_t i = first; i < end; i++) {
        const struct stl_imported *image = &import->report->images[i];
        if (!is_to_do(import, image))
            continue;
        stl_import_walk_add(&place->walk, &import->graph, import->roots[i]);
        if (image->has_tag)
            stl_publication_set_tag(&place->publication, &image->tag, &image->digest, false);
    }
}

static int write_manifests(struct publishing *place, size_t workers, struct stl_error *err)
{
    const struct import *import = place->import;
    const struct stl_name *name = place->destination->name;
    /* Held from linking to publishing, so that garbage collection does not come in between. */
    STL_AUTO_CLOSE int content = stl_registry_lock(import->registry, STL_LOCK_CONTENT, name, false, err);
    if (content < 0 || stl_repo_make(&place->repo, import->registry, name, err) || link_blobs(place, err))
        return -1;
    size_t leaves = sort_leaves(place);
    if (stl_pool_run(workers, leaves, publish_manifest, place, err))
        return -1;
    return publish_rest(place, leaves, err);
}

/* --- all of them ---------------------------------------------------------------------------------------- */

struct repositories {
    struct import *import;
    struct publishing *places;
    size_t count;
};

static void repositories_clear(struct repositories *all)
{
    for (size_t i = 0; i < all->count; i++)
        stl_publication_end(&all->places[i].publication);
    free(all->places);
}

static int publish_repository(void *context, size_t index, struct stl_error *err)
{
    const struct repositories *all = context;
    struct publishing *place = &all->places[index];
    collect_images(place);
    int result = place->walk.count ? write_manifests(place, stl_copy_workers() / all->count + 1, err) : 0;
    stl_repo_close(&place->repo); /* there may be more repositories than descriptors */
    stl_import_walk_clear(&place->walk);
    return result ? stl_error_context(err, "%s", place->destination->name->text) : 0;
}

static int set_imported_tags(void *context, size_t index, struct stl_error *err)
{
    const struct repositories *all = context;
    struct publishing *place = &all->places[index];
    const struct stl_name *name = place->destination->name;
    if (place->publication.set_count == 0)
        return 0;
    int result = stl_repo_open(&place->repo, all->import->registry, name, err) ||
                 stl_publication_commit(&place->publication, err);
    stl_repo_close(&place->repo);
    return result ? stl_error_context(err, "%s", name->text) : 0;
}

/* First everything that the tags lead to, including signatures, then all tags: images appear complete.
 * Several repositories at once, since syncs that come together are written together. */
static int publish_all(struct import *import, struct stl_error *err)
{
    __attribute__((cleanup(repositories_clear))) struct repositories all = {
        .import = import, .places = stl_alloc(import->destination_count * sizeof *all.places)};
    for (size_t i = 0; i < import->destination_count; i++) {
        struct publishing *place = &all.places[all.count++];
        *place = (struct publishing){
            .import = import, .repo = STL_REPO_INIT, .destination = &import->destinations[i]};
        stl_publication_begin(&place->publication, &place->repo);
        place->publication.allow_missing_children = import->registry->settings.push.sparse_indexes;
        place->publication.only_tags_told = true;
    }
    return stl_pool_run(stl_copy_workers(), all.count, publish_repository, &all, err) ||
                   stl_pool_run(stl_copy_workers(), all.count, set_imported_tags, &all, err)
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
    decide_all(import);
    if (import->options->dry_run)
        return 0;
    if (find_marker(import, err) || stl_pending_write(&import->pending, marker, "", 0, err) ||
        stl_pending_sync(&import->pending, err))
        return -1;
    if (publish_all(import, err))
        return -1;
    return stl_pending_drop(&import->pending, marker, err);
}
