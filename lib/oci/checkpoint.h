/*
 * The saved state of a running hash: one process saves it, the next loads it and need not read again what was
 * hashed.
 *
 * It is valid only until the machine is restarted (lib/base/boot.h): after a power cut, the bytes that it
 * covers may be gone. Only programs of the same machine read it, so the structure is saved as it is in
 * memory.
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
    char boot[STL_BOOT_ID_SIZE]; /* the boot of the system */
    int64_t covered;             /* bytes that `hasher` has seen */
    struct stl_hasher hasher;
};

/* Fills in a checkpoint to be saved; its padding is zeroed. */
void stl_checkpoint_make(struct stl_checkpoint *checkpoint, const struct stl_hasher *hasher, int64_t covered);
/* Whether a loaded checkpoint is valid for a file of `size` bytes. If not, ignore it. */
bool stl_checkpoint_is_good(const struct stl_checkpoint *checkpoint, int64_t size);

#endif
