/*
 * Docker archives: manifest.json names a config and layers for each image; the manifest is ours to make.
 *
 * It becomes an OCI image manifest. The config is kept byte for byte, so the image ID stays; the layers are
 * made with lib/images/layer.h, and their diff_ids must be those of the config. The same archive makes the
 * same manifest always.
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

/* Whether the layout in an archive is to be preferred to its manifest.json: Docker 25 and later write both.
 * Where the layers of the layout are compressed it is what the image came as; where all are plain tars it was
 * made up for this archive. Returns 1, 0 or -1. */
int stl_docker_prefers_layout(const struct stl_source *source, struct stl_error *err);

/* Whether a manifest is what stl_docker_make() would make. Returns 1, 0 or -1. */
int stl_docker_is_made(const struct stl_images *images, const struct stl_image *image,
                       enum stl_compression compression, const struct stl_manifest *manifest,
                       struct stl_error *err);

/* Makes layers and manifest of an image, unless that was done; then its digest and size are those of the
 * manifest. The layers wait in the source's stage. */
int stl_docker_make(struct stl_images *images, struct stl_image *image, enum stl_compression compression,
                    stl_copy_progress *progress, void *context, struct stl_error *err);
/* Bytes that this will read, roughly. */
uint64_t stl_docker_size(const struct stl_images *images, const struct stl_image *image);

/* What was made: as the functions of lib/images/images.h of similar names. */
int stl_docker_manifest(const struct stl_images *images, const struct stl_digest *digest,
                        struct stl_buf *bytes, struct stl_error *err);
int stl_docker_blob(const struct stl_images *images, const struct stl_digest *digest,
                    struct stl_extent *extent, struct stl_error *err);
bool stl_docker_staged(const struct stl_images *images, const struct stl_digest *digest,
                       char name[STL_STAGED_NAME_MAX]);

void stl_docker_clear_image(struct stl_docker_image *docker);
void stl_docker_clear_made(struct stl_docker_made *made);

#endif
