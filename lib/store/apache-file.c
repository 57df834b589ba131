#include "apache-file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* A tag has the same line as its digest, so its file is a hard link to that of the digest, if possible: that
 * file may have too many links or belong to another account. */
int stl_apache_file_put(const struct stl_repo *repo, const char *reference, const struct stl_media_type *type,
                        const struct stl_digest *digest, struct stl_error *err)
{
    char text[STL_DIGEST_TEXT_MAX];
    const struct stl_root *root = &repo->registry->root;
    if (!repo->registry->settings.apache)
        return 0;
    STL_AUTO_CLOSE int directory = stl_dir_make(root, repo->fd, STL_REPO_REFS, err);
    if (directory < 0)
        return -1;
    STL_AUTO_FREE char *line = stl_sprintf("%s %s\n", type->text, stl_digest_format(digest, text));
    STL_AUTO_BUF struct stl_buf old = {.ceiling = 1024};
    struct stl_error ignored = STL_ERROR_INIT;
    if (stl_file_read(directory, reference, false, &old, &ignored) == 0 && old.data &&
        !strcmp(old.data, line))
        return 0;
    if (!strcmp(reference, text))
        return stl_file_put(root, directory, reference, line, strlen(line), err);
    if (stl_apache_file_put(repo, text, type, digest, err))
        return -1;
    if (stl_file_link(root, directory, text, reference, err) == 0)
        return 0;
    stl_error_clear(err);
    return stl_file_put(root, directory, reference, line, strlen(line), err);
}

int stl_apache_file_remove(const struct stl_repo *repo, const char *reference, struct stl_error *err)
{
    char path[STL_PATH_MAX];
    snprintf(path, sizeof path, STL_REPO_REFS "/%s", reference);
    return unlinkat(repo->fd, path, 0) && errno != ENOENT ? stl_error_errno(err, "cannot remove %s", path)
                                                          : 0;
}

int stl_apache_files_sync(const struct stl_repo *repo, struct stl_error *err)
{
    return repo->registry->settings.apache ? stl_repo_sync_folder(repo, STL_REPO_REFS, err) : 0;
}
