#include "freeze.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "reserve.h"

static const char file_name[] = STL_FROZEN;
enum { REASON_MAX = 400 };

int stl_freeze(const struct stl_registry *registry, const char *reason, struct stl_error *err)
{
    const struct stl_root *root = &registry->root;
    if (strlen(reason) > REASON_MAX)
        return stl_error_set(err, STL_USAGE, "the reason is longer than %d bytes", REASON_MAX);
    STL_AUTO_LOAN struct stl_reserve_loan loan = stl_reserve_borrow(registry);
    while (stl_file_put(root, root->fd, file_name, reason, strlen(reason), err) ||
           stl_dir_sync(root->fd, err))
        if (!stl_reserve_use(registry, err))
            return -1;
    STL_AUTO_CLOSE int lock = stl_reserve_lock(registry, STL_LOCK_WRITES, NULL, 0, err);
    return lock < 0 ? -1 : 0;
}

int stl_thaw(const struct stl_registry *registry, struct stl_error *err)
{
    if (unlinkat(registry->root.fd, file_name, 0))
        return errno == ENOENT ? 0 : stl_error_errno(err, "cannot remove %s/%s", registry->path, file_name);
    return stl_dir_sync(registry->root.fd, err) ? -1 : 1;
}

bool stl_is_frozen(const struct stl_registry *registry)
{
    return faccessat(registry->root.fd, file_name, F_OK, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT;
}

int stl_check_frozen(const struct stl_registry *registry, struct stl_error *err)
{
    STL_AUTO_BUF struct stl_buf reason = {.ceiling = 4096};
    if (stl_file_read(registry->root.fd, file_name, false, &reason, err) == 0)
        return stl_error_set(err, STL_UNAVAILABLE, "the registry is read-only for a while%s%s",
                             reason.length ? ": " : "", reason.length ? reason.data : "");
    if (err->sys_errno != ENOENT)
        return -1;
    stl_error_clear(err);
    return 0;
}

int stl_write_begin(const struct stl_registry *registry, struct stl_error *err)
{
    int lock = stl_registry_lock(registry, STL_LOCK_WRITES, NULL, false, err);
    if (lock >= 0 && stl_check_frozen(registry, err))
        stl_close_fd(&lock);
    return err->code ? -1 : lock;
}
