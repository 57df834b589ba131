/* A manifest of a commit that fails is taken back, unless somebody else has built on it meanwhile. */
#include "publication.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apache-file.h"
#include "publish-steps.h"
#include "references.h"
#include "referrers.h"
#include "reserve.h"

/* --- may it still be taken back? ------------------------------------------------------------------------ */

static bool is_own(const struct stl_repo *repo, const struct stl_publication_manifest *item, const char *path)
{
    struct stat there;
    return item->file >= 0 && fstatat(repo->fd, path, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
           item->written.st_ino == there.st_ino && item->written.st_dev == there.st_dev;
}

/* Opens the file of a manifest. Returns whether somebody else's commit that wrote it is still going on. */
static bool open_unsettled(const struct stl_repo *repo, const char *path, int *fd)
{
    *fd = openat(repo->fd, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    return *fd >= 0 && flock(*fd, LOCK_SH | LOCK_NB) && errno == EWOULDBLOCK;
}

bool stl_publish_is_settled(const struct stl_repo *repo, const struct stl_digest *digest)
{
    char target[STL_TARGET_MAX];
    struct stl_error ignored = STL_ERROR_INIT;
    struct stat st;
    STL_AUTO_CLOSE int fd = -1;
    return stl_manifest_target(repo, digest, target, &ignored) == 0 &&
           !open_unsettled(repo, target + strlen("../"), &fd) && fd >= 0 && fstat(fd, &st) == 0 &&
           st.st_nlink > 0;
}

int stl_publish_settle(const struct stl_repo *repo, const char *path,
                       const struct stl_publication_manifest *item, struct stl_error *err)
{
    struct stat st;
    STL_AUTO_CLOSE int fd = -1;
    if (item && is_own(repo, item, path))
        return 1;
    if (!open_unsettled(repo, path, &fd))
        return fd >= 0;
    if (fstat(fd, &st))
        return stl_error_errno(err, "cannot look at %s", path);
    const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = st.st_mtim.tv_sec + 1}};
    return futimens(fd, times) ? stl_error_errno(err, "cannot set the time of %s", path) : 1;
}

static bool was_settled(const struct stl_publication_manifest *item)
{
    struct stat st;
    return fstat(item->file, &st) || st.st_mtim.tv_sec != item->written.st_mtim.tv_sec ||
           st.st_mtim.tv_nsec != item->written.st_mtim.tv_nsec;
}

struct pointing {
    const struct stl_repo *repo;
    const char *digest;
};

static int points_there(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    const struct pointing *pointing = context;
    char path[STL_PATH_MAX], target[STL_TARGET_MAX];
    (void)type;
    (void)err;
    return stl_link_read(pointing->repo->fd, stl_path_reference(name, path), target, sizeof target) == 0 &&
           !strcmp(target, pointing->digest);
}

/* Returns true also if that cannot be found out. */
static bool has_tag(const struct stl_repo *repo, const char *digest)
{
    struct pointing pointing = {repo, digest};
    struct stl_error ignored = STL_ERROR_INIT;
    return stl_dir_each_file(repo->fd, STL_REPO_LINKS, points_there, &pointing, &ignored) != 0;
}

/* --- taking back ---------------------------------------------------------------------------------------- */

/* The names go first. */
static int remove_names(const struct stl_repo *repo, const struct stl_publication_manifest *item,
                        const char *digest, const char *wanted, struct stl_error *err)
{
    const struct stl_manifest *manifest = item->manifest;
    char path[STL_PATH_MAX], target[STL_TARGET_MAX];
    while (item->referrer &&
           stl_referrers_remove(&repo->registry->root, repo->fd, &manifest->subject, &manifest->digest, err))
        if (!stl_reserve_use(repo->registry, err))
            return -1;
    if (stl_link_read(repo->fd, stl_path_reference(digest, path), target, sizeof target))
        return errno == ENOENT ? 0 : stl_error_errno(err, "cannot read %s", path);
    if (strcmp(target, wanted))
        return stl_error_set(err, STL_CONFLICT, "%s leads elsewhere", path);
    if (stl_apache_file_remove(repo, digest, err) || stl_apache_files_sync(repo, err))
        return -1;
    if (unlinkat(repo->fd, path, 0))
        return stl_error_errno(err, "cannot remove %s", path);
    return stl_repo_sync_folder(repo, STL_REPO_LINKS, err);
}

/* What cannot be removed stays: it is complete, or `stillage verify --repair` completes it. */
static void take_back(const struct stl_repo *repo, const struct stl_publication_manifest *item)
{
    const struct stl_manifest *manifest = item->manifest;
    char wanted[STL_TARGET_MAX], digest[STL_DIGEST_TEXT_MAX];
    struct stl_error ignored = STL_ERROR_INIT;
    stl_manifest_format_target(&manifest->media_type, &manifest->digest, wanted);
    stl_digest_format(&manifest->digest, digest);
    char *path = wanted + strlen("../");
    if (item->file < 0 || item->retyped || !is_own(repo, item, path) || was_settled(item) ||
        has_tag(repo, digest) || remove_names(repo, item, digest, wanted, &ignored) ||
        unlinkat(repo->fd, path, 0))
        return;
    *strrchr(path, '/') = '\0';
    stl_repo_sync_folder(repo, path, &ignored);
}

void stl_publish_take_back(const struct stl_repo *repo, const struct stl_publication_manifest *manifests,
                           size_t count)
{
    struct stl_error ignored = STL_ERROR_INIT;
    size_t written = 0;
    for (size_t i = 0; i < count; i++)
        written += manifests[i].file >= 0;
    if (!written)
        return;
    STL_AUTO_LOAN struct stl_reserve_loan loan = stl_reserve_borrow(repo->registry);
    STL_AUTO_CLOSE int lists = stl_reserve_lock(repo->registry, STL_LOCK_LISTS, &repo->name, 0, &ignored);
    for (size_t i = lists < 0 ? 0 : count; i-- > 0;)
        take_back(repo, &manifests[i]);
}
