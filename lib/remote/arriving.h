/*
 * A blob that comes from a registry, in a file in tmp/ that outlasts this process: whoever fetches the same
 * blob of the same repository within a day goes on where another run was killed, or was cut off.
 *
 * What is there is not trusted: the digest is that of all bytes, also of those that were there before. If it
 * is wrong, the blob can be fetched anew.
 */
#ifndef STL_ARRIVING_H
#define STL_ARRIVING_H

#include "copy.h"
#include "remote.h"

struct stl_arriving {
    struct stl_temp temp; /* locked as long as it is open; another process that wants it gets another file */
    struct stl_copy copy;
    struct stl_digest digest;
    int64_t size; /* bytes, as a manifest says */
    int64_t from; /* of them, those that were there when it began; if all, nothing need be asked for */
};

/* How many of its bytes are there already; unless another process is about to take them. */
int64_t stl_arriving_kept(const struct stl_root *root, const struct stl_remote *remote, const char *name,
                          const struct stl_digest *digest, int64_t size);
/* Ended with stl_arriving_close(), or by taking `temp` away. `progress` may be NULL; it is also told of what
 * was there. */
int stl_arriving_begin(struct stl_arriving *arriving, const struct stl_root *root,
                       const struct stl_remote *remote, const char *name, const struct stl_digest *digest,
                       int64_t size, stl_copy_progress *progress, void *context, struct stl_error *err);
/* A stl_stream_write: adds bytes. */
int stl_arriving_write(void *arriving, const void *bytes, size_t length, struct stl_error *err);
/* Checks the whole. Fails with STL_SIZE_INVALID or STL_DIGEST_INVALID. */
int stl_arriving_check(struct stl_arriving *arriving, struct stl_error *err);
/* After `status`, 0 if there was no answer, and `err`: if the reason may be in what was there before, forgets
 * it and begins at the first byte. Returns whether to try again. */
bool stl_arriving_restart(struct stl_arriving *arriving, int status, struct stl_error *err);
/* Keeps what has arrived if `err` is trouble that passes, or a full disk, and removes it otherwise. Returns
 * whether it is kept. */
bool stl_arriving_close(struct stl_arriving *arriving, const struct stl_error *err);

#endif
