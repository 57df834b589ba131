#include "trash.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "manifest-files.h"
#include "publish.h"

enum { MAKE_TRIES = 100 };

char *stl_trash_path(const char *kind, const struct stl_name *name, char path[STL_PATH_MAX])
{
    int length = snprintf(path, STL_PATH_MAX, "trash/%s/", kind);
    snprintf(path + length, STL_PATH_MAX - (size_t)length, "%s", name->text);
    stl_path_flatten(path + length);
    return path;
}

/* --- blobs ------------------------------------------------------------------------------------------------
 */

int stl_trash_blob(const struct stl_repo *repo, const struct stl_digest *digest, struct stl_error *err)
{
    const struct stl_root *root = &repo->registry->root;
    char folder[STL_PATH_MAX], text[STL_DIGEST_TEXT_MAX];
    STL_AUTO_FREE char *path = stl_sprintf("blobs/%s", stl_digest_format(digest, text));
    STL_AUTO_CLOSE int trash =
        stl_dir_make(root, root->fd, stl_trash_path("blobs", &repo->name, folder), err);
    if (trash < 0)
        return -1;
    /* Where both are links to one file, rename(2) leaves the old name. */
    if (renameat(repo->fd, path, trash, text) || (unlinkat(repo->fd, path, 0) && errno != ENOENT))
        return stl_error_errno(err, "cannot move %s of %s to the trash", path, repo->name.text);
    return 0;
}

int stl_trash_recall_blob(const struct stl_repo *repo, const struct stl_digest *digest, struct stl_error *err)
{
    char folder[STL_PATH_MAX], text[STL_DIGEST_TEXT_MAX];
    STL_AUTO_FREE char *from =
        stl_sprintf("%s/%s", stl_trash_path("blobs", &repo->name, folder), stl_digest_format(digest, text));
    STL_AUTO_CLOSE int blobs = stl_dir_open(repo->fd, "blobs", err);
    if (blobs < 0 && err->sys_errno == ENOENT)
        return stl_error_set(err, STL_NAME_UNKNOWN, "repository '%s' was deleted meanwhile", repo->name.text);
    if (blobs < 0)
        return -1;
    if (renameat(repo->registry->root.fd, from, blobs, text)) {
        if (errno != ENOENT)
            return stl_error_errno(err, "cannot bring %s back from the trash", from);
        return faccessat(blobs, text, F_OK, AT_SYMLINK_NOFOLLOW) ? 0 : 1; /* another push was faster */
    }
    return stl_dir_sync(blobs, err) ? -1 : 1;
}

/* --- tags and manifests -----------------------------------------------------------------------------------
 */

/* Puts something into a folder of the trash, made if need be. Emptying the trash may remove the folder in
 * between. */
static int put(const struct stl_repo *repo, const char *folder, int (*put_into)(void *context, int directory),
               void *context, struct stl_error *err)
{
    const struct stl_root *root = &repo->registry->root;
    for (int tries = 0;; tries++) {
        STL_AUTO_CLOSE int directory = stl_dir_make(root, root->fd, folder, err);
        if (directory >= 0 && put_into(context, directory) == 0)
            return stl_dir_sync(directory, err);
        bool vanished = directory < 0 ? err->sys_errno == ENOENT : errno == ENOENT;
        if (!vanished || tries == MAKE_TRIES)
            return directory < 0 ? -1 : stl_error_errno(err, "cannot move something to %s", folder);
        stl_error_clear(err);
    }
}

struct tag_link {
    const char *tag, *digest;
};

static int put_tag(void *context, int directory)
{
    const struct tag_link *link = context;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    STL_AUTO_FREE char *name =
        stl_sprintf("%s@%lld.%06ld", link->tag, (long long)now.tv_sec, now.tv_nsec / 1000);
    return symlinkat(link->digest, directory, name);
}

int stl_trash_tag(const struct stl_repo *repo, const char *tag, const char *digest, struct stl_error *err)
{
    struct tag_link link = {tag, digest};
    char folder[STL_PATH_MAX];
    if (!repo->registry->settings.retention.trash)
        return 0;
    return put(repo, stl_trash_path("tags", &repo->name, folder), put_tag, &link, err);
}

struct manifest_file {
    const struct stl_repo *repo;
    const char *path, *name;
};

static int put_manifest(void *context, int directory)
{
    const struct manifest_file *file = context;
    if (faccessat(file->repo->fd, file->path, F_OK, AT_SYMLINK_NOFOLLOW))
        return errno == ENOENT ? 0 : -1; /* an earlier try, that was killed, has done it */
    if (utimensat(file->repo->fd, file->path, NULL, AT_SYMLINK_NOFOLLOW))
        return -1;
    return renameat(file->repo->fd, file->path, directory, file->name);
}

int stl_trash_manifest(const struct stl_repo *repo, const struct stl_media_type *type,
                       const struct stl_digest *digest, struct stl_error *err)
{
    char folder[STL_PATH_MAX], text[STL_DIGEST_TEXT_MAX];
    stl_digest_format(digest, text);
    STL_AUTO_FREE char *path = stl_sprintf("_manifests/%s/%s", type->text, text);
    STL_AUTO_FREE char *full =
        stl_sprintf("%s/%s", stl_trash_path("manifests", &repo->name, folder), type->text);
    struct manifest_file file = {repo, path, text};
    if (repo->registry->settings.retention.trash)
        return put(repo, full, put_manifest, &file, err);
    return unlinkat(repo->fd, path, 0) && errno != ENOENT ? stl_error_errno(err, "cannot remove %s", path)
                                                          : 0;
}

/* --- whole repositories -----------------------------------------------------------------------------------
 */

static int visit_link(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    const struct stl_repo *repo = context;
    struct stl_error ignored = STL_ERROR_INIT;
    struct stl_digest digest;
    struct stl_tag tag;
    char text[STL_DIGEST_TEXT_MAX];
    (void)type;
    if (stl_tag_parse(name, &tag, &ignored) || stl_tag_resolve(repo, &tag, &digest, &ignored))
        return 0;
    return stl_trash_tag(repo, name, stl_digest_format(&digest, text), err);
}

static int each(const struct stl_repo *repo, const char *folder, stl_dir_visit *visit, struct stl_error *err)
{
    return stl_dir_each_if_any(repo->fd, folder, visit, (void *)repo, err);
}

int stl_trash_tags(const struct stl_repo *repo, struct stl_error *err)
{
    return repo->registry->settings.retention.trash ? each(repo, "manifests", visit_link, err) : 0;
}

static int visit_manifest(void *context, const struct stl_manifest_file *file, struct stl_error *err)
{
    return stl_trash_manifest(context, &file->media_type, &file->digest, err);
}

static int visit_blob(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    struct stl_error ignored = STL_ERROR_INIT;
    struct stl_digest digest;
    (void)type;
    return stl_digest_parse(name, &digest, &ignored) ? 0 : stl_trash_blob(context, &digest, err);
}

int stl_trash_manifests(const struct stl_repo *repo, struct stl_error *err)
{
    return stl_manifest_files_each(repo->fd, "_manifests", visit_manifest, (void *)repo, err);
}

/* Blobs go to the trash in any case: a snapshot may need them. Garbage collection decides. */
int stl_trash_content(const struct stl_repo *repo, struct stl_error *err)
{
    if (stl_trash_manifests(repo, err))
        return -1;
    return each(repo, "blobs", visit_blob, err);
}
