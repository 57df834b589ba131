#include "repo.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access.h"
#include "limits.h"
#include "trash.h"

/* tags/ is made last, when all before it is durable: a repository that has it is whole. */
static const char *const folders[] = {"_manifests", "manifests", "blobs", "referrers", "tags"};
enum { FOLDERS = sizeof folders / sizeof *folders, MAKE_TRIES = 100 };

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
    *repo = (struct stl_repo){registry, *name, -1, NULL};
    return open_whole(repo, &durable, err);
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

/* Whether a deletion was killed here: tags/ is gone, and not all that it led to. Who makes a repository makes
 * all other folders before tags/, and puts nothing into them. */
static bool has_remains(const struct stl_repo *repo)
{
    return repo->fd >= 0 && faccessat(repo->fd, folders[FOLDERS - 1], F_OK, AT_SYMLINK_NOFOLLOW) &&
           (!stl_dir_is_empty(repo->fd, "manifests") || !stl_dir_is_empty(repo->fd, "_manifests"));
}

/* What was deleted must not come back with a new push. Its tags are in the trash already; its blobs stay, for
 * garbage collection to judge. */
static int bury_remains(const struct stl_repo *repo, struct stl_error *err)
{
    static const char *const links[] = {"_refs", "referrers", "manifests"};
    for (size_t i = 0; i < sizeof links / sizeof *links; i++)
        if (stl_tree_remove(repo->fd, links[i], err))
            return -1;
    return stl_dir_sync(repo->fd, err) || stl_trash_manifests(repo, err) ||
                   stl_tree_remove(repo->fd, "_manifests", err)
               ? -1
               : 0;
}

static int fill(struct stl_repo *repo, struct stl_error *err)
{
    STL_AUTO_CLOSE int lists =
        has_remains(repo) ? stl_registry_lock(repo->registry, STL_LOCK_LISTS, &repo->name, true, err) : -1;
    if (err->code || (lists >= 0 && has_remains(repo) && bury_remains(repo, err)))
        stl_repo_close(repo);
    for (size_t i = 0; i < FOLDERS && repo->fd >= 0; i++) {
        STL_AUTO_CLOSE int folder = stl_dir_make(&repo->registry->root, repo->fd, folders[i], err);
        if (folder < 0)
            stl_repo_close(repo);
    }
    return repo->fd < 0 ? -1 : 0;
}

/* Parents that held nothing else may vanish under our feet: whoever meets that begins anew. */
static int make_folders(struct stl_repo *repo, struct stl_error *err)
{
    const struct stl_root *root = &repo->registry->root;
    char path[STL_PATH_MAX];
    stl_error_clear(err);
    repo->fd = stl_dir_make(root, root->fd, stl_path_repository(&repo->name, path), err);
    return fill(repo, err);
}

static bool has_folders(const struct stl_repo *repo)
{
    for (size_t i = 0; i < FOLDERS; i++)
        if (faccessat(repo->fd, folders[i], F_OK, AT_SYMLINK_NOFOLLOW))
            return false;
    return true;
}

static int open_or_make(struct stl_repo *repo, struct stl_error *err)
{
    bool durable = false;
    if (open_whole(repo, &durable, err) == 0 && durable)
        return 0;
    stl_repo_close(repo);
    return err->code && err->code != STL_NAME_UNKNOWN ? -1 : make_folders(repo, err);
}

/* The lock on the folder keeps garbage collection from removing it while it is empty. Garbage collection that
 * was faster may have taken some of the folders that we had just made. */
