/*
 * Writing files of a stage: bytes are hashed as they are written, and writeback to disk starts early.
 */
#ifndef STL_COPY_H
#define STL_COPY_H

#include "digest.h"
#include "file.h"
#include "stream.h"

/* Called with the number of bytes that were read, every few MiB and at the end, from any thread. */
typedef void stl_copy_progress(void *context, uint64_t bytes);

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

/* Writing begins at the current file offset of `fd`. */
void stl_copy_begin(struct stl_copy *copy, int fd, enum stl_algorithm algorithm, stl_copy_progress *progress,
                    void *context);
int stl_copy_add(struct stl_copy *copy, const void *bytes, size_t length, struct stl_error *err);
/* Adds all of a stream; `size` is the expected number of bytes: if it is large, they are
 * copied in large pieces. */
int stl_copy_all(struct stl_copy *copy, int64_t size, const struct stl_stream *from, struct stl_error *err);
/* The same, with a thread that reads ahead: so that neither the writer of a pipe nor a decompressor
 * waits for the disk. The stream is read in that thread only. */
int stl_copy_ahead(struct stl_copy *copy, int64_t size, const struct stl_stream *from, struct stl_error *err);
/* On return the bytes are on their way to the disk; only stl_temp_sync() makes them durable. */
void stl_copy_end(struct stl_copy *copy, struct stl_digest *digest);

/* How many threads should copy at once: more than there are cores, since some wait for the disk while others
 * hash. Each has a buffer of 1 MiB. */
size_t stl_copy_workers(void);

/* Copies a whole extent to `temp`, which is open and empty. Fails with STL_DIGEST_INVALID if the bytes do not
 * have that digest. */
int stl_copy_blob(const struct stl_extent *extent, const struct stl_digest *digest, struct stl_temp *temp,
                  stl_copy_progress *progress, void *context, struct stl_error *err);

#endif
