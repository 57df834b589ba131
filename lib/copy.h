/*
 * Copying one blob from a source into a stage, and checking it on the way.
 */
#ifndef STL_COPY_H
#define STL_COPY_H

#include "source.h"

/* Told of every few MiB that were read, from any thread. */
typedef void stl_copy_progress(void *context, uint64_t bytes);

/* Copies the extent to `temp`, which is open and empty. Fails with STL_DIGEST_INVALID if the bytes do not have that
 * digest. Their way to the disk has begun on return, but it takes stl_temp_sync() to be sure of it. */
int stl_copy_blob(const struct stl_extent *extent, const struct stl_digest *digest, struct stl_temp *temp,
                  stl_copy_progress *progress, void *context, struct stl_error *err);

#endif
