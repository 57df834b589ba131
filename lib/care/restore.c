#include "restore.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "contents.h"
#include "manifest-files.h"
#include "publish.h"
#include "trash.h"

static int read_file(const struct stl_restore *restore, const char *path, const char *type,
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
    if (read_file(restore, file->path, file->media_type.text, &file->digest, &bytes, &manifest, err)) {
        if (err->sys_errno != ENOENT)
            return -1;
        stl_error_clear(err);
        return 0;
    }
    stl_contents_add(&restore->contents, &manifest, never);
    return 0;
}

static bool has_manifest(const struct stl_repo *repo, const struct stl_digest *digest)
{
    struct stl_error ignored = STL_ERROR_INIT;
    struct stl_media_type type;
    return stl_manifest_type(repo, digest, &type, &ignored) == 0;
}

/* A child that neither the folder nor the repository has was missing before. What the repository has may be
 * what a restoring that was killed has left, not yet done or not yet durable. */
static int publish(struct stl_restore *restore, size_t number, const struct stl_tag *tag,
                   struct stl_error *err)
{
    const struct stl_digest *digest = &restore->contents.digests.items[number];
    const char *type = restore->contents.manifests[number].media_type;
    bool known = has_manifest(restore->repo, digest);
    const struct stl_publish how = {.tags = tag,
                                    .tag_count = tag ? 1 : 0,
                                    .allow_missing_children = true,
                                    .allow_missing_blobs =
                                        restore->repo->registry->settings.push.sparse_images,
                                    .repeated = known && !tag,
                                    .guard = restore->guard};
    STL_AUTO_BUF struct stl_buf bytes = STL_BUF_INIT;
    STL_AUTO_MANIFEST struct stl_manifest manifest = {0};
    char text[STL_DIGEST_TEXT_MAX];
    STL_AUTO_FREE char *path =
        stl_sprintf("%s/%s/%s", restore->folder, type, stl_digest_format(digest, text));
    if (read_file(restore, path, type, digest, &bytes, &manifest, err))
        return -1;
    int done = known ? stl_publish_is_done(restore->repo, &manifest, err) : 0;
    if (done > 0) {
        restore->found = true;
        return tag ? stl_publish_tags(restore->repo, digest, &how, err) : 0;
    }
    if (done < 0 || stl_publish_manifest(restore->repo, &manifest, bytes.data, &how, err))
        return -1;
    restore->restored.manifests += !known;
    return 0;
}

/* Children come before the index that lists them. No recursion: how deep they nest is not ours to say. A
 * digest cannot depend on itself, so each round finds something that is ready. */
static int publish_all(struct stl_restore *restore, bool *wanted, size_t last, struct stl_error *err)
{
    const struct stl_contents *contents = &restore->contents;
    for (bool progress = true; progress;) {
        progress = false;
        for (size_t i = 0; i < contents->digests.count; i++) {
            bool ready = wanted[i] && i != last;
            for (size_t k = 0; ready && k < contents->manifests[i].link_count; k++) {
                const struct stl_held_link *link = &contents->manifests[i].links[k];
                size_t child = link->child ? stl_contents_find(contents, &link->digest) : STL_NOT_HELD;
                ready = child == STL_NOT_HELD || !wanted[child];
            }
            if (!ready)
                continue;
            if (publish(restore, i, NULL, err))
                return -1;
            wanted[i] = false;
            progress = true;
        }
    }
    return 0;
}

/* The tag comes last, so that an image's signatures are there when it appears; but for an index that refers
 * to the image and lists it. */
static int publish_tree(struct stl_restore *restore, size_t root, const struct stl_tag *tag,
                        struct stl_error *err)
{
    STL_AUTO_FREE bool *wanted = stl_alloc(restore->contents.digests.count);
    wanted[root] = true;
    stl_contents_reach(&restore->contents, wanted, true);
    if (publish_all(restore, wanted, root, err) || publish(restore, root, tag, err))
        return -1;
    wanted[root] = false;
    return publish_all(restore, wanted, STL_NOT_HELD, err);
}

int stl_restore_publish(struct stl_restore *restore, const struct stl_digest *digest,
                        const struct stl_tag *tag, struct stl_error *err)
{
    const struct stl_publish how = {.tags = tag, .tag_count = 1, .guard = restore->guard};
    size_t root = stl_contents_find(&restore->contents, digest);
    char text[STL_DIGEST_TEXT_MAX];
    int result = 0;
    if (root != STL_NOT_HELD)
        result = publish_tree(restore, root, tag, err);
    else if (!has_manifest(restore->repo, digest))
        result = stl_error_set(err, STL_MANIFEST_UNKNOWN, "manifest %s of %s is nowhere any more",
                               stl_digest_format(digest, text), restore->repo->name.text);
    else if (tag)
        result = stl_publish_tags(restore->repo, digest, &how, err);
    restore->restored.tags += result == 0 && tag;
    return result;
}

int stl_restore_sync(const struct stl_restore *restore, struct stl_error *err)
{
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
    return 0;
}

void stl_restore_end(struct stl_restore *restore)
{
    stl_contents_clear(&restore->contents);
}
