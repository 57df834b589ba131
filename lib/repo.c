#include "repo.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* tags/ is made last, when all before it is durable: a repository that has it is whole. */
static const char *const folders[] = {"_manifests", "manifests", "blobs", "referrers", "tags"};
enum { FOLDERS = sizeof folders / sizeof *folders };

static int open_whole(struct stl_repo *repo, bool *durable, struct stl_error *err)
{
    char path[STL_PATH_MAX];
    struct stat last;
    repo->fd = stl_dir_open(repo->registry->root.fd, stl_path_repository(&repo->name, path), err);
    if (repo->fd >= 0 && fstatat(repo->fd, folders[FOLDERS - 1], &last, AT_SYMLINK_NOFOLLOW) == 0) {
        *durable = stl_dir_is_durable(&last);
        return 0;
    }
    bool missing = repo->fd >= 0 ? errno == ENOENT : err->sys_errno == ENOENT;
    stl_repo_close(repo);
    if (missing)
        return stl_error_set(err, STL_NAME_UNKNOWN, "there is no repository '%s'", repo->name.text);
    return err->code ? -1 : stl_error_errno(err, "cannot open repository %s", repo->name.text);
}

int stl_repo_open(struct stl_repo *repo, const struct stl_registry *registry, const struct stl_name *name,
                  struct stl_error *err)
{
    bool durable;
    *repo = (struct stl_repo){registry, *name, -1};
    return open_whole(repo, &durable, err);
}

int stl_repo_make(struct stl_repo *repo, const struct stl_registry *registry, const struct stl_name *name,
                  struct stl_error *err)
{
    const struct stl_root *root = &registry->root;
    char path[STL_PATH_MAX];
    bool durable = false;
    *repo = (struct stl_repo){registry, *name, -1};
    if (open_whole(repo, &durable, err) == 0 && durable)
        return 0;
    stl_repo_close(repo);
    if (err->code && err->code != STL_NAME_UNKNOWN)
        return -1;
    stl_error_clear(err);
    repo->fd = stl_dir_make(root, root->fd, stl_path_repository(name, path), err);
    for (size_t i = 0; i < FOLDERS && repo->fd >= 0; i++) {
        STL_AUTO_CLOSE int folder = stl_dir_make(root, repo->fd, folders[i], err);
        if (folder < 0)
            stl_repo_close(repo);
    }
    return repo->fd < 0 ? -1 : 0;
}

void stl_repo_close(struct stl_repo *repo)
{
    stl_close_fd(&repo->fd);
    repo->fd = -1;
}

static int blob_size(int at, const char *path, int64_t *size, struct stl_error *err)
{
    struct stat st;
    if (fstatat(at, path, &st, AT_SYMLINK_NOFOLLOW))
        return errno == ENOENT ? 0 : stl_error_errno(err, "cannot look at %s", path);
    if (!S_ISREG(st.st_mode))
        return stl_error_set(err, STL_DAMAGED, "%s is not a regular file", path);
    if (size)
        *size = st.st_size;
    return 1;
}

int stl_store_has(const struct stl_registry *registry, const struct stl_digest *digest, int64_t *size,
                  struct stl_error *err)
{
    char path[STL_PATH_MAX];
    return blob_size(registry->root.fd, stl_path_store(digest, path), size, err);
}

static char *blob_path(const struct stl_digest *digest, char path[STL_PATH_MAX])
{
    char text[STL_DIGEST_TEXT_MAX];
    snprintf(path, STL_PATH_MAX, "blobs/%s", stl_digest_format(digest, text));
    return path;
}

int stl_repo_has_blob(const struct stl_repo *repo, const struct stl_digest *digest, int64_t *size,
                      struct stl_error *err)
{
    char path[STL_PATH_MAX];
    return blob_size(repo->fd, blob_path(digest, path), size, err);
}

static int sync_blobs(const struct stl_repo *repo, struct stl_error *err)
{
    STL_AUTO_CLOSE int directory = stl_dir_open(repo->fd, "blobs", err);
    return directory < 0 ? -1 : stl_dir_sync(directory, err);
}

static int copy_bytes(int from, int to, struct stl_error *err)
{
    for (;;) {
        ssize_t n = copy_file_range(from, NULL, to, NULL, 1 << 30, 0);
        if (n == 0)
            return 0;
        if (n > 0 || errno == EINTR)
            continue;
        if (errno != EXDEV && errno != EINVAL && errno != EOPNOTSUPP && errno != ENOSYS)
            return stl_error_errno(err, "cannot copy a blob");
        char chunk[65536];
        while ((n = read(from, chunk, sizeof chunk)) != 0) {
            if (n < 0 && errno == EINTR)
                continue;
            if (n < 0)
                return stl_error_errno(err, "cannot copy a blob");
            if (stl_write_all(to, chunk, (size_t)n, err))
                return -1;
        }
        return 0;
    }
}

