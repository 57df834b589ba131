/*
 * Layers of docker archives, which are tars, made into blobs.
 *
 * A tar is compressed. A layer that is compressed with gzip or zstd already is kept as it is; one that is
 * compressed with something else is compressed anew. In any case the digest of the tar (the diff_id of image
 * configs; image-spec, config.md) is found out in the same pass.
 */
#ifndef STL_LAYER_H
#define STL_LAYER_H

#include "compress.h"
#include "copy.h"

struct stl_layer {
    struct stl_digest diff_id; /* of the tar */
    struct stl_digest digest;  /* of the blob, sha256 */
    int64_t size;              /* of the blob, in bytes */
    enum stl_compression compression;
};

/* What a layer will be compressed with, if `wanted` is what a tar is compressed with. */
int stl_layer_compression(const struct stl_extent *extent, enum stl_compression wanted,
                          enum stl_compression *compression, struct stl_error *err);

/* Writes the blob to `temp`, which is open and empty, and describes it. `algorithm` is that of the diff_id.
 */
int stl_layer_make(const struct stl_extent *extent, enum stl_compression wanted, enum stl_algorithm algorithm,
                   struct stl_temp *temp, stl_copy_progress *progress, void *context, struct stl_layer *layer,
                   struct stl_error *err);

const char *stl_layer_media_type(enum stl_compression compression);

#endif
