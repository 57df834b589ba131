#include "trash.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "contents.h"
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

/* --- blobs ---------------------------------------------------------------------------------------------- */

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

/* --- tags and manifests --------------------------------------------------------------------------------- */

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

struct tags {
    const struct stl_tagging *set;
    size_t count;
};

static int put_tags(void *context, int directory)
{
    const struct tags *tags = context;
    for (size_t i = 0; i < tags->count; i++) {
        char text[STL_DIGEST_TEXT_MAX];
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        STL_AUTO_FREE char *name =
            stl_sprintf("%s@%lld.%06ld", tags->set[i].tag.text, (long long)now.tv_sec, now.tv_nsec / 1000);
        if (symlinkat(stl_digest_format(&tags->set[i].digest, text), directory, name))
            return -1;
    }
    return 0;
}

int stl_trash_tags(const struct stl_repo *repo, const struct stl_tagging *set, size_t count,
                   struct stl_error *err)
{
    struct tags tags = {set, count};
    char folder[STL_PATH_MAX];
    if (count == 0 || !repo->registry->settings.retention.trash)
        return 0;
    return put(repo, stl_trash_path("tags", &repo->name, folder), put_tags, &tags, err);
}

struct manifest_file {
    const struct stl_repo *repo;
    const char *path, *name;
};

/* Where both are links to one file, rename(2) leaves the old name. */
static int put_manifest(void *context, int directory)
{
    const struct manifest_file *file = context;
    if (faccessat(file->repo->fd, file->path, F_OK, AT_SYMLINK_NOFOLLOW))
        return errno == ENOENT ? 0 : -1; /* an earlier try, that was killed, has done it */
    if (utimensat(file->repo->fd, file->path, NULL, AT_SYMLINK_NOFOLLOW) ||
        renameat(file->repo->fd, file->path, directory, file->name))
        return -1;
    return unlinkat(file->repo->fd, file->path, 0) && errno != ENOENT ? -1 : 0;
}

static int link_manifest(void *context, int directory)
{
    const struct manifest_file *file = context;
    if (utimensat(file->repo->fd, file->path, NULL, AT_SYMLINK_NOFOLLOW) ||
        (unlinkat(directory, file->name, 0) && errno != ENOENT)) /* of an earlier deletion */
        return -1;
    return linkat(file->repo->fd, file->path, directory, file->name, 0);
}

static int with_manifest(const struct stl_repo *repo, const struct stl_media_type *type,
                         const struct stl_digest *digest, int (*put_into)(void *context, int directory),
                         struct stl_error *err)
{
    char folder[STL_PATH_MAX], text[STL_DIGEST_TEXT_MAX];
    stl_digest_format(digest, text);
    STL_AUTO_FREE char *path = stl_sprintf("_manifests/%s/%s", type->text, text);
    STL_AUTO_FREE char *full =
        stl_sprintf("%s/%s", stl_trash_path("manifests", &repo->name, folder), type->text);
    struct manifest_file file = {repo, path, text};
    if (repo->registry->settings.retention.trash)
        return put(repo, full, put_into, &file, err);
    if (put_into == put_manifest && unlinkat(repo->fd, path, 0) && errno != ENOENT)
        return stl_error_errno(err, "cannot remove %s", path);
    return 0;
}

int stl_trash_doom_manifest(const struct stl_repo *repo, const struct stl_media_type *type,
                            const struct stl_digest *digest, struct stl_error *err)
{
    return with_manifest(repo, type, digest, link_manifest, err);
}

