#include "graph.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

int stl_graph_read(const struct stl_graph *graph, const struct stl_digest *digest, int64_t size,
                   const char *media_type, struct stl_buf *bytes, struct stl_manifest *manifest,
                   struct stl_error *err)
{
    char text[STL_DIGEST_TEXT_MAX];
    const char *label = graph->reader.label;
    stl_digest_format(digest, text);
    if (size > graph->manifest_size_max)
        return stl_error_set(err, STL_MANIFEST_TOO_LARGE,
                             "%s: manifest %s has %lld bytes, and push.manifest-size allows %lld", label,
                             text, (long long)size, (long long)graph->manifest_size_max);
    int found = graph->reader.manifest(graph->reader.context, digest, size, bytes, err);
    if (found < 0)
        return -1;
    if (found == 0)
        return stl_error_set(
            err, STL_MANIFEST_BLOB_UNKNOWN,
            "%s has no manifest %s: if it holds only some platforms, choose one with --platform, or set "
            "push.sparse-indexes in registry.yaml",
            label, text);
    if (stl_manifest_parse(manifest, bytes->data, bytes->length, media_type, digest->algorithm, err))
        return stl_error_context(err, "%s: manifest %s", label, text);
    return 0;
}

static int check_graph_size(const struct stl_graph *graph, struct stl_error *err)
{
    if (graph->edges <= STL_GRAPH_EDGES_MAX &&
        graph->manifests.count + graph->blob_digests.count <= STL_GRAPH_DIGESTS_MAX)
        return 0;
    return stl_error_set(err, STL_INVALID,
                         "%s: more than %d manifests and blobs at once: choose fewer images",
                         graph->reader.label, STL_GRAPH_DIGESTS_MAX);
}

static int differs(const struct stl_graph *graph, const struct stl_digest *digest, struct stl_error *err)
{
    char text[STL_DIGEST_TEXT_MAX];
    return stl_error_set(err, STL_MANIFEST_INVALID,
                         "%s: two descriptors of %s disagree on its size or media type", graph->reader.label,
                         stl_digest_format(digest, text));
}

static int discover_manifest(struct stl_graph *graph, const struct stl_digest *digest, int64_t size,
                             const char *media_type, size_t *number, struct stl_error *err)
{
    size_t count = graph->manifests.count;
    if (stl_digestset_add(&graph->manifests, digest, number)) {
        stl_grow(graph->nodes, count);
        graph->nodes[*number] =
            (struct stl_node){.size = size, .media_type = stl_arena_intern(&graph->arena, media_type)};
    }
    const struct stl_node *node = &graph->nodes[*number];
    return node->size == size && !strcasecmp(node->media_type, media_type) ? 0 : differs(graph, digest, err);
}

static int discover_blob(struct stl_graph *graph, const struct stl_descriptor *descriptor, size_t *number,
                         struct stl_error *err)
{
    size_t count = graph->blob_digests.count;
    if (stl_digestset_add(&graph->blob_digests, &descriptor->digest, number)) {
        stl_grow(graph->blobs, count);
        graph->blobs[*number] = (struct stl_node_blob){.size = descriptor->size};
    }
    struct stl_node_blob *blob = &graph->blobs[*number];
    blob->required |= descriptor->distributable;
    return blob->size == descriptor->size ? 0 : differs(graph, &descriptor->digest, err);
}

/* Build caches list blobs in an index. */
static bool is_manifest(const struct stl_descriptor *descriptor)
{
    return descriptor->role == STL_ROLE_MANIFEST && stl_media_type_is_manifest(descriptor->media_type);
}

