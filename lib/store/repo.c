#include "repo.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io.h"
#include "nesting.h"

int stl_repo_open_folder(struct stl_repo *repo, const struct stl_registry *registry,
                         const struct stl_name *name, struct stl_error *err)
{
    char path[STL_PATH_MAX];
    *repo = (struct stl_repo){registry, *name, -1, -1, NULL};
    repo->fd = stl_dir_open(registry->root.fd, stl_path_repository(name, path), err);
    if (repo->fd >= 0)
        return 1;
    struct stl_name outer;
    bool at_tag = (err->sys_errno == ENOTDIR || err->sys_errno == ELOOP) &&
                  stl_nesting_next(name, NULL, &outer); /* a tag of `outer` may be in the way */
    if (err->sys_errno != ENOENT && !at_tag)
        return -1;
    stl_error_clear(err);
    return 0;
}

static int open_whole(struct stl_repo *repo, struct stl_error *err)
{
    int found = stl_repo_open_folder(repo, repo->registry, &repo->name, err);
    if (found > 0 && faccessat(repo->fd, STL_REPO_MANIFESTS, F_OK, AT_SYMLINK_NOFOLLOW) == 0 &&
        faccessat(repo->fd, STL_REPO_TAGS, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        return 0;
    bool missing = found == 0 || (found > 0 && errno == ENOENT);
    stl_repo_close(repo);
    if (missing)
        return stl_error_set(err, STL_NAME_UNKNOWN, "there is no repository '%s'", repo->name.text);
    return err->code ? -1 : stl_error_errno(err, "cannot open repository %s", repo->name.text);
}

int stl_repo_open(struct stl_repo *repo, const struct stl_registry *registry, const struct stl_name *name,
                  struct stl_error *err)
{
    *repo = (struct stl_repo){registry, *name, -1, -1, NULL};
    return open_whole(repo, err);
}

int stl_repo_open_if_any(struct stl_repo *repo, const struct stl_registry *registry,
                         const struct stl_name *name, struct stl_error *err)
{
    if (stl_repo_open(repo, registry, name, err) == 0)
        return 1;
    if (err->code != STL_NAME_UNKNOWN)
        return -1;
    stl_error_clear(err);
    return 0;
}

void stl_repo_close(struct stl_repo *repo)
{
    stl_close_fd(&repo->fd);
    stl_close_fd(&repo->lock);
}

int stl_repo_remove_folders(const struct stl_registry *registry, const struct stl_name *name,
                            struct stl_error *err)
{
    char path[STL_PATH_MAX];
    stl_path_repository(name, path);
    while (strlen(path) > strlen(STL_V2) && !stl_nesting_is_in_use(registry, path)) {
        if (unlinkat(registry->root.fd, path, AT_REMOVEDIR) && errno != ENOENT)
            return errno == ENOTEMPTY || errno == EEXIST ? 0 : stl_error_errno(err, "cannot remove %s", path);
        *strrchr(path, '/') = '\0';
    }
    return 0;
}

int stl_repo_remove_folder(const struct stl_repo *repo, const char *folder, struct stl_error *err)
{
    return *folder == '_' ? stl_tree_remove(repo->fd, folder, err)
                          : stl_dir_remove_files(repo->fd, folder, err);
}

int stl_repo_enter_folder(const struct stl_repo *repo, const char *folder, struct stl_error *err)
{
    int fd = stl_dir_open(repo->fd, folder, err);
    if (fd < 0 && err->sys_errno == ENOENT)
        stl_error_set(err, STL_NAME_UNKNOWN, "repository '%s' was deleted meanwhile", repo->name.text);
    return fd;
}

int stl_repo_sync_folder(const struct stl_repo *repo, const char *folder, struct stl_error *err)
{
    STL_AUTO_CLOSE int directory = stl_dir_open(repo->fd, folder, err);
    return directory < 0 ? -1 : stl_dir_sync(directory, err);
}

/* tags/ is removed first: without it, the folder is no longer a repository. */
int stl_repo_unmake(const struct stl_repo *repo, struct stl_error *err)
{
    for (size_t i = STL_REPO_FOLDERS; i > 0; i--)
        if (stl_repo_remove_folder(repo, stl_repo_folders[i - 1].name, err) ||
            (i == STL_REPO_FOLDERS && stl_dir_sync(repo->fd, err)))
            return -1;
    return stl_dir_sync(repo->fd, err) ? -1 : stl_repo_remove_folders(repo->registry, &repo->name, err);
}

/* What a shared file system says when it looks the name up will do: a blob never changes. */
int stl_blob_size(int at, const char *path, int64_t *size, struct stl_error *err)
{
    struct statx st;
    if (statx(at, path, AT_SYMLINK_NOFOLLOW | AT_STATX_DONT_SYNC, STATX_TYPE | STATX_SIZE, &st))
        return errno == ENOENT ? 0 : stl_error_errno(err, "cannot look at %s", path);
    if (!S_ISREG(st.stx_mode))
        return stl_error_set(err, STL_DAMAGED, "%s is not a regular file", path);
    if (size)
        *size = (int64_t)st.stx_size;
    return 1;
}

int stl_store_has(const struct stl_registry *registry, const struct stl_digest *digest, int64_t *size,
                  struct stl_error *err)
{
    char path[STL_PATH_MAX];
    return stl_blob_size(registry->root.fd, stl_path_store(digest, path), size, err);
}

struct stl_name stl_store_lock_name(const char *ab)
{
    struct stl_name name;
    snprintf(name.text, sizeof name.text, "%s", ab);
    return name;
}

int stl_store_lock(const struct stl_registry *registry, const struct stl_digest *digest,
                   struct stl_error *err)
{
    char path[STL_PATH_MAX];
    const struct stl_name name =
        stl_store_lock_name(strrchr(stl_path_store_directory(digest, path), '/') + 1);
    return stl_registry_lock(registry, STL_LOCK_STORE, &name, false, err);
}

/* Garbage collection takes the age of a blob from its ctime. */
int stl_store_claim(const struct stl_registry *registry, const struct stl_digest *digest, int64_t *size,
                    struct stl_error *err)
{
    const struct timespec touch[2] = {{.tv_nsec = UTIME_NOW}, {.tv_nsec = UTIME_OMIT}};
    char path[STL_PATH_MAX];
    int found = stl_store_has(registry, digest, size, err);
    if (found <= 0)
        return found;
    STL_AUTO_CLOSE int lock = stl_store_lock(registry, digest, err);
    if (lock < 0)
        return -1;
    stl_path_store(digest, path);
    bool gone = utimensat(registry->root.fd, path, touch, AT_SYMLINK_NOFOLLOW) && errno == ENOENT;
    return !gone;
}

int stl_blob_look(int at, const char *path, struct stl_digest *digest, struct stat *st, struct stl_error *err)
{
    struct stl_error ignored = STL_ERROR_INIT;
    if (stl_digest_parse(strrchr(path, '/') + 1, digest, &ignored))
        return 0;
    if (fstatat(at, path, st, AT_SYMLINK_NOFOLLOW))
        return errno == ENOENT ? 0 : stl_error_errno(err, "cannot look at %s", path);
    return S_ISREG(st->st_mode);
}

int stl_repo_has_blob(const struct stl_repo *repo, const struct stl_digest *digest, int64_t *size,
                      struct stl_error *err)
{
    char path[STL_PATH_MAX];
    return stl_blob_size(repo->fd, stl_path_blob(digest, path), size, err);
}
