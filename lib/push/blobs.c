#include "blobs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "consent.h"
#include "project-quota.h"
#include "io.h"
#include "quota.h"
#include "reserve.h"
#include "sync-all.h"
#include "trash.h"

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
        while ((n = stl_read_some(from, chunk, sizeof chunk)) > 0)
            if (stl_write_all(to, chunk, (size_t)n, err))
                return -1;
        return n < 0 ? stl_error_errno(err, "cannot copy a blob") : 0;
    }
}

/* For blobs that cannot be linked (EMLINK: 65,000 links on ext4; EXDEV: another file system). */
static int copy_blob(const struct stl_repo *repo, int at, const char *from, const char *to,
                     struct stl_error *err)
{
    STL_AUTO_CLOSE int source = openat(at, from, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    STL_AUTO_TEMP struct stl_temp temp = STL_TEMP_INIT;
    if (source < 0)
        return stl_error_errno(err, "cannot open %s", from);
    if (stl_temp_begin(&repo->registry->root, &temp, err))
        return -1;
    if (copy_bytes(source, temp.fd, err))
        return -1;
    if (stl_temp_sync(&temp, err))
        return -1;
    if (stl_temp_link(&temp, repo->fd, to, err) < 0)
        return -1;
    return 0;
}

/* Not durable yet. Fails with STL_BLOB_UNKNOWN if there is no such file, STL_NAME_UNKNOWN if the repository
 * was deleted after it was opened. */
static int link_at_once(const struct stl_repo *repo, int at, const char *from,
                        const struct stl_digest *digest, struct stl_error *err)
{
    char to[STL_PATH_MAX];
    stl_path_blob(digest, to);
    if (linkat(at, from, repo->fd, to, 0) == 0 || errno == EEXIST)
        return 0;
    if (errno == EMLINK || errno == EXDEV)
        return copy_blob(repo, at, from, to, err);
    if (errno != ENOENT)
        return stl_error_errno(err, "cannot link %s into repository %s", to, repo->name.text);
    STL_AUTO_CLOSE int blobs = stl_repo_enter_folder(repo, STL_REPO_BLOBS, err);
    return blobs < 0
               ? -1
               : stl_error_set(err, STL_BLOB_UNKNOWN, "there is no blob %s", to + strlen(STL_REPO_BLOBS "/"));
}

/* The same, if stl_may_hold_blob() allows it. */
static int link_if_allowed(const struct stl_repo *repo, int at, const char *from,
                           const struct stl_digest *digest, int64_t size, struct stl_error *err)
{
    STL_AUTO_CLOSE int lock = -1;
    return stl_may_hold_blob(repo, digest, size, &lock, err) || link_at_once(repo, at, from, digest, err) ? -1
                                                                                                          : 0;
}

static int link_blob(const struct stl_repo *repo, int at, const char *from, const struct stl_digest *digest,
                     struct stl_error *err)
{
    int64_t size = 0;
    return stl_blob_size(at, from, &size, err) < 0 ? -1 : link_if_allowed(repo, at, from, digest, size, err);
}

static int link_from_store(const struct stl_repo *repo, const struct stl_digest *digest,
                           struct stl_error *err)
{
    char path[STL_PATH_MAX];
    return link_blob(repo, repo->registry->root.fd, stl_path_store(digest, path), digest, err);
}

int stl_repo_link_blob(const struct stl_repo *repo, const struct stl_digest *digest, struct stl_error *err)
{
    STL_AUTO_CLOSE int lock = stl_store_lock(repo->registry, digest, err);
    if (lock < 0)
        return -1;
    if (link_from_store(repo, digest, err))
        return -1;
    return stl_repo_sync_folder(repo, STL_REPO_BLOBS, err);
}

int stl_repo_mount_blob(const struct stl_repo *repo, const struct stl_repo *from,
                        const struct stl_digest *digest, struct stl_error *err)
{
    char path[STL_PATH_MAX];
    STL_AUTO_CLOSE int lock = stl_store_lock(repo->registry, digest, err);
    if (lock < 0)
        return -1;
    return link_blob(repo, from->fd, stl_path_blob(digest, path), digest, err) ||
                   stl_repo_sync_folder(repo, STL_REPO_BLOBS, err)
               ? -1
               : 0;
}

/* Both names of a blob. The folders were opened before: on CephFS, opening a folder that has changed means
 * looking it up again. */
static int sync_names(const struct stl_repo *repo, int store, int blobs, struct stl_error *err)
{
    const struct stl_sync both[] = {{store, NULL}, {blobs, NULL}};
    return stl_sync_all(&repo->registry->root, both, 2, err);
}

/* If the store already has the blob, whoever put it there, its name may not be durable yet. Returns 1 if the
 * store does not have it. */
static int link_known_blob(const struct stl_repo *repo, const struct stl_digest *digest,
                           struct stl_error *err)
{
    int known = stl_store_has(repo->registry, digest, NULL, err);
    STL_AUTO_CLOSE int lock = known > 0 ? stl_store_lock(repo->registry, digest, err) : -1;
    if (known <= 0)
        return known < 0 ? -1 : 1;
    char path[STL_PATH_MAX];
    STL_AUTO_CLOSE int store =
        lock < 0 ? -1 : stl_dir_open(repo->registry->root.fd, stl_path_store_directory(digest, path), err);
    STL_AUTO_CLOSE int blobs = store < 0 ? -1 : stl_repo_enter_folder(repo, STL_REPO_BLOBS, err);
    if (blobs < 0)
        return -1;
    if (link_from_store(repo, digest, err) == 0)
        return sync_names(repo, store, blobs, err);
    if (err->code != STL_BLOB_UNKNOWN)
        return -1;
    stl_error_clear(err);
    return 1;
}

/* Checked before the bytes are in the store: after a later refusal they would stay there until garbage
 * collection. Only if there is a quota, *size is set: nobody else asks for it. */
static int check_room(const struct stl_repo *repo, const struct stl_temp *temp, int64_t *size,
                      struct stl_error *err)
{
    int64_t left;
    struct stat st;
    const struct stl_project *project = stl_project_with_quota(repo->registry, &repo->name, STL_PROJECT_SIZE);
    if (stl_quota_left(repo->registry, &repo->name, &left, err))
        return -1;
    if (left == INT64_MAX && !project)
        return 0;
    if (fstat(temp->fd, &st))
        return stl_error_errno(err, "cannot look at a file in tmp/");
    *size = st.st_size;
    if (st.st_size > left)
        return stl_quota_exceeded(&repo->name, st.st_size, left, err);
    return project ? stl_project_has_room(repo->registry, project, STL_PROJECT_SIZE, st.st_size, err) : 0;
}

static int make_store_folder(const struct stl_registry *registry, const struct stl_digest *digest,
                             struct stl_error *err)
{
    char path[STL_PATH_MAX];
    return stl_dir_make(&registry->root, registry->root.fd, stl_path_store_directory(digest, path), err);
}

/* The bytes are made durable before either name exists, and the two names once both exist, since a journal
 * writes them together. A power cut in between may leave one of them; either leads to a whole blob. */
int stl_repo_put_blob(const struct stl_repo *repo, struct stl_temp *temp, const struct stl_digest *digest,
                      struct stl_error *err)
{
    int known = link_known_blob(repo, digest, err);
    if (known <= 0)
        return known;
    int64_t size = 0;
    if (check_room(repo, temp, &size, err) || stl_temp_sync(temp, err))
        return -1;
    char path[STL_PATH_MAX];
    STL_AUTO_CLOSE int lock = stl_store_lock(repo->registry, digest, err);
    STL_AUTO_CLOSE int store = lock < 0 ? -1 : make_store_folder(repo->registry, digest, err);
    STL_AUTO_CLOSE int blobs = store < 0 ? -1 : stl_repo_enter_folder(repo, STL_REPO_BLOBS, err);
    const char *name = strrchr(stl_path_store(digest, path), '/') + 1;
    if (blobs < 0 || stl_temp_link(temp, store, name, err) < 0)
        return -1;
    if (link_if_allowed(repo, store, name, digest, size, err))
        return -1;
    return sync_names(repo, store, blobs, err);
}

int stl_repo_enter_blob(const struct stl_repo *repo, struct stl_temp *temp, const struct stl_digest *digest,
                        struct stl_error *err)
{
    char path[STL_PATH_MAX];
    int64_t size = 0;
    if (temp && check_room(repo, temp, &size, err))
        return -1;
    STL_AUTO_CLOSE int lock = stl_store_lock(repo->registry, digest, err);
    STL_AUTO_CLOSE int store = lock < 0 || !temp ? -1 : make_store_folder(repo->registry, digest, err);
    if (lock < 0 || (temp && store < 0))
        return -1;
    stl_path_store(digest, path);
    if (temp && stl_temp_link(temp, store, strrchr(path, '/') + 1, err) < 0)
        return -1;
    return link_from_store(repo, digest, err);
}

int stl_repo_sync_entered(const struct stl_repo *repo, const struct stl_digest *digests, size_t count,
                          struct stl_error *err)
{
    enum { FOLDERS = (STL_SHA512 + 1) * 256 };
    bool noted[STL_SHA512 + 1][256] = {0};
    STL_AUTO_FREE struct stl_sync *what = stl_alloc((FOLDERS + 1) * sizeof *what);
    STL_AUTO_FREE char(*paths)[STL_PATH_MAX] = stl_alloc(FOLDERS * sizeof *paths);
    size_t folders = 0;
    for (size_t i = 0; i < count; i++) {
        bool *done = &noted[digests[i].algorithm][digests[i].bytes[0]];
        if (*done)
            continue;
        *done = true;
        stl_path_store_directory(&digests[i], paths[folders]);
        what[folders] = (struct stl_sync){repo->registry->root.fd, paths[folders]};
        folders++;
    }
    what[folders] = (struct stl_sync){repo->fd, STL_REPO_BLOBS};
    return stl_sync_all(&repo->registry->root, what, folders + 1, err);
}

static int trash_blob(const struct stl_repo *repo, const struct stl_digest *digest, struct stl_error *err)
{
    while (stl_trash_blob(repo, digest, err))
        if (!stl_reserve_use(repo->registry, err))
            return -1;
    return 0;
}

/* Under the lock, no push can have found the blob here and be about to publish a manifest that needs it. */
int stl_repo_delete_blob(const struct stl_repo *repo, const struct stl_digest *digest, struct stl_error *err)
{
    char text[STL_DIGEST_TEXT_MAX];
    STL_AUTO_LOAN struct stl_reserve_loan loan = stl_reserve_borrow(repo->registry);
    STL_AUTO_CLOSE int content = stl_reserve_lock(repo->registry, STL_LOCK_CONTENT, &repo->name, 0, err);
    int found = content < 0 ? -1 : stl_repo_has_blob(repo, digest, NULL, err);
    if (found == 0)
        return stl_error_set(err, STL_BLOB_UNKNOWN, "repository %s has no blob %s", repo->name.text,
                             stl_digest_format(digest, text));
    if (found < 0)
        return -1;
    if (stl_may_lose(repo, digest, 1, err))
        return -1;
    if (trash_blob(repo, digest, err))
        return -1;
    if (stl_repo_sync_folder(repo, STL_REPO_BLOBS, err))
        return -1;
    stl_project_note_less(repo->registry, &repo->name);
    return 0;
}