int stl_repo_make(struct stl_repo *repo, const struct stl_registry *registry, const struct stl_name *name,
                  struct stl_error *err)
{
    for (int tries = 0;; tries++) {
        *repo = (struct stl_repo){registry, *name, -1, NULL};
        int made = open_or_make(repo, err);
        while (made == 0 && flock(repo->fd, LOCK_SH))
            if (errno != EINTR)
                made = stl_error_errno(err, "cannot lock repository %s", name->text);
        if (made == 0 && (has_folders(repo) || fill(repo, err) == 0))
            break;
        stl_repo_close(repo);
        if (err->sys_errno != ENOENT || tries == MAKE_TRIES)
            return -1;
        stl_error_clear(err);
    }
    if (stl_access_mark(registry, name, err))
        stl_repo_close(repo);
    return repo->fd < 0 ? -1 : 0;
}

void stl_repo_close(struct stl_repo *repo)
{
    stl_close_fd(&repo->fd);
    repo->fd = -1;
}

int stl_repo_remove_folders(const struct stl_registry *registry, const struct stl_name *name,
                            struct stl_error *err)
{
    char path[STL_PATH_MAX];
    stl_path_repository(name, path);
    while (strlen(path) > strlen("www/v2")) {
        if (unlinkat(registry->root.fd, path, AT_REMOVEDIR) && errno != ENOENT)
            return errno == ENOTEMPTY || errno == EEXIST ? 0 : stl_error_errno(err, "cannot remove %s", path);
        *strrchr(path, '/') = '\0';
    }
    return 0;
}

