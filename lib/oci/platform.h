/*
 * Choosing the manifest of one platform.
 */
#ifndef STL_PLATFORM_H
#define STL_PLATFORM_H

#include "graph.h"

/* A manifest as needed by the graph. The media type is on the heap. */
struct stl_platform_image {
    struct stl_digest digest;
    int64_t size;
    char *media_type;
};

/* Replaces an image with its manifest for `platform`: the image itself if its config names that platform or
 * it is an artifact, otherwise the first match in its index or in nested indexes. Returns 1, 0 if there is
 * none, or -1. Only the reader and the limits of the graph are used. */
int stl_platform_find(const struct stl_graph *graph, const struct stl_platform *platform,
                      struct stl_platform_image *image, struct stl_error *err);
/* The same for an image that must have one: fails with STL_INVALID if it does not. `name` is the name of the
 * image in messages. */
int stl_platform_choose(const struct stl_graph *graph, const struct stl_platform *platform, const char *name,
                        struct stl_platform_image *image, struct stl_error *err);

#endif
