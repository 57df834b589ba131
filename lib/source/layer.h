/*
 * Turns the layers of docker archives, which are tars, into blobs.
 *
 * A plain tar is compressed. A layer that is already compressed with gzip or zstd is kept as it is; one that
 * is compressed with something else is recompressed. In any case the digest of the tar (the diff_id in image
 * configs; image-spec, config.md) is computed in the same pass.
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

/* The compression that the blob of a layer will have if plain tars are compressed with `wanted`. */
int stl_layer_compression(const struct stl_extent *extent, enum stl_compression wanted,
                          enum stl_compression *compression, struct stl_error *err);

/* Writes the blob to `temp`, which is open and empty, and describes it. `algorithm` is that of the diff_id.
 */
int stl_layer_make(const struct stl_extent *extent, enum stl_compression wanted, enum stl_algorithm algorithm,
                   struct stl_temp *temp, stl_copy_progress *progress, void *context, struct stl_layer *layer,
                   struct stl_error *err);

const char *stl_layer_media_type(enum stl_compression compression);

#endif
