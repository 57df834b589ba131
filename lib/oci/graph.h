/*
 * What images consist of: the manifests that refer to each other and the blobs that they name, each once.
 *
 * Manifests and blobs are numbered by the two sets; nodes[i] belongs to manifests.items[i], blobs[i] to
 * blob_digests.items[i].
 */
#ifndef STL_GRAPH_H
#define STL_GRAPH_H

#include "arena.h"
#include "digestset.h"
#include "manifest.h"
#include "platforms.h"

enum {
    STL_GRAPH_EDGES_MAX = 500000,   /* descriptors in all manifests together */
    STL_GRAPH_DIGESTS_MAX = 100000, /* manifests and blobs */
};

/* In place of the number of a manifest or blob: there is none. */
#define STL_NO_NODE ((size_t)-1)

struct stl_node {
    int64_t size;
    const char *media_type;
    struct stl_digest *subject; /* or NULL */
    uint32_t *children;         /* numbers of manifests */
    uint32_t *blobs;            /* numbers of blobs */
    uint32_t child_count, blob_count;
    bool missing; /* it does not exist (sparse graphs only) */
};

struct stl_node_blob {
    int64_t size;
    bool required; /* it must be there; false: only non-distributable layers refer to it */
};

/* Where the bytes come from: the images of a source (stl_images_reader), a registry, a bundle. */
struct stl_graph_reader {
    const char *label; /* for messages */
    /* Append the bytes of a manifest, whose digest is then checked, or of a small blob, whose digest is not.
     * Return 1, 0 if it does not exist, or -1. */
    int (*manifest)(void *context, const struct stl_digest *digest, int64_t size, struct stl_buf *bytes,
                    struct stl_error *err);
    int (*blob)(void *context, const struct stl_digest *digest, int64_t size, struct stl_buf *bytes,
                struct stl_error *err);
    void *context;
};

struct stl_graph {
    struct stl_graph_reader reader;
    int64_t manifest_size_max;             /* bytes */
    bool sparse;                           /* missing children are not an error */
    const struct stl_platforms *platforms; /* children of indexes for other platforms are left out; NULL:
                                              none are */
    size_t left_out;                       /* number of children left out */
    struct stl_digestset manifests, blob_digests;
    struct stl_node *nodes;
    struct stl_node_blob *blobs;
    struct stl_arena arena; /* what nodes point to */
    size_t loaded, edges;
};

#define STL_AUTO_GRAPH __attribute__((cleanup(stl_graph_clear)))

/* Adds a manifest with everything that it leads to, and sets *number. Every manifest is read and its digest
 * checked; blobs are not read. Fails with STL_MANIFEST_BLOB_UNKNOWN if a manifest is missing. */
int stl_graph_add(struct stl_graph *graph, const struct stl_digest *digest, int64_t size,
                  const char *media_type, size_t *number, struct stl_error *err);
void stl_graph_clear(struct stl_graph *graph);

/* Reads and parses a manifest, which need not be in the graph. */
int stl_graph_read(const struct stl_graph *graph, const struct stl_digest *digest, int64_t size,
                   const char *media_type, struct stl_buf *bytes, struct stl_manifest *manifest,
                   struct stl_error *err);

/* Appends manifest `number` and everything it leads to to `order`, children first; `order` has room for all
 * manifests. Manifests that are set in `seen` (one element for each) are skipped, and those that are added
 * are set there. Returns how many were added. */
size_t stl_graph_order(const struct stl_graph *graph, size_t number, bool *seen, uint32_t *order);

#endif
