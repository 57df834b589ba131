/*
 * Docker archives: manifest.json names a config and layers for each image; we make the manifest.
 *
 * It becomes an OCI image manifest. The config is kept byte for byte, so the image ID stays the same; the
 * layers are made with lib/source/layer.h, and their diff_ids must be those of the config. The same archive
 * always gives the same manifest.
 */
#ifndef STL_IMAGES_DOCKER_H
#define STL_IMAGES_DOCKER_H

#include "digestset.h"
#include "images.h"
#include "layer.h"

enum { STL_DOCKER_CONFIG_MAX = 4 << 20 /* bytes */ };

struct stl_docker_image {
    char *config;                    /* path in the source */
    struct stl_digest config_digest; /* sha256 */
    int64_t config_size;
    char **layers; /* paths in the source, lowest first */
    struct stl_digest *diff_ids;
    size_t count;
};

/* Whether a manifest is the one that stl_docker_make() would make: returns 1, 0 or -1. */
int stl_docker_is_made(const struct stl_images *images, const struct stl_image *image,
                       enum stl_compression compression, const struct stl_manifest *manifest,
                       struct stl_error *err);

/* Makes the layers and the manifest of an image, unless that has been done; after that, image->digest and
 * size are those of the manifest. The layers wait in the source's stage. */
int stl_docker_make(struct stl_images *images, struct stl_image *image, enum stl_compression compression,
                    stl_copy_progress *progress, void *context, struct stl_error *err);
/* Roughly how many bytes stl_docker_make() will read. */
uint64_t stl_docker_size(const struct stl_images *images, const struct stl_image *image);

#endif
