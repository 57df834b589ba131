/* The step that takes time: copying blobs with all cores. */
#include "add-run.h"

#include <stdio.h>
#include <stdlib.h>

#include "copy.h"
#include "images-remote.h"
#include "pool.h"
#include "repo.h"

struct fetch {
    struct add *add;
    uint32_t *jobs; /* numbers of blobs, the largest first */
    size_t count;
    uint64_t total; /* bytes */
    struct add_meter meter;
};

void stl_add_meter_begin(struct add_meter *meter, const struct stl_add_options *options, uint64_t total)
{
    *meter = (struct add_meter){.options = options, .total = total};
    pthread_mutex_init(&meter->mutex, NULL);
}

void stl_add_meter_end(struct add_meter *meter)
{
    pthread_mutex_destroy(&meter->mutex);
}

void stl_add_meter_note(void *context, uint64_t bytes)
{
    struct add_meter *meter = context;
    const struct stl_add_options *options = meter->options;
    if (!options->progress)
        return;
    pthread_mutex_lock(&meter->mutex);
    meter->done += bytes;
    options->progress(options->progress_context, meter->done, meter->total);
    pthread_mutex_unlock(&meter->mutex);
}

char *stl_add_staged_name(size_t number, char name[STL_STAGED_NAME_MAX])
{
    snprintf(name, STL_STAGED_NAME_MAX, "blob-%zu", number);
    return name;
}

static int look_for(const struct add *add, size_t number, struct stl_error *err)
{
    const struct stl_digest *digest = &add->graph.blob_digests.items[number];
    const struct stl_node_blob *blob = &add->graph.blobs[number];
    STL_AUTO_EXTENT struct stl_extent extent = STL_EXTENT_INIT;
    char text[STL_DIGEST_TEXT_MAX];
    int64_t size;
    int found = stl_store_claim(add->registry, digest, &size, err);
    if (found < 0)
        return -1;
    if (found && size != blob->size)
        return stl_error_set(err, STL_MANIFEST_INVALID,
                             "%s: a manifest says that %s has %lld bytes, it has %lld", add->source.label,
                             stl_digest_format(digest, text), (long long)blob->size, (long long)size);
    add->blobs[number] = ADD_BLOB_STORED;
    if (found)
        return 0;
    found = add->images.format == STL_FORMAT_REMOTE
                ? blob->required /* the registry is not asked: only foreign layers may be missing */
                : stl_images_blob(&add->images, digest, blob->size, &extent, err);
    if (found < 0)
        return -1;
    add->blobs[number] = found ? ADD_BLOB_WANTED : ADD_BLOB_MISSING;
    return 0;
}

static bool is_root(const struct add *add, size_t number)
{
    for (size_t i = 0; i < add->images.count; i++)
        if (add->roots[i] == number)
            return true;
    return false;
}

static int no_blob(const struct add *add, const struct stl_digest *digest, struct stl_error *err)
{
    char text[STL_DIGEST_TEXT_MAX];
    bool indexes = false;
    for (size_t i = 0; i < add->graph.manifests.count; i++)
        indexes |= add->graph.nodes[i].child_count > 0;
    return stl_error_set(err, STL_MANIFEST_BLOB_UNKNOWN, "%s has no blob %s%s", add->source.label,
                         stl_digest_format(digest, text),
                         indexes ? ": if it holds only some platforms, choose one with --platform, or set "
                                   "push.sparse-indexes in registry.yaml"
                                 : "");
}

/* Checks that all blobs of an image are there. If indexes may be sparse, a child without its blobs counts as
 * missing. */
static int check_node(const struct add *add, size_t number, struct stl_error *err)
{
    struct stl_node *node = &add->graph.nodes[number];
    for (size_t i = 0; i < node->blob_count && !node->missing; i++) {
        size_t blob = node->blobs[i];
        if (add->blobs[blob] != ADD_BLOB_MISSING || !add->graph.blobs[blob].required)
            continue;
        if (!add->graph.sparse || is_root(add, number))
            return no_blob(add, &add->graph.blob_digests.items[blob], err);
        node->missing = true;
    }
    return 0;
}

