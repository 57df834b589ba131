/*
 * The manifests of a bundle as a reader for a graph (lib/oci/graph.h): each from whichever of the given
 * volumes has it intact. In a stream they come before the blobs and are kept in memory.
 */
#ifndef STL_BUNDLE_MANIFESTS_H
#define STL_BUNDLE_MANIFESTS_H

#include "graph.h"
#include "volume.h"

struct stl_bundle_manifests {
    const struct stl_bundle *bundle;
    struct stl_volume *volumes; /* of that bundle */
    size_t count;
    int64_t size_max; /* of one manifest; larger ones are skipped */
    char **kept;      /* for each blob of the bundle: the bytes of a manifest that came in a stream */
    size_t kept_size;
};

#define STL_AUTO_BUNDLE_MANIFESTS __attribute__((cleanup(stl_bundle_manifests_clear)))

/* Reads the manifests at the beginning of streams. Damaged ones are ignored. In any case the caller clears
 * `manifests`. */
int stl_bundle_manifests_load(struct stl_bundle_manifests *manifests, const struct stl_bundle *bundle,
                              struct stl_volume *volumes, size_t count, int64_t size_max,
                              struct stl_error *err);
void stl_bundle_manifests_clear(struct stl_bundle_manifests *manifests);

/* The manifests must outlive the graph. The reader provides no configs. */
struct stl_graph_reader stl_bundle_manifests_reader(struct stl_bundle_manifests *manifests);

#endif
