#include "sync-all.h"

#include <unistd.h>

#include "mem.h"
#include "pool.h"

enum { AT_ONCE = 16 };

static int sync_one(void *context, size_t index, struct stl_error *err)
{
    const struct stl_sync *one = (const struct stl_sync *)context + index;
    if (!one->path)
        return fsync(one->at) ? stl_error_errno(err, "cannot sync a file") : 0;
    STL_AUTO_CLOSE int folder = stl_dir_open(one->at, one->path, err);
    return folder < 0 ? -1 : stl_dir_sync(folder, err);
}

int stl_sync_all(const struct stl_root *root, const struct stl_sync *what, size_t count,
                 struct stl_error *err)
{
    return stl_pool_run(root->threadless ? 1 : AT_ONCE, count, sync_one, (void *)what, err);
}