int stl_trash_manifest(const struct stl_repo *repo, const struct stl_media_type *type,
                       const struct stl_digest *digest, struct stl_error *err)
{
    return with_manifest(repo, type, digest, put_manifest, err);
}

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
    STL_AUTO_FREE char *path = stl_sprintf("_manifests/%s/%s", item->media_type.text, text);
    STL_AUTO_FREE char *link = stl_sprintf("manifests/%s", text);
    if (item->tag.text[0] || fstatat(repo->fd, path, &left, AT_SYMLINK_NOFOLLOW) ||
        fstatat(repo->registry->root.fd, item->path, &trashed, AT_SYMLINK_NOFOLLOW) ||
        left.st_ino != trashed.st_ino || faccessat(repo->fd, link, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        return 0;
    finishing->found++;
    if (!finishing->dry_run && unlinkat(repo->fd, path, 0) && errno != ENOENT)
        return stl_error_errno(err, "cannot remove %s", path);
    return 0;
}

int stl_trash_finish(const struct stl_repo *repo, bool dry_run, struct stl_error *err)
{
    struct finishing finishing = {repo, dry_run, 0};
    return stl_trash_each(repo->registry, &repo->name, finish, &finishing, err) ? -1 : finishing.found;
}

/* --- whole repositories --------------------------------------------------------------------------------- */

struct found_tags {
    const struct stl_repo *repo;
    struct stl_tagging *set;
    size_t count;
};

static int find_tag(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    struct found_tags *found = context;
    struct stl_error ignored = STL_ERROR_INIT;
    struct stl_tagging tagging = {.repeated = false};
    (void)type;
    (void)err;
    if (stl_tag_parse(name, &tagging.tag, &ignored) ||
        stl_tag_resolve(found->repo, &tagging.tag, &tagging.digest, &ignored))
        return 0;
    stl_grow(found->set, found->count);
    found->set[found->count++] = tagging;
    return 0;
}

static int each(const struct stl_repo *repo, const char *folder, stl_dir_visit *visit, struct stl_error *err)
{
    return stl_dir_each_if_any(repo->fd, folder, visit, (void *)repo, err);
}

int stl_trash_all_tags(const struct stl_repo *repo, struct stl_error *err)
{
    struct found_tags found = {.repo = repo};
    int result = stl_dir_each_if_any(repo->fd, "manifests", find_tag, &found, err);
    STL_AUTO_FREE struct stl_tagging *set = found.set;
    return result || stl_trash_tags(repo, set, found.count, err) ? -1 : 0;
}

struct content {
    const struct stl_repo *repo;
    struct stl_contents held;
};

static void content_clear(struct content *content)
{
    stl_contents_clear(&content->held);
}

/* A damaged manifest goes as well, after all others. */
static int hold_manifest(void *context, const struct stl_manifest_file *file, struct stl_error *err)
{
    struct content *content = context;
    const struct timespec never = {0, 0};
    STL_AUTO_BUF struct stl_buf bytes = STL_BUF_INIT;
    STL_AUTO_MANIFEST struct stl_manifest manifest = {0};
    if (stl_file_read(content->repo->fd, file->path, false, &bytes, err) == 0 &&
        stl_manifest_parse(&manifest, bytes.data ? bytes.data : "", bytes.length, file->media_type.text,
                           file->digest.algorithm, err) == 0)
        stl_contents_add(&content->held, &manifest, never);
    stl_error_clear(err);
    return 0;
}

static int trash_held(const struct content *content, struct stl_error *err)
{
    const struct stl_contents *held = &content->held;
    STL_AUTO_FREE bool *all = stl_alloc(held->digests.count);
    STL_AUTO_FREE size_t *order = stl_alloc(held->digests.count * sizeof *order);
    memset(all, true, held->digests.count);
    size_t count = stl_contents_order(held, all, order);
    for (size_t i = 0; i < count; i++) {
        struct stl_media_type type;
        if (stl_media_type_parse(held->manifests[order[i]].media_type, &type, err) ||
            stl_trash_manifest(content->repo, &type, &held->digests.items[order[i]], err))
            return -1;
    }
    return 0;
}

static int visit_manifest(void *context, const struct stl_manifest_file *file, struct stl_error *err)
{
    const struct content *content = context;
    return stl_trash_manifest(content->repo, &file->media_type, &file->digest, err);
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
    __attribute__((cleanup(content_clear))) struct content content = {.repo = repo};
    return stl_manifest_files_each(repo->fd, "_manifests", hold_manifest, &content, err) ||
                   trash_held(&content, err) ||
                   stl_manifest_files_each(repo->fd, "_manifests", visit_manifest, &content, err)
               ? -1
               : 0;
}

/* Blobs go to the trash in any case: a snapshot may need them. Garbage collection decides. */
int stl_trash_content(const struct stl_repo *repo, struct stl_error *err)
{
    if (stl_trash_manifests(repo, err))
        return -1;
    return each(repo, "blobs", visit_blob, err);
}
