#include "pending-import.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io.h"

static char *path_of_import(const struct stl_digest *id, char path[STL_PATH_MAX])
{
    char text[STL_DIGEST_TEXT_MAX];
    snprintf(path, STL_PATH_MAX, STL_IMPORTS "/%s", stl_digest_format(id, text));
    return path;
}

static int make_folder(const struct stl_registry *registry, const char *path, struct stl_error *err)
{
    STL_AUTO_FREE char *blobs = stl_sprintf("%s/" STL_REPO_BLOBS, path);
    STL_AUTO_CLOSE int fd = stl_dir_make(&registry->root, registry->root.fd, blobs, err);
    return fd < 0 ? -1 : 0;
}

/* Whether the open folder is still the one with this name: it may have been removed while we waited. */
static bool is_current(int root, const char *path, int fd)
{
    struct stat named, open;
    return fstatat(root, path, &named, AT_SYMLINK_NOFOLLOW) == 0 && fstat(fd, &open) == 0 &&
           named.st_ino == open.st_ino && named.st_dev == open.st_dev;
}

/* Returns 1, 0 if the folder has been removed meanwhile, or -1. */
static int lock_import(const struct stl_root *root, const char *path, struct stl_repo *holder,
                       struct stl_error *err)
{
    holder->lock = openat(holder->fd, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (holder->lock < 0 && errno == ENOENT)
        return 0;
    if (holder->lock < 0 || stl_flock(holder->lock, LOCK_EX))
        return stl_error_errno(err, "cannot lock a pending import");
    return is_current(root->fd, path, holder->fd);
}

int stl_pending_open(struct stl_pending *pending, const struct stl_registry *registry,
                     const struct stl_digest *id, enum stl_pending_mode mode, struct stl_error *err)
{
    bool make = mode == STL_PENDING_MAKE;
    char path[STL_PATH_MAX];
    path_of_import(id, path);
    *pending = (struct stl_pending){.registry = *registry, .holder = STL_REPO_INIT, .id = *id};
    pending->registry.settings.limits = (struct stl_limits){0};
    pending->holder.registry = &pending->registry;
    snprintf(pending->holder.name.text, sizeof pending->holder.name.text, "%.*s", STL_NAME_MAX, path);
    for (;;) {
        if (make && make_folder(registry, path, err))
            return -1;
        pending->holder.fd = stl_dir_open(registry->root.fd, path, err);
        if (pending->holder.fd < 0 && (make || err->sys_errno != ENOENT))
            return -1;
        stl_error_clear(err);
        if (pending->holder.fd < 0)
            return 0;
        int locked = mode == STL_PENDING_LOOK ? 1 : lock_import(&registry->root, path, &pending->holder, err);
        if (locked > 0)
            return 1;
        stl_repo_close(&pending->holder);
        if (locked < 0)
            return -1;
    }
}

void stl_pending_close(struct stl_pending *pending)
{
    stl_repo_close(&pending->holder);
}

/* It is moved to tmp/ first: a half-removed folder would be a different import. What a killed process leaves
 * there is swept, and whoever sweeps meanwhile helps. */
int stl_pending_remove(struct stl_pending *pending, struct stl_error *err)
{
    const struct stl_root *root = &pending->holder.registry->root;
    char path[STL_PATH_MAX], text[STL_DIGEST_TEXT_MAX];
    STL_AUTO_FREE char *away =
        stl_sprintf(STL_TMP "/import-%s", strchr(stl_digest_format(&pending->id, text), ':') + 1);
    STL_AUTO_CLOSE int imports = stl_dir_open(root->fd, STL_IMPORTS, err);
    if (imports < 0 || stl_tree_remove(root->fd, away, err))
        return -1;
    if (renameat(root->fd, path_of_import(&pending->id, path), root->fd, away))
        return stl_error_errno(err, "cannot remove %s", path);
    if (stl_dir_sync(imports, err))
        return -1;
    return stl_tree_remove(root->fd, away, err);
}

int stl_pending_read(const struct stl_pending *pending, const char *name, struct stl_buf *bytes,
                     struct stl_error *err)
{
    if (stl_file_read(pending->holder.fd, name, false, bytes, err) == 0)
        return 1;
    if (err->sys_errno != ENOENT)
        return -1;
    stl_error_clear(err);
    return 0;
}

int stl_pending_write(const struct stl_pending *pending, const char *name, const void *bytes, size_t length,
                      struct stl_error *err)
{
    return stl_file_put(&pending->holder.registry->root, pending->holder.fd, name, bytes, length, err);
}

int stl_pending_drop(const struct stl_pending *pending, const char *name, struct stl_error *err)
{
    if (unlinkat(pending->holder.fd, name, 0) && errno != ENOENT)
        return stl_error_errno(err, "cannot remove %s", name);
    return 0;
}

int stl_pending_sync(const struct stl_pending *pending, struct stl_error *err)
{
    return stl_dir_sync(pending->holder.fd, err);
}

/* --- all of them ---------------------------------------------------------------------------------------- */

struct ids {
    struct stl_digest *items;
    size_t count;
};

static void ids_clear(struct ids *ids)
{
    free(ids->items);
}

static int add_id(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    struct ids *ids = context;
    struct stl_digest id;
    (void)type;
    if (stl_digest_parse(name, &id, err)) {
        stl_error_clear(err);
        return 0;
    }
    stl_grow(ids->items, ids->count);
    ids->items[ids->count++] = id;
    return 0;
}

static int compare_ids(const void *a, const void *b)
{
    return stl_digest_compare(a, b);
}

int stl_pending_each(const struct stl_registry *registry, stl_pending_visit *visit, void *context,
                     struct stl_error *err)
{
    __attribute__((cleanup(ids_clear))) struct ids ids = {0};
    if (stl_dir_each_if_any(registry->root.fd, STL_IMPORTS, add_id, &ids, err))
        return -1;
    if (ids.count)
        qsort(ids.items, ids.count, sizeof *ids.items, compare_ids);
    for (size_t i = 0; i < ids.count; i++) {
        int result = visit(context, &ids.items[i], err);
        if (result)
            return result;
    }
    return 0;
}
