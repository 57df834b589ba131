#include "freeze.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static const char file_name[] = "frozen";
enum { REASON_MAX = 400 };

int stl_freeze(const struct stl_registry *registry, const char *reason, struct stl_error *err)
{
    const struct stl_root *root = &registry->root;
    if (strlen(reason) > REASON_MAX)
        return stl_error_set(err, STL_USAGE, "the reason is longer than %d bytes", REASON_MAX);
    if (stl_file_put(root, root->fd, file_name, reason, strlen(reason), err) || stl_dir_sync(root->fd, err))
        return -1;
    STL_AUTO_CLOSE int lock = stl_registry_lock(registry, STL_LOCK_WRITES, NULL, true, err);
    return lock < 0 ? -1 : 0;
}

int stl_thaw(const struct stl_registry *registry, struct stl_error *err)
{
    if (unlinkat(registry->root.fd, file_name, 0))
        return errno == ENOENT ? 0 : stl_error_errno(err, "cannot remove %s/%s", registry->path, file_name);
    return stl_dir_sync(registry->root.fd, err) ? -1 : 1;
}

int stl_write_begin(const struct stl_registry *registry, struct stl_error *err)
{
    STL_AUTO_BUF struct stl_buf reason = {.ceiling = 4096};
    int lock = stl_registry_lock(registry, STL_LOCK_WRITES, NULL, false, err);
    if (lock < 0)
        return -1;
    if (stl_file_read(registry->root.fd, file_name, false, &reason, err) == 0)
        stl_error_set(err, STL_UNAVAILABLE, "the registry is read-only for a while%s%s",
                      reason.length ? ": " : "", reason.length ? reason.data : "");
    else if (err->sys_errno == ENOENT) {
        stl_error_clear(err);
        return lock;
    }
    stl_close_fd(&lock);
    return -1;
}