/* tags/ goes first: without it, it is no repository any more. */
int stl_repo_unmake(const struct stl_repo *repo, struct stl_error *err)
{
    static const char *const doomed[] = {"tags", "_refs", "referrers", "manifests", "_manifests", "blobs"};
    for (size_t i = 0; i < sizeof doomed / sizeof *doomed; i++)
        if (stl_tree_remove(repo->fd, doomed[i], err) || (i == 0 && stl_dir_sync(repo->fd, err)))
            return -1;
    return stl_dir_sync(repo->fd, err) ? -1 : stl_repo_remove_folders(repo->registry, &repo->name, err);
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

/* Opens the folder of the store that a blob belongs into, with a shared lock: while it is held, garbage
 * collection takes nothing out of it. Unless `make`, err->sys_errno is ENOENT if there is none. */
static int lock_store(const struct stl_registry *registry, const struct stl_digest *digest, bool make,
                      struct stl_error *err)
{
    char path[STL_PATH_MAX];
    stl_path_store_directory(digest, path);
    int directory = make ? stl_dir_make(&registry->root, registry->root.fd, path, err)
                         : stl_dir_open(registry->root.fd, path, err);
    while (directory >= 0 && flock(directory, LOCK_SH)) {
        if (errno == EINTR)
            continue;
        stl_error_errno(err, "cannot lock %s", path);
        stl_close_fd(&directory);
        return -1;
    }
    return directory;
}

/* The ctime is the clock of garbage collection. */
int stl_store_claim(const struct stl_registry *registry, const struct stl_digest *digest, int64_t *size,
                    struct stl_error *err)
{
    const struct timespec touch[2] = {{.tv_nsec = UTIME_NOW}, {.tv_nsec = UTIME_OMIT}};
    char path[STL_PATH_MAX];
    STL_AUTO_CLOSE int store = lock_store(registry, digest, false, err);
    if (store < 0 && err->sys_errno == ENOENT) {
        stl_error_clear(err);
        return 0;
    }
    int found = store < 0 ? -1 : stl_store_has(registry, digest, size, err);
    if (found > 0)
        utimensat(store, strrchr(stl_path_store(digest, path), '/') + 1, touch, AT_SYMLINK_NOFOLLOW);
    return found;
}

bool stl_blob_look(int at, const char *path, struct stl_digest *digest, struct stat *st)
{
    struct stl_error ignored = STL_ERROR_INIT;
    return stl_digest_parse(strrchr(path, '/') + 1, digest, &ignored) == 0 &&
           fstatat(at, path, st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st->st_mode);
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

/* Not durable yet. Fails with STL_BLOB_UNKNOWN if there is no such file, STL_NAME_UNKNOWN if the repository
 * was deleted after it was opened. */
static int link_at_once(const struct stl_repo *repo, int at, const char *from,
                        const struct stl_digest *digest, struct stl_error *err)
{
    char to[STL_PATH_MAX];
    blob_path(digest, to);
    if (linkat(at, from, repo->fd, to, 0) && errno != EEXIST) {
        if (errno == ENOENT && faccessat(repo->fd, "blobs", F_OK, AT_SYMLINK_NOFOLLOW))
            return stl_error_set(err, STL_NAME_UNKNOWN, "repository '%s' was deleted meanwhile",
                                 repo->name.text);
        if (errno == ENOENT)
            return stl_error_set(err, STL_BLOB_UNKNOWN, "there is no blob %s", to + strlen("blobs/"));
        if (errno != EMLINK && errno != EXDEV)
            return stl_error_errno(err, "cannot link %s into repository %s", to, repo->name.text);
        return copy_blob(repo, at, from, to, err);
    }
    return 0;
}

/* The same, within the quota: exact, because those who add to a repository that has one do so one by one. */
static int link_blob(const struct stl_repo *repo, int at, const char *from, const struct stl_digest *digest,
                     struct stl_error *err)
{
    int64_t left, size = 0;
    if (stl_limits_left(repo->registry, &repo->name, &left, err))
        return -1;
    if (left == INT64_MAX)
        return link_at_once(repo, at, from, digest, err);
    STL_AUTO_CLOSE int lock = stl_registry_lock(repo->registry, STL_LOCK_QUOTA, &repo->name, true, err);
    int known = lock < 0 ? -1 : stl_repo_has_blob(repo, digest, NULL, err);
    if (known < 0 || (!known && (blob_size(at, from, &size, err) < 0 ||
                                 stl_limits_left(repo->registry, &repo->name, &left, err))))
        return -1;
    if (!known && size > left)
        return stl_limits_exceeded(&repo->name, size, left, err);
    return link_at_once(repo, at, from, digest, err);
}

static int link_from_store(const struct stl_repo *repo, const struct stl_digest *digest,
                           struct stl_error *err)
{
    char path[STL_PATH_MAX];
    return link_blob(repo, repo->registry->root.fd, stl_path_store(digest, path), digest, err);
}

static int unknown_blob(const struct stl_digest *digest, struct stl_error *err)
{
    char text[STL_DIGEST_TEXT_MAX];
    return stl_error_set(err, STL_BLOB_UNKNOWN, "there is no blob %s", stl_digest_format(digest, text));
}

int stl_repo_link_blob(const struct stl_repo *repo, const struct stl_digest *digest, struct stl_error *err)
{
    STL_AUTO_CLOSE int store = lock_store(repo->registry, digest, false, err);
    if (store < 0)
        return err->sys_errno == ENOENT ? unknown_blob(digest, err) : -1;
    return link_from_store(repo, digest, err) || sync_blobs(repo, err) ? -1 : 0;
}

int stl_repo_mount_blob(const struct stl_repo *repo, const struct stl_repo *from,
                        const struct stl_digest *digest, struct stl_error *err)
{
    char path[STL_PATH_MAX];
    STL_AUTO_CLOSE int store = lock_store(repo->registry, digest, false, err);
    if (store < 0)
        return err->sys_errno == ENOENT ? unknown_blob(digest, err) : -1;
    return link_blob(repo, from->fd, blob_path(digest, path), digest, err) || sync_blobs(repo, err) ? -1 : 0;
}

/* Where the store has the blob already, by whose hand ever, its name there may not be durable yet. Returns 1
 * if it has not. */
static int link_known_blob(const struct stl_repo *repo, const struct stl_digest *digest,
                           struct stl_error *err)
{
    int known = stl_store_has(repo->registry, digest, NULL, err);
    STL_AUTO_CLOSE int store = known > 0 ? lock_store(repo->registry, digest, false, err) : -1;
    if (known <= 0)
        return known < 0 ? -1 : 1;
    if (store < 0 || stl_dir_sync(store, err))
        return -1;
    if (link_from_store(repo, digest, err) == 0)
        return sync_blobs(repo, err);
    if (err->code != STL_BLOB_UNKNOWN)
        return -1;
    stl_error_clear(err);
    return 1;
}

/* Before the store has the bytes: a refusal that comes later leaves them there until garbage collection. */
static int check_room(const struct stl_repo *repo, const struct stl_temp *temp, struct stl_error *err)
{
    int64_t left;
    struct stat st;
    if (stl_limits_left(repo->registry, &repo->name, &left, err))
        return -1;
    if (fstat(temp->fd, &st))
        return stl_error_errno(err, "cannot look at a file in tmp/");
    return st.st_size > left ? stl_limits_exceeded(&repo->name, st.st_size, left, err) : 0;
}

/* The bytes are durable before any name, the two names after both are there: a journal writes them together.
 * A power cut in between may leave one of them, either of which is a whole blob. */
int stl_repo_put_blob(const struct stl_repo *repo, struct stl_temp *temp, const struct stl_digest *digest,
                      struct stl_error *err)
{
    int known = link_known_blob(repo, digest, err);
    if (known <= 0)
        return known;
    if (check_room(repo, temp, err) || stl_temp_sync(temp, err))
        return -1;
    char path[STL_PATH_MAX];
    STL_AUTO_CLOSE int store = lock_store(repo->registry, digest, true, err);
    stl_path_store(digest, path);
    if (store < 0 || stl_temp_link(temp, store, strrchr(path, '/') + 1, err) < 0 ||
        link_from_store(repo, digest, err))
        return -1;
    return stl_dir_sync(store, err) || sync_blobs(repo, err) ? -1 : 0;
}

int stl_repo_enter_blob(const struct stl_repo *repo, struct stl_temp *temp, const struct stl_digest *digest,
                        struct stl_error *err)
{
    char path[STL_PATH_MAX];
    if (temp && check_room(repo, temp, err))
        return -1;
    STL_AUTO_CLOSE int store = lock_store(repo->registry, digest, temp != NULL, err);
    if (store < 0)
        return err->sys_errno == ENOENT ? unknown_blob(digest, err) : -1;
    stl_path_store(digest, path);
    if (temp && stl_temp_link(temp, store, strrchr(path, '/') + 1, err) < 0)
        return -1;
    return link_from_store(repo, digest, err);
}

int stl_repo_sync_entered(const struct stl_repo *repo, const struct stl_digest *digests, size_t count,
                          struct stl_error *err)
{
    bool synced[STL_SHA512 + 1][256] = {0};
    for (size_t i = 0; i < count; i++) {
        bool *done = &synced[digests[i].algorithm][digests[i].bytes[0]];
        char path[STL_PATH_MAX];
        if (*done)
            continue;
        STL_AUTO_CLOSE int store =
            stl_dir_open(repo->registry->root.fd, stl_path_store_directory(&digests[i], path), err);
        if (store < 0 || stl_dir_sync(store, err))
            return -1;
        *done = true;
    }
    return sync_blobs(repo, err);
}

/* Nobody is between finding it here and publishing what needs it. */
int stl_repo_delete_blob(const struct stl_repo *repo, const struct stl_digest *digest, struct stl_error *err)
{
    char text[STL_DIGEST_TEXT_MAX];
    STL_AUTO_CLOSE int content = stl_registry_lock(repo->registry, STL_LOCK_CONTENT, &repo->name, true, err);
    int found = content < 0 ? -1 : stl_repo_has_blob(repo, digest, NULL, err);
    if (found == 0)
        return stl_error_set(err, STL_BLOB_UNKNOWN, "repository %s has no blob %s", repo->name.text,
                             stl_digest_format(digest, text));
    return found < 0 || stl_trash_blob(repo, digest, err) || sync_blobs(repo, err) ? -1 : 0;
}
