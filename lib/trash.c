#include "trash.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

char *stl_trash_path(const char *kind, const struct stl_name *name, char path[STL_PATH_MAX])
{
    int length = snprintf(path, STL_PATH_MAX, "trash/%s/", kind);
    snprintf(path + length, STL_PATH_MAX - (size_t)length, "%s", name->text);
    stl_path_flatten(path + length);
    return path;
}

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
    if (blobs < 0)
        return -1;
    if (renameat(repo->registry->root.fd, from, blobs, text)) {
        if (errno != ENOENT)
            return stl_error_errno(err, "cannot bring %s back from the trash", from);
        return faccessat(blobs, text, F_OK, AT_SYMLINK_NOFOLLOW) ? 0 : 1; /* another push was faster */
    }
    return stl_dir_sync(blobs, err) ? -1 : 1;
}