static void list_jobs(struct fetch *fetch)
{
    const struct stl_graph *graph = &fetch->add->graph;
    STL_AUTO_FREE bool *needed = stl_alloc(graph->blob_digests.count * sizeof *needed);
    for (size_t i = 0; i < graph->manifests.count; i++)
        for (size_t k = 0; k < graph->nodes[i].blob_count; k++)
            needed[graph->nodes[i].blobs[k]] |= !graph->nodes[i].missing;
    for (size_t i = 0; i < graph->blob_digests.count; i++) {
        if (!needed[i] || fetch->add->blobs[i] != ADD_BLOB_WANTED)
            continue;
        fetch->jobs[fetch->count++] = (uint32_t)i;
        fetch->total += (uint64_t)graph->blobs[i].size;
    }
}

static int larger_first(const void *left, const void *right, void *context)
{
    const struct stl_node_blob *blobs = context;
    int64_t a = blobs[*(const uint32_t *)left].size, b = blobs[*(const uint32_t *)right].size;
    return (a < b) - (a > b);
}

static int fetch_blob(void *context, size_t index, struct stl_error *err)
{
    struct fetch *fetch = context;
    struct add *add = fetch->add;
    size_t number = fetch->jobs[index];
    const struct stl_digest *digest = &add->graph.blob_digests.items[number];
    STL_AUTO_EXTENT struct stl_extent extent = STL_EXTENT_INIT;
    STL_AUTO_TEMP struct stl_temp temp = STL_TEMP_INIT;
    char text[STL_DIGEST_TEXT_MAX], name[STL_STAGED_NAME_MAX], unpacked[STL_STAGED_NAME_MAX];
    stl_add_staged_name(number, name);
    if (add->images.format == STL_FORMAT_REMOTE) {
        add->blobs[number] = ADD_BLOB_STAGED;
        return stl_images_sync(&add->images, digest, err);
    }
    if (stl_images_staged(&add->images, digest, unpacked)) {
        add->blobs[number] = ADD_BLOB_STAGED;
        return stl_stage_link(&add->stage, unpacked, name, err) || stl_stage_sync(&add->stage, name, err) ? -1
                                                                                                          : 0;
    }
    int found = stl_images_blob(&add->images, digest, add->graph.blobs[number].size, &extent, err);
    if (found == 0)
        stl_error_set(err, STL_MANIFEST_BLOB_UNKNOWN, "it has vanished");
    if (found <= 0 || stl_stage_create(&add->stage, name, &temp, err) ||
        stl_copy_blob(&extent, digest, &temp, stl_add_meter_note, &fetch->meter, err) ||
        stl_temp_sync(&temp, err))
        return stl_error_context(err, "%s: blob %s", add->source.label, stl_digest_format(digest, text));
    stl_temp_park(&temp);
    add->blobs[number] = ADD_BLOB_STAGED;
    return 0;
}

/* Blobs of a registry arrive over a few connections, in one thread, in files of their own, which take the
 * place of the stage. */
static int fetch_remote(struct fetch *fetch, struct stl_error *err)
{
    const struct stl_graph *graph = &fetch->add->graph;
    STL_AUTO_FREE struct stl_remote_blob *blobs = stl_alloc(fetch->count * sizeof *blobs);
    for (size_t i = 0; i < fetch->count; i++)
        blobs[i] = (struct stl_remote_blob){graph->blob_digests.items[fetch->jobs[i]],
                                            graph->blobs[fetch->jobs[i]].size};
    return stl_images_fetch(&fetch->add->images, blobs, fetch->count, stl_add_meter_note, &fetch->meter, err);
}

int stl_add_fetch(struct add *add, struct stl_error *err)
{
    struct stl_graph *graph = &add->graph;
    STL_AUTO_FREE uint32_t *jobs = stl_alloc(graph->blob_digests.count * sizeof *jobs);
    struct fetch fetch = {.add = add, .jobs = jobs};
    for (size_t i = 0; i < graph->blob_digests.count; i++)
        if (look_for(add, i, err))
            return -1;
    for (size_t i = 0; i < graph->manifests.count; i++)
        if (check_node(add, i, err))
            return -1;
    list_jobs(&fetch);
    qsort_r(jobs, fetch.count, sizeof *jobs, larger_first, graph->blobs);
    stl_add_meter_begin(&fetch.meter, add->options, fetch.total);
    int result = add->images.format == STL_FORMAT_REMOTE ? fetch_remote(&fetch, err) : 0;
    if (result == 0)
        result = stl_pool_run(stl_copy_workers(), fetch.count, fetch_blob, &fetch, err);
    stl_add_meter_end(&fetch.meter);
    return result;
}
