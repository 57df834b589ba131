/* Checks modes and owners, and moves damaged files out of the way. */
#include "verify-run.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "verify.h"

bool stl_verify_look(const struct verify *verify, const char *path, struct stat *st,
                     struct verify_problems *problems)
{
    if (fstatat(verify->registry->root.fd, path, st, AT_SYMLINK_NOFOLLOW) == 0)
        return true;
    if (errno != ENOENT)
        stl_verify_add(problems, VERIFY_UNREADABLE, path, "cannot be looked at: %s", strerror(errno));
    return false;
}

int stl_verify_begin(struct verify *verify, struct stl_error *err)
{
    struct stat st;
    const struct stl_registry *registry = verify->registry;
    if (stl_registry_wanted_modes(registry, &verify->wanted, err))
        return stl_error_context(err, "%s/registry.yaml:%zu", registry->path, registry->settings.group_line);
    if (fstat(verify->registry->root.fd, &st))
        return stl_error_errno(err, "cannot look at %s", verify->registry->path);
    verify->owner = st.st_uid;
    return 0;
}

void stl_verify_modes(const struct verify *verify, const char *path, const struct stat *st,
                      struct verify_problems *problems)
{
    const struct stl_root *wanted = &verify->wanted;
    mode_t mode = S_ISDIR(st->st_mode) ? wanted->directory_mode : wanted->file_mode;
    if (st->st_uid != verify->owner)
        stl_verify_add(problems, VERIFY_OWNER, path, "belongs to user %u, the registry to user %u",
                       (unsigned)st->st_uid, (unsigned)verify->owner);
    if ((st->st_mode & 0777) != mode)
        stl_verify_add(problems, VERIFY_MODE, path, "has mode %04o, not %04o", (unsigned)st->st_mode & 0777,
                       (unsigned)mode);
    else if (wanted->group != (gid_t)-1 && st->st_gid != wanted->group)
        stl_verify_add(problems, VERIFY_MODE, path, "belongs to group %u, not %u", (unsigned)st->st_gid,
                       (unsigned)wanted->group);
}

int stl_verify_repair_mode(const struct verify *verify, const char *path, struct stl_error *err)
{
    const struct stl_root *wanted = &verify->wanted;
    struct stat st;
    STL_AUTO_CLOSE int fd = openat(verify->registry->root.fd, path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    STL_AUTO_FREE char *self = stl_sprintf("/proc/self/fd/%d", fd);
    if (fd < 0 || fstat(fd, &st))
        return stl_error_errno(err, "cannot open %s", path);
    if (S_ISLNK(st.st_mode))
        return 0;
    if ((wanted->group != (gid_t)-1 && chown(self, (uid_t)-1, wanted->group)) ||
        chmod(self, S_ISDIR(st.st_mode) ? wanted->directory_mode : wanted->file_mode))
        return stl_error_errno(err, "cannot set mode and group of %s", path);
    return 0;
}

int stl_verify_set_aside(const struct verify *verify, const char *path, const char *name,
                         struct stl_error *err)
{
    const struct stl_root *root = &verify->registry->root;
    STL_AUTO_CLOSE int damaged = stl_dir_make(root, root->fd, STL_TRASH_DAMAGED, err);
    if (damaged < 0)
        return -1;
    if (renameat(root->fd, path, damaged, name))
        return stl_error_errno(err, "cannot move %s to trash/damaged/%s", path, name);
    return stl_dir_sync(damaged, err);
}
