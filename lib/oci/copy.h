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

/* Reads on: fills `bytes`, and says how many; fewer than `length` are the last; -1: it cannot. */
typedef ssize_t stl_copy_read(void *context, void *bytes, size_t length, struct stl_error *err);

/* A file being written and hashed. `fd` is borrowed; with -1 the bytes are only hashed. */
struct stl_copy {
    int fd;
    bool direct;
    struct stl_hasher hasher;
    int64_t start;               /* where in the file the first byte goes */
    int64_t size, flushed;       /* bytes so far */
    stl_copy_progress *progress; /* or NULL */
    void *progress_context;
};

/* What is added goes where the file offset of `fd` is now. */
void stl_copy_begin(struct stl_copy *copy, int fd, enum stl_algorithm algorithm, stl_copy_progress *progress,
                    void *context);
int stl_copy_add(struct stl_copy *copy, const void *bytes, size_t length, struct stl_error *err);
/* Adds all that `read` has, in large pieces if more than a few are to come: `size` is how many bytes there
 * should be. */
int stl_copy_all(struct stl_copy *copy, int64_t size, stl_copy_read *read, void *context,
                 struct stl_error *err);
/* The same, and a thread reads ahead: for what can only be read front to back, so that neither whoever writes
 * to a pipe nor who decompresses waits for the disk. `read` is called in that thread only. */
int stl_copy_ahead(struct stl_copy *copy, int64_t size, stl_copy_read *read, void *context,
                   struct stl_error *err);
/* The bytes' way to the disk has begun on return, but it takes stl_temp_sync() to be sure of it. */
void stl_copy_end(struct stl_copy *copy, struct stl_digest *digest);

/* How many threads should copy at once: more than there are cores, since some wait for the disk while others
 * hash. Each has a buffer of 1 MiB. */
size_t stl_copy_workers(void);

/* Copies a whole extent to `temp`, which is open and empty. Fails with STL_DIGEST_INVALID if the bytes do not
 * have that digest. */
int stl_copy_blob(const struct stl_extent *extent, const struct stl_digest *digest, struct stl_temp *temp,
                  stl_copy_progress *progress, void *context, struct stl_error *err);

#endif
