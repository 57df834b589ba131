#include "recovery.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "manifest-files.h"
#include "references.h"
#include "trash.h"

/* --- a repository --------------------------------------------------------------------------------------- */

/* Whether a deletion was killed here: tags/ is gone, but not everything that it led to. When a repository is
 * made, all other folders are made before tags/, and are still empty. */
static bool has_remains(const struct stl_repo *repo)
{
    return faccessat(repo->fd, STL_REPO_TAGS, F_OK, AT_SYMLINK_NOFOLLOW) &&
           (!stl_dir_has_no_file(repo->fd, STL_REPO_LINKS) ||
            !stl_dir_is_empty(repo->fd, STL_REPO_MANIFESTS));
}

/* Deleted content must not reappear with a new push. Its tags are in the trash already; its blobs are left to
 * garbage collection. */
static int bury_remains(const struct stl_repo *repo, struct stl_error *err)
{
    static const char *const links[] = {STL_REPO_REFS, STL_REPO_REFERRERS, STL_REPO_LINKS};
    for (size_t i = 0; i < sizeof links / sizeof *links; i++)
        if (stl_repo_remove_folder(repo, links[i], err))
            return -1;
    if (stl_dir_sync(repo->fd, err))
        return -1;
    if (stl_trash_manifests(repo, err))
        return -1;
    if (stl_repo_remove_folder(repo, STL_REPO_MANIFESTS, err))
        return -1;
    return 0;
}

int stl_recover_repository(const struct stl_repo *repo, struct stl_error *err)
{
    if (!has_remains(repo))
        return 0;
    STL_AUTO_CLOSE int lists = stl_registry_lock(repo->registry, STL_LOCK_LISTS, &repo->name, true, err);
    return lists < 0 || (has_remains(repo) && bury_remains(repo, err)) ? -1 : 0;
}

/* --- manifests ------------------------------------------------------------------------------------------ */

struct finishing {
    const struct stl_repo *repo;
    bool dry_run;
    int found;
};

static int finish(void *context, const struct stl_trash_item *item, struct stl_error *err)
{
    struct finishing *finishing = context;
    const struct stl_repo *repo = finishing->repo;
    char text[STL_DIGEST_TEXT_MAX];
    struct stat trashed, left;
    stl_digest_format(&item->digest, text);
    char path[STL_PATH_MAX];
    stl_path_manifest(item->media_type.text, &item->digest, path);
    char link[STL_PATH_MAX];
    stl_path_reference(text, link);
    if (item->tag.text[0] || fstatat(repo->fd, path, &left, AT_SYMLINK_NOFOLLOW) ||
        fstatat(repo->registry->root.fd, item->path, &trashed, AT_SYMLINK_NOFOLLOW) ||
        left.st_ino != trashed.st_ino || faccessat(repo->fd, link, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        return 0;
    finishing->found++;
    if (!finishing->dry_run && unlinkat(repo->fd, path, 0) && errno != ENOENT)
        return stl_error_errno(err, "cannot remove %s", path);
    return 0;
}

int stl_recover_manifests(const struct stl_repo *repo, bool dry_run, struct stl_error *err)
{
    struct finishing finishing = {repo, dry_run, 0};
    return stl_trash_each(repo->registry, &repo->name, finish, &finishing, err) ? -1 : finishing.found;
}

static int trash_file(void *context, const struct stl_manifest_file *file, struct stl_error *err)
{
    return stl_trash_manifest(context, &file->media_type, &file->digest, err);
}

void stl_recover_manifest(const struct stl_repo *repo, const struct stl_digest *digest)
{
    struct stl_error ignored = STL_ERROR_INIT;
    char target[STL_TARGET_MAX];
    if (stl_manifest_target(repo, digest, target, &ignored) && ignored.code == STL_MANIFEST_UNKNOWN)
        stl_manifest_files_of(repo->fd, STL_REPO_MANIFESTS, digest, trash_file, (void *)repo, &ignored);
}
