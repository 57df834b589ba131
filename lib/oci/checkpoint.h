/*
 * How far a hash has got: saved by one process, loaded by the next, which need not read again what was
 * hashed.
 *
 * It is good in the same run of the system only (lib/base/boot.h): after a power cut, the bytes that it
 * covers may be gone. It is read by the programs of one machine, so it is saved as the structure that it is.
 */
#ifndef STL_CHECKPOINT_H
#define STL_CHECKPOINT_H

#include "boot.h"
#include "digest.h"

enum { STL_CHECKPOINT_EVERY = 64 << 20 }; /* bytes between two: what a kill costs to read again */

struct stl_checkpoint {
    char magic[8];
    char boot[STL_BOOT_ID_SIZE]; /* the run of the system */
    int64_t covered;             /* bytes that `hasher` has seen */
    struct stl_hasher hasher;
};

/* Makes one to be saved, padding included. */
void stl_checkpoint_make(struct stl_checkpoint *checkpoint, const struct stl_hasher *hasher, int64_t covered);
/* Whether one that was loaded can be used for a file of `size` bytes. If not, it counts as none. */
bool stl_checkpoint_is_good(const struct stl_checkpoint *checkpoint, int64_t size);

#endif
