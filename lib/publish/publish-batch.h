/*
 * Manifests of a graph that refer to an image, on their way into a repository: some at a time, since the list
 * of what refers to it is written once for all of them. It may be long.
 */
#ifndef STL_PUBLISH_BATCH_H
#define STL_PUBLISH_BATCH_H

#include "graph.h"
#include "publication.h"

struct stl_publish_batch {
    const struct stl_publication *publication;
    const struct stl_graph *graph;
    struct stl_batched *items;
    size_t count;
    int64_t size; /* bytes of all */
};

#define STL_AUTO_PUBLISH_BATCH __attribute__((cleanup(stl_publish_batch_clear)))

/* Whether the manifest belongs into a batch: it has a subject, and no children. */
bool stl_publish_batch_takes(const struct stl_publish_batch *batch, size_t number);
/* Adds it, as stl_publication_write_manifest() would; it is written with the rest, or before if these are
 * many. */
int stl_publish_batch_add(struct stl_publish_batch *batch, size_t number, bool repeated,
                          struct stl_error *err);
/* Writes what is left. */
int stl_publish_batch_write(struct stl_publish_batch *batch, struct stl_error *err);
void stl_publish_batch_clear(struct stl_publish_batch *batch);

#endif
