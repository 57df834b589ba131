#include "checkpoint.h"

#include <string.h>

static const char magic[8] = "hash-1";

void stl_checkpoint_make(struct stl_checkpoint *checkpoint, const struct stl_hasher *hasher, int64_t covered)
{
    memset(checkpoint, 0, sizeof *checkpoint);
    memcpy(checkpoint->magic, magic, sizeof magic);
    stl_boot_id(checkpoint->boot);
    checkpoint->covered = covered;
    checkpoint->hasher = *hasher;
}

bool stl_checkpoint_is_good(const struct stl_checkpoint *checkpoint, int64_t size)
{
    char boot[STL_BOOT_ID_SIZE];
    stl_boot_id(boot);
    return !memcmp(checkpoint->magic, magic, sizeof magic) && boot[0] &&
           !memcmp(boot, checkpoint->boot, sizeof boot) &&
           (unsigned)checkpoint->hasher.algorithm <= STL_SHA512 && checkpoint->covered >= 0 &&
           checkpoint->covered <= size;
}
