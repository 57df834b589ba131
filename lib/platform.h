/*
 * Choosing the manifest of one platform.
 */
#ifndef STL_PLATFORM_H
#define STL_PLATFORM_H

#include "graph.h"

/* The manifest that an image has for `platform`: the image itself if its config says so, else the first match in
 * its index or in the indexes in that. Sets digest, size and *media_type, which the caller frees. Fails with
 * STL_INVALID if there is none. Only images, limits and label of the graph are used. */
int stl_platform_find(const struct stl_graph *graph, const struct stl_image *image,
                      const struct stl_platform *platform, struct stl_digest *digest, int64_t *size,
                      char **media_type, struct stl_error *err);

#endif