static int discover(struct stl_graph *graph, const struct stl_manifest *manifest, size_t parent,
                    struct stl_error *err)
{
    /* Children are filled in from the front, blobs from the end. */
    STL_AUTO_FREE uint32_t *found = stl_alloc(manifest->count * sizeof *found);
    uint32_t child_count = 0, blob_count = 0;
    graph->edges += manifest->count;
    for (size_t i = 0; i < manifest->count; i++) {
        const struct stl_descriptor *d = &manifest->descriptors[i];
        size_t number;
        if (check_graph_size(graph, err))
            return -1;
        if (graph->platforms && stl_platforms_leave_out(graph->platforms, manifest, i)) {
            graph->left_out++;
        } else if (is_manifest(d)) {
            if (discover_manifest(graph, &d->digest, d->size, d->media_type, &number, err))
                return -1;
            found[child_count++] = (uint32_t)number;
        } else {
            if (discover_blob(graph, d, &number, err))
                return -1;
            found[manifest->count - ++blob_count] = (uint32_t)number;
        }
    }
    struct stl_node *node = &graph->nodes[parent];
    node->children = stl_arena_alloc(&graph->arena, child_count * sizeof *found);
    node->blobs = stl_arena_alloc(&graph->arena, blob_count * sizeof *found);
    for (uint32_t i = 0; i < child_count; i++)
        node->children[i] = found[i];
    for (uint32_t i = 0; i < blob_count; i++)
        node->blobs[i] = found[manifest->count - 1 - i];
    node->child_count = child_count;
    node->blob_count = blob_count;
    if (manifest->has_subject) {
        node->subject = stl_arena_alloc(&graph->arena, sizeof *node->subject);
        *node->subject = manifest->subject;
    }
    return 0;
}

static int load_node(struct stl_graph *graph, size_t number, struct stl_error *err)
{
    STL_AUTO_BUF struct stl_buf bytes = STL_BUF_INIT;
    STL_AUTO_MANIFEST struct stl_manifest manifest = {0};
    struct stl_node *node = &graph->nodes[number];
    const struct stl_digest digest = graph->manifests.items[number];
    if (stl_graph_read(graph, &digest, node->size, node->media_type, &bytes, &manifest, err) == 0)
        return discover(graph, &manifest, number, err);
    if (!graph->sparse || err->code != STL_MANIFEST_BLOB_UNKNOWN)
        return -1;
    stl_error_clear(err);
    node->missing = true;
    return 0;
}

/* Manifests are numbered as they are found, so the numbers not yet loaded are the queue. */
int stl_graph_add(struct stl_graph *graph, const struct stl_digest *digest, int64_t size,
                  const char *media_type, size_t *number, struct stl_error *err)
{
    if (discover_manifest(graph, digest, size, media_type, number, err))
        return -1;
    while (graph->loaded < graph->manifests.count)
        if (load_node(graph, graph->loaded++, err))
            return -1;
    return 0;
}

void stl_graph_clear(struct stl_graph *graph)
{
    free(graph->nodes);
    free(graph->blobs);
    stl_arena_clear(&graph->arena);
    stl_digestset_clear(&graph->manifests);
    stl_digestset_clear(&graph->blob_digests);
    *graph = (struct stl_graph){0};
}

/* No recursion, because the source decides the depth. A digest cannot depend on itself, so there are no
 * cycles. */
size_t stl_graph_order(const struct stl_graph *graph, size_t number, bool *seen, uint32_t *order)
{
    struct frame {
        uint32_t node, next_child;
    };
    STL_AUTO_FREE struct frame *stack = NULL;
    size_t depth = 0, count = 0;
    if (seen[number] || graph->nodes[number].missing)
        return 0;
    seen[number] = true;
    stl_grow(stack, depth);
    stack[depth++] = (struct frame){(uint32_t)number, 0};
    while (depth > 0) {
        struct frame *top = &stack[depth - 1];
        const struct stl_node *node = &graph->nodes[top->node];
        if (top->next_child == node->child_count) {
            order[count++] = top->node;
            depth--;
            continue;
        }
        uint32_t child = node->children[top->next_child++];
        if (!seen[child] && !graph->nodes[child].missing) {
            seen[child] = true;
            stl_grow(stack, depth);
            stack[depth++] = (struct frame){child, 0};
        }
    }
    return count;
}
