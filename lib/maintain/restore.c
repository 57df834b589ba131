#include "restore.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "manifest-files.h"
#include "publication.h"
#include "references.h"
#include "repo-contents.h"
#include "trash.h"

static int read_copy(const struct stl_restore *restore, const char *path, const char *type,
                     const struct stl_digest *digest, struct stl_buf *bytes, struct stl_manifest *manifest,
                     struct stl_error *err)
{
    if (stl_file_read(restore->repo->registry->root.fd, path, false, bytes, err) ||
        stl_manifest_parse(manifest, bytes->data ? bytes->data : "", bytes->length, type, digest->algorithm,
                           err))
        return -1;
    if (stl_digest_equal(&manifest->digest, digest))
        return 0;
    return stl_error_set(err, STL_DAMAGED, "%s is damaged", path);
}

static int add_file(void *context, const struct stl_manifest_file *file, struct stl_error *err)
{
    struct stl_restore *restore = context;
    const struct timespec never = {0, 0};
    STL_AUTO_BUF struct stl_buf bytes = STL_BUF_INIT;
    STL_AUTO_MANIFEST struct stl_manifest manifest = {0};
    if (read_copy(restore, file->path, file->media_type.text, &file->digest, &bytes, &manifest, err)) {
        if (err->sys_errno != ENOENT)
            return -1;
        stl_error_clear(err);
        return 0;
    }
    stl_contents_add(&restore->contents, &manifest, never);
    return 0;
}

/* A child that neither the folder nor the repository has was missing before. What the repository has may be
 * left from a killed restore, incomplete or not yet durable. */
static int publish(struct stl_restore *restore, size_t number, struct stl_error *err)
{
    const struct stl_digest *digest = &restore->contents.digests.items[number];
    const char *type = restore->contents.manifests[number].media_type;
    bool known = stl_manifest_exists(restore->repo, digest);
    STL_AUTO_PUBLICATION struct stl_publication publication = STL_PUBLICATION_INIT;
    STL_AUTO_BUF struct stl_buf bytes = STL_BUF_INIT;
    STL_AUTO_MANIFEST struct stl_manifest manifest = {0};
    char text[STL_DIGEST_TEXT_MAX];
    STL_AUTO_FREE char *path =
        stl_sprintf("%s/%s/%s", restore->folder, type, stl_digest_format(digest, text));
    if (read_copy(restore, path, type, digest, &bytes, &manifest, err))
        return -1;
    int done = known ? stl_publication_is_done(restore->repo, &manifest, err) : 0;
    if (done > 0) {
        restore->found = true;
        return 0;
    }
    stl_publication_begin(&publication, restore->repo);
    publication.allow_missing_children = true;
    publication.allow_missing_blobs =
        stl_settings_sparse_images(&restore->repo->registry->settings, restore->repo->name.text);
    stl_publication_add_manifest(&publication, &manifest, bytes.data, known);
    if (done < 0 || stl_publication_commit(&publication, err))
        return -1;
    restore->restored.manifests += !known;
    return 0;
}

int stl_restore_want(struct stl_restore *restore, const struct stl_digest *digest, struct stl_error *err)
{
    size_t number = stl_contents_find(&restore->contents, digest);
    char text[STL_DIGEST_TEXT_MAX];
    if (number != STL_NOT_HELD)
        restore->wanted[number] = true;
    else if (!stl_manifest_exists(restore->repo, digest))
        return stl_error_set(err, STL_MANIFEST_UNKNOWN, "manifest %s of %s no longer exists anywhere",
                             stl_digest_format(digest, text), restore->repo->name.text);
    return 0;
}

/* Children come before the index that lists them. */
int stl_restore_publish(struct stl_restore *restore, struct stl_error *err)
{
    STL_AUTO_FREE size_t *order = stl_alloc(restore->contents.digests.count * sizeof *order);
    stl_contents_reach(&restore->contents, restore->wanted, true);
    for (size_t i = stl_contents_order(&restore->contents, restore->wanted, order); i-- > 0;)
        if (publish(restore, order[i], err))
            return -1;
    if (restore->found && syncfs(restore->repo->fd))
        return stl_error_errno(err, "cannot sync repository %s", restore->repo->name.text);
    return 0;
}

int stl_restore_begin(struct stl_restore *restore, const struct stl_repo *repo, const char *folder,
                      struct stl_error *err)
{
    *restore = (struct stl_restore){.repo = repo, .folder = folder};
    if (stl_manifest_files_each(repo->registry->root.fd, folder, add_file, restore, err)) {
        stl_restore_end(restore);
        return -1;
    }
    stl_contents_finish(&restore->contents);
    restore->wanted = stl_alloc(restore->contents.digests.count);
    return 0;
}

void stl_restore_end(struct stl_restore *restore)
{
    stl_contents_clear(&restore->contents);
    free(restore->wanted);
}