/* Where a blob cannot be linked (EMLINK: 65,000 links on ext4; EXDEV: another file system). */
static int copy_blob(const struct stl_repo *repo, int at, const char *from, const char *to,
                     struct stl_error *err)
{
    STL_AUTO_CLOSE int source = openat(at, from, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    STL_AUTO_TEMP struct stl_temp temp = STL_TEMP_INIT;
    if (source < 0)
        return stl_error_errno(err, "cannot open %s", from);
    if (stl_temp_begin(&repo->registry->root, &temp, err) || copy_bytes(source, temp.fd, err) ||
        stl_temp_sync(&temp, err) || stl_temp_link(&temp, repo->fd, to, err) < 0)
        return -1;
    return 0;
}

/* Not durable yet. Fails with STL_BLOB_UNKNOWN if there is no such file, STL_NAME_UNKNOWN if the repository was deleted
 * after it was opened. */
static int link_blob(const struct stl_repo *repo, int at, const char *from, const struct stl_digest *digest,
                     struct stl_error *err)
{
    char to[STL_PATH_MAX];
    blob_path(digest, to);
    if (linkat(at, from, repo->fd, to, 0) && errno != EEXIST) {
        if (errno == ENOENT && faccessat(repo->fd, "blobs", F_OK, AT_SYMLINK_NOFOLLOW))
            return stl_error_set(err, STL_NAME_UNKNOWN, "repository '%s' was deleted meanwhile", repo->name.text);
        if (errno == ENOENT)
            return stl_error_set(err, STL_BLOB_UNKNOWN, "there is no blob %s", to + strlen("blobs/"));
        if (errno != EMLINK && errno != EXDEV)
            return stl_error_errno(err, "cannot link %s into repository %s", to, repo->name.text);
        return copy_blob(repo, at, from, to, err);
    }
    return 0;
}

static int link_from_store(const struct stl_repo *repo, const struct stl_digest *digest, struct stl_error *err)
{
    char path[STL_PATH_MAX];
    return link_blob(repo, repo->registry->root.fd, stl_path_store(digest, path), digest, err);
}

int stl_repo_link_blob(const struct stl_repo *repo, const struct stl_digest *digest, struct stl_error *err)
{
    return link_from_store(repo, digest, err) || sync_blobs(repo, err) ? -1 : 0;
}

int stl_repo_mount_blob(const struct stl_repo *repo, const struct stl_repo *from, const struct stl_digest *digest,
                        struct stl_error *err)
{
    char path[STL_PATH_MAX];
    return link_blob(repo, from->fd, blob_path(digest, path), digest, err) || sync_blobs(repo, err) ? -1 : 0;
}

/* The open folder of the store, or -1. */
static int put_into_store(const struct stl_registry *registry, struct stl_temp *temp,
                          const struct stl_digest *digest, struct stl_error *err)
{
    char path[STL_PATH_MAX];
    stl_path_store_directory(digest, path);
    int directory = stl_dir_make(&registry->root, registry->root.fd, path, err);
    stl_path_store(digest, path);
    if (directory < 0 || stl_temp_link(temp, directory, strrchr(path, '/') + 1, err) >= 0)
        return directory;
    stl_close_fd(&directory);
    return -1;
}

/* Where the store has the blob already, by whose hand ever, its name there may not be durable yet. */
static int link_known_blob(const struct stl_repo *repo, const struct stl_digest *digest, struct stl_error *err)
{
    char path[STL_PATH_MAX];
    STL_AUTO_CLOSE int directory =
        stl_dir_open(repo->registry->root.fd, stl_path_store_directory(digest, path), err);
    if (directory < 0 || stl_dir_sync(directory, err))
        return -1;
    return stl_repo_link_blob(repo, digest, err);
}

/* The bytes are durable before any name, the two names after both are there: a journal writes them together. A power
 * cut in between may leave one of them, either of which is a whole blob.
 *
 * Garbage collection may take the store's copy just before it is linked; the bytes that we hold in `temp` then go
 * there again. When they are in place already there is nothing left to give, and the client sends them again. */
int stl_repo_put_blob(const struct stl_repo *repo, struct stl_temp *temp, const struct stl_digest *digest,
                      struct stl_error *err)
{
    int known = stl_store_has(repo->registry, digest, NULL, err);
    if (known < 0 || (known && link_known_blob(repo, digest, err) == 0))
        return known < 0 ? -1 : 0;
    stl_error_clear(err);
    if (stl_temp_sync(temp, err))
        return -1;
    for (;;) {
        STL_AUTO_CLOSE int store = put_into_store(repo->registry, temp, digest, err);
        if (store < 0)
            return -1;
        bool still_ours = temp->name[0] != '\0';
        if (link_from_store(repo, digest, err) == 0)
            return stl_dir_sync(store, err) || sync_blobs(repo, err) ? -1 : 0;
        if (err->code != STL_BLOB_UNKNOWN || !still_ours)
            return -1;
        stl_error_clear(err);
    }
}

int stl_repo_delete_blob(const struct stl_repo *repo, const struct stl_digest *digest, struct stl_error *err)
{
    char path[STL_PATH_MAX];
    if (unlinkat(repo->fd, blob_path(digest, path), 0)) {
        if (errno == ENOENT)
            return stl_error_set(err, STL_BLOB_UNKNOWN, "repository %s has no blob %s", repo->name.text,
                                 path + strlen("blobs/"));
        return stl_error_errno(err, "cannot remove %s", path);
    }
    return sync_blobs(repo, err);
}
