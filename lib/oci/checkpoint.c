#include "checkpoint.h"

#include <string.h>
#include <unistd.h>

#include "fs-kind.h"

static const char magic[8] = "hash-1";

static const char durable[] = "durable";

int stl_checkpoint_make(struct stl_checkpoint *checkpoint, int fd, const struct stl_hasher *hasher,
                        int64_t covered, struct stl_error *err)
{
    memset(checkpoint, 0, sizeof *checkpoint);
    if (!stl_fs_doubtful(fd))
        stl_boot_id(checkpoint->boot);
    else if (fdatasync(fd) == 0)
        memcpy(checkpoint->boot, durable, sizeof durable);
    else
        return stl_error_errno(err, "cannot sync a file");
    memcpy(checkpoint->magic, magic, sizeof magic);
    checkpoint->covered = covered;
    checkpoint->hasher = *hasher;
    return 0;
}

bool stl_checkpoint_is_durable(const struct stl_checkpoint *checkpoint)
{
    return !memcmp(checkpoint->boot, durable, sizeof durable);
}

static bool bytes_are_there(const struct stl_checkpoint *checkpoint)
{
    char boot[STL_BOOT_ID_SIZE];
    if (stl_checkpoint_is_durable(checkpoint))
        return true;
    stl_boot_id(boot);
    return boot[0] && !memcmp(boot, checkpoint->boot, sizeof boot);
}

bool stl_checkpoint_is_good(const struct stl_checkpoint *checkpoint, int64_t size)
{
    return !memcmp(checkpoint->magic, magic, sizeof magic) && bytes_are_there(checkpoint) &&
           (unsigned)checkpoint->hasher.algorithm <= STL_SHA512 && checkpoint->covered >= 0 &&
           checkpoint->covered <= size;
}
