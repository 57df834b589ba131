#include "publish-batch.h"

#include <stdlib.h>

#include "publish-steps.h"

/* Each has an open file until all are written, and several repositories may be written at once. */
enum { ITEMS_MAX = 64, BYTES_MAX = 1 << 20 };

struct stl_batched {
    struct stl_buf bytes;
    struct stl_manifest manifest;
    bool repeated;
};

bool stl_publish_batch_takes(const struct stl_publish_batch *batch, size_t number)
{
    const struct stl_node *node = &batch->graph->nodes[number];
    return node->subject && node->child_count == 0;
}

static void forget(struct stl_publish_batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        stl_buf_clear(&batch->items[i].bytes);
        stl_manifest_clear(&batch->items[i].manifest);
    }
    batch->count = 0;
    batch->size = 0;
}

int stl_publish_batch_add(struct stl_publish_batch *batch, size_t number, bool repeated,
                          struct stl_error *err)
{
    const struct stl_node *node = &batch->graph->nodes[number];
    if ((batch->count == ITEMS_MAX || batch->size + node->size > BYTES_MAX) &&
        stl_publish_batch_write(batch, err))
        return -1;
    if (!batch->items)
        batch->items = stl_alloc(ITEMS_MAX * sizeof *batch->items);
    struct stl_batched *item = &batch->items[batch->count];
    *item = (struct stl_batched){.bytes = STL_BUF_INIT, .repeated = repeated};
    if (stl_graph_read(batch->graph, &batch->graph->manifests.items[number], node->size, node->media_type,
                       &item->bytes, &item->manifest, err)) {
        stl_buf_clear(&item->bytes);
        return -1;
    }
    batch->count++;
    batch->size += node->size;
    return 0;
}

int stl_publish_batch_write(struct stl_publish_batch *batch, struct stl_error *err)
{
    STL_AUTO_FREE struct stl_publication_manifest *manifests = stl_alloc(batch->count * sizeof *manifests);
    for (size_t i = 0; i < batch->count; i++) {
        const struct stl_batched *item = &batch->items[i];
        manifests[i] = STL_PUBLICATION_MANIFEST(&item->manifest, item->bytes.data, item->repeated);
    }
    int result = batch->count ? stl_publish_add(batch->publication, manifests, batch->count, 0, err) : 0;
    forget(batch);
    return result;
}

void stl_publish_batch_clear(struct stl_publish_batch *batch)
{
    forget(batch);
    free(batch->items);
    batch->items = NULL;
}
