/*
 * Writing files of a stage: every byte is hashed on its way, and the disk gets to work early.
 */
#ifndef STL_COPY_H
#define STL_COPY_H

#include "digest.h"
#include "extent.h"
#include "file.h"

/* Told of bytes that were read, every few MiB and at the end, from any thread. */
typedef void stl_copy_progress(void *context, uint64_t bytes);

/* A file being written and hashed. `fd` is borrowed; with -1 the bytes are only hashed. */
struct stl_copy {
    int fd;
    bool direct;
    struct stl_hasher hasher;
    int64_t size, flushed; /* bytes so far */
    stl_copy_progress *progress; /* or NULL */
    void *progress_context;
};

void stl_copy_begin(struct stl_copy *copy, int fd, enum stl_algorithm algorithm, stl_copy_progress *progress,
                    void *context);
int stl_copy_add(struct stl_copy *copy, const void *bytes, size_t length, struct stl_error *err);
/* The bytes' way to the disk has begun on return, but it takes stl_temp_sync() to be sure of it. */
void stl_copy_end(struct stl_copy *copy, struct stl_digest *digest);

/* Copies a whole extent to `temp`, which is open and empty. Fails with STL_DIGEST_INVALID if the bytes do not have
 * that digest. */
int stl_copy_blob(const struct stl_extent *extent, const struct stl_digest *digest, struct stl_temp *temp,
                  stl_copy_progress *progress, void *context, struct stl_error *err);

#endif
