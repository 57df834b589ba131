/*
 * Choosing the manifest of one platform.
 */
#ifndef STL_PLATFORM_H
#define STL_PLATFORM_H

#include "graph.h"

/* A manifest as the graph wants it. The media type is on the heap. */
struct stl_platform_image {
    struct stl_digest digest;
    int64_t size;
    char *media_type;
};

/* Replaces an image by the manifest that it has for `platform`: itself if its config says so or it is
 * no image but an artifact, else the first match in its index or in the indexes in that. Fails with
 * STL_INVALID if there is none. Only reader and limits of the graph are used. `name` is what messages call
 * the image. */
int stl_platform_choose(const struct stl_graph *graph, const struct stl_platform *platform, const char *name,
                        struct stl_platform_image *image, struct stl_error *err);

#endif
