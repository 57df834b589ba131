/*
 * The saved state of a running hash: one process saves it, the next loads it and need not read again what was
 * hashed.
 *
 * On a local disk it is valid only until the machine is restarted (lib/base/boot.h): after a power cut, the
 * bytes that it covers may be gone. Where machines may share the file system, the boot of one says nothing
 * of what another one wrote: there, the bytes are made durable first, and the state is valid on all of them.
 * They have to be of one kind, since the structure is saved as it is in memory.
 */
#ifndef STL_CHECKPOINT_H
#define STL_CHECKPOINT_H

#include "boot.h"
#include "digest.h"

enum {
    STL_CHECKPOINT_EVERY = 64 << 20
}; /* bytes between two checkpoints: at most so many are read again
                                             after a kill */

struct stl_checkpoint {
    char magic[8];
    char boot[STL_BOOT_ID_SIZE]; /* the boot of the system; or "durable" */
    int64_t covered;             /* bytes that `hasher` has seen */
    struct stl_hasher hasher;
};

/* Fills in a checkpoint of the first `covered` bytes of `fd`, to be saved; its padding is zeroed. */
int stl_checkpoint_make(struct stl_checkpoint *checkpoint, int fd, const struct stl_hasher *hasher,
                        int64_t covered, struct stl_error *err);
/* Whether it is valid on all machines. Whoever saves such a one syncs it, or it may go with the machine. */
bool stl_checkpoint_is_durable(const struct stl_checkpoint *checkpoint);
/* Whether a loaded checkpoint is valid for a file of `size` bytes. If not, ignore it. */
bool stl_checkpoint_is_good(const struct stl_checkpoint *checkpoint, int64_t size);

#endif
