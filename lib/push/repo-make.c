#include "repo-make.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access.h"
#include "consent.h"
#include "nesting.h"
#include "recovery.h"

enum { MAKE_TRIES = 100 };

static int fill(struct stl_repo *repo, struct stl_error *err)
{
    if (repo->fd >= 0 && stl_recover_repository(repo, err))
        stl_repo_close(repo);
    for (size_t i = 0; i < STL_REPO_FOLDERS && repo->fd >= 0; i++) {
        if (stl_repo_folders[i].optional)
            continue;
        STL_AUTO_CLOSE int folder =
            stl_dir_make(&repo->registry->root, repo->fd, stl_repo_folders[i].name, err);
        if (folder < 0)
            stl_repo_close(repo);
    }
    return repo->fd < 0 ? -1 : 0;
}

/* Parents that held nothing else may be removed meanwhile: then the caller starts again. `from`: the outer
 * repositories up to this one are locked (stl_nesting_next). */
static int make_folders(struct stl_repo *repo, const char *from, struct stl_error *err)
{
    const struct stl_root *root = &repo->registry->root;
    char path[STL_PATH_MAX];
    struct stl_name outer;
    const char *next = stl_nesting_next(&repo->name, from, &outer);
    if (next) {
        STL_AUTO_CLOSE int lists = stl_registry_lock(repo->registry, STL_LOCK_LISTS, &outer, true, err);
        return lists < 0 ? -1 : make_folders(repo, next, err);
    }
    STL_AUTO_CLOSE int quota = -1;
    if (stl_nesting_check_name(repo->registry, &repo->name, err) ||
        stl_may_make_repository(repo->registry, &repo->name, &quota, err))
        return -1;
    repo->fd = stl_dir_make(root, root->fd, stl_path_repository(&repo->name, path), err);
    return fill(repo, err);
}

/* Keeps garbage collection from removing it while it is empty. */
static int lock_repository(struct stl_repo *repo, struct stl_error *err)
{
    repo->lock = stl_registry_lock(repo->registry, STL_LOCK_REPOSITORY, &repo->name, false, err);
    return repo->lock < 0 ? -1 : 0;
}

/* The list is made after all of them, and removed before any of them. */
static bool has_folders(const struct stl_repo *repo)
{
    struct statx list;
    struct stat st;
    if (statx(repo->fd, STL_REPO_TAG_LIST, AT_SYMLINK_NOFOLLOW | AT_STATX_DONT_SYNC, STATX_TYPE, &list) ==
            0 &&
        S_ISREG(list.stx_mode))
        return true;
    for (size_t i = 0; i < STL_REPO_FOLDERS; i++)
        if (!stl_repo_folders[i].optional &&
            (fstatat(repo->fd, stl_repo_folders[i].name, &st, AT_SYMLINK_NOFOLLOW) ||
             !stl_dir_is_durable(&st)))
            return false;
    return true;
}

/* Opens it, with the lock, if all of it is there already. Returns 1, 0 if it is not, or -1. */
static int open_if_whole(struct stl_repo *repo, struct stl_error *err)
{
    struct stat st;
    int found = stl_repo_open_folder(repo, repo->registry, &repo->name, err);
    if (found > 0)
        found = fstat(repo->fd, &st) == 0 && stl_dir_is_durable(&st);
    if (found > 0)
        found = lock_repository(repo, err) ? -1 : has_folders(repo);
    if (found <= 0)
        stl_repo_close(repo);
    return found;
}

/* The same after making what is missing. If garbage collection was faster than the lock, it may have removed
 * some of the folders that we had just made. */
static int make_whole(struct stl_repo *repo, struct stl_error *err)
{
    if (make_folders(repo, NULL, err) == 0 && lock_repository(repo, err) == 0 &&
        (has_folders(repo) || fill(repo, err) == 0))
        return 0;
    stl_repo_close(repo);
    return -1;
}

int stl_repo_make(struct stl_repo *repo, const struct stl_registry *registry, const struct stl_name *name,
                  struct stl_error *err)
{
    for (int tries = 0;; tries++) {
        *repo = (struct stl_repo){registry, *name, -1, -1, NULL};
        int opened = open_if_whole(repo, err);
        if (opened > 0 || (opened == 0 && make_whole(repo, err) == 0))
            break;
        if (opened < 0 || err->sys_errno != ENOENT || tries == MAKE_TRIES)
            return -1;
        stl_error_clear(err);
    }
    if (stl_access_mark(registry, name, err))
        stl_repo_close(repo);
    return repo->fd < 0 ? -1 : 0;
}
