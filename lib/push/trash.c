#include "trash.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "consent.h"
#include "manifest-files.h"
#include "nesting.h"
#include "references.h"
#include "repo-contents.h"
#include "reserve.h"

enum { MAKE_TRIES = 100 };

/* --- blobs ---------------------------------------------------------------------------------------------- */

int stl_trash_blob(const struct stl_repo *repo, const struct stl_digest *digest, struct stl_error *err)
{
    const struct stl_root *root = &repo->registry->root;
    char folder[STL_PATH_MAX], text[STL_DIGEST_TEXT_MAX];
    STL_AUTO_FREE char *path = stl_sprintf(STL_REPO_BLOBS "/%s", stl_digest_format(digest, text));
    STL_AUTO_CLOSE int trash =
        stl_dir_make(root, root->fd, stl_path_flat(STL_TRASH_BLOBS, &repo->name, folder), err);
    if (trash < 0)
        return -1;
    /* If both are links to one file, rename(2) keeps the old name. */
    if (renameat(repo->fd, path, trash, text) || (unlinkat(repo->fd, path, 0) && errno != ENOENT))
        return stl_error_errno(err, "cannot move %s of %s to the trash", path, repo->name.text);
    return 0;
}

int stl_trash_recall_blob(const struct stl_repo *repo, const struct stl_digest *digest, struct stl_error *err)
{
    char folder[STL_PATH_MAX], text[STL_DIGEST_TEXT_MAX];
    STL_AUTO_FREE char *from = stl_sprintf("%s/%s", stl_path_flat(STL_TRASH_BLOBS, &repo->name, folder),
                                           stl_digest_format(digest, text));
    STL_AUTO_CLOSE int blobs = stl_repo_enter_folder(repo, STL_REPO_BLOBS, err);
    if (blobs < 0)
        return -1;
    STL_AUTO_CLOSE int quota = -1;
    struct stat st;
    if (fstatat(repo->registry->root.fd, from, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
        stl_may_hold_blob(repo, digest, st.st_size, &quota, err))
        return -1;
    if (renameat(repo->registry->root.fd, from, blobs, text)) {
        if (errno != ENOENT)
            return stl_error_errno(err, "cannot bring %s back from the trash", from);
        return faccessat(blobs, text, F_OK, AT_SYMLINK_NOFOLLOW) ? 0 : 1; /* another push brought it back
                                                                             first */
    }
    return 1;
}

/* --- tags and manifests --------------------------------------------------------------------------------- */

/* Puts something into a folder of the trash, which is made if it does not exist. Emptying the trash may
 * remove the folder in between. */
static int put_into_trash(const struct stl_repo *repo, const char *folder,
                          int (*put_into)(void *context, int directory), void *context, struct stl_error *err)
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

/* The same on a disk that may be full: returns 1, 0 if there is no space, or -1. */
static int put_if_there_is_room(const struct stl_repo *repo, const char *folder,
                                int (*put_into)(void *context, int directory), void *context,
                                struct stl_error *err)
{
    while (put_into_trash(repo, folder, put_into, context, err)) {
        if (err->code != STL_NO_SPACE)
            return -1;
        if (!stl_reserve_spare(repo->registry, err)) {
            stl_error_clear(err);
            return 0;
        }
    }
    return 1;
}

static void tell_not_kept(const struct stl_repo *repo)
{
    if (!repo->registry->notice)
        return;
    STL_AUTO_FREE char *text =
        stl_sprintf("%s: the disk is full, so what is deleted does not go to the trash", repo->name.text);
    repo->registry->notice(text);
}

struct tags {
    const struct stl_repo *repo;
    const struct stl_tagging *set;
    size_t count, done; /* so many, from the first on, are in the trash */
    bool move;          /* move them; otherwise give them a second name */
};

/* If a link cannot have two names, the trash gets a copy of it. */
static int put_tag(const struct tags *tags, const struct stl_tagging *tagging, int directory)
{
    char text[STL_DIGEST_TEXT_MAX];
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    char link[STL_PATH_MAX];
    stl_path_reference(tagging->tag.text, link);
    STL_AUTO_FREE char *name =
        stl_sprintf("%s@%lld.%06ld", tagging->tag.text, (long long)now.tv_sec, now.tv_nsec / 1000);
    if (tags->move)
        return renameat(tags->repo->fd, link, directory, name);
    if (linkat(tags->repo->fd, link, directory, name, 0) == 0)
        return 0;
    return errno == ENOSPC || errno == EDQUOT
               ? -1
               : symlinkat(stl_digest_format(&tagging->digest, text), directory, name);
}

static int put_tags(void *context, int directory)
{
    struct tags *tags = context;
    for (; tags->done < tags->count; tags->done++)
        if (put_tag(tags, &tags->set[tags->done], directory))
            return -1;
    return 0;
}

static int put_all_tags(struct tags *tags, struct stl_error *err)
{
    char folder[STL_PATH_MAX];
    const struct stl_repo *repo = tags->repo;
    if (tags->count == 0 || !repo->registry->settings.retention.trash)
        return 0;
    int kept =
        put_if_there_is_room(repo, stl_path_flat(STL_TRASH_TAGS, &repo->name, folder), put_tags, tags, err);
    if (kept == 0)
        tell_not_kept(repo);
    return kept < 0 ? -1 : 0;
}

int stl_trash_note_tags(const struct stl_repo *repo, const struct stl_tagging *set, size_t count,
                        struct stl_error *err)
{
    struct tags tags = {.repo = repo, .set = set, .count = count};
    return put_all_tags(&tags, err);
}

int stl_trash_tags(const struct stl_repo *repo, const struct stl_tagging *set, size_t count,
                   struct stl_error *err)
{
    struct tags tags = {.repo = repo, .set = set, .count = count, .move = true};
    if (put_all_tags(&tags, err))
        return -1;
    for (; tags.done < count; tags.done++) {
        char link[STL_PATH_MAX];
        stl_path_reference(set[tags.done].tag.text, link);
        if (unlinkat(repo->fd, link, 0) && errno != ENOENT)
            return stl_error_errno(err, "cannot remove %s", link);
    }
    return 0;
}

struct manifest_file {
    const struct stl_repo *repo;
    const char *path, *name;
};

/* If both are links to one file, rename(2) keeps the old name. */
static int put_manifest(void *context, int directory)
{
    const struct manifest_file *file = context;
    if (faccessat(file->repo->fd, file->path, F_OK, AT_SYMLINK_NOFOLLOW))
        return errno == ENOENT ? 0 : -1; /* an earlier attempt, which was killed, has moved it */
    if (utimensat(file->repo->fd, file->path, NULL, AT_SYMLINK_NOFOLLOW) ||
        renameat(file->repo->fd, file->path, directory, file->name))
        return -1;
    return unlinkat(file->repo->fd, file->path, 0) && errno != ENOENT ? -1 : 0;
}

static int link_manifest(void *context, int directory)
{
    const struct manifest_file *file = context;
    if (utimensat(file->repo->fd, file->path, NULL, AT_SYMLINK_NOFOLLOW) ||
        (unlinkat(directory, file->name, 0) && errno != ENOENT)) /* left by an earlier deletion */
        return -1;
    return linkat(file->repo->fd, file->path, directory, file->name, 0);
}

/* Returns 1, 0 if it is not kept, or -1. */
static int with_manifest(const struct manifest_file *file, const struct stl_media_type *type,
                         int (*put_into)(void *context, int directory), struct stl_error *err)
{
    char folder[STL_PATH_MAX];
    const struct stl_repo *repo = file->repo;
    STL_AUTO_FREE char *full =
        stl_sprintf("%s/%s", stl_path_flat(STL_TRASH_MANIFESTS, &repo->name, folder), type->text);
    if (!repo->registry->settings.retention.trash)
        return 0;
    return put_if_there_is_room(repo, full, put_into, (void *)file, err);
}

int stl_trash_doom_manifest(const struct stl_repo *repo, const struct stl_media_type *type,
                            const struct stl_digest *digest, struct stl_error *err)
{
    char path[STL_PATH_MAX], text[STL_DIGEST_TEXT_MAX];
    const struct manifest_file file = {repo, stl_path_manifest(type->text, digest, path),
                                       stl_digest_format(digest, text)};
    return with_manifest(&file, type, link_manifest, err) < 0 ? -1 : 0;
}

int stl_trash_manifest(const struct stl_repo *repo, const struct stl_media_type *type,
                       const struct stl_digest *digest, struct stl_error *err)
{
    char path[STL_PATH_MAX], text[STL_DIGEST_TEXT_MAX];
    const struct manifest_file file = {repo, stl_path_manifest(type->text, digest, path),
                                       stl_digest_format(digest, text)};
    int kept = with_manifest(&file, type, put_manifest, err);
    if (kept)
        return kept < 0 ? -1 : 0;
    if (repo->registry->settings.retention.trash)
        tell_not_kept(repo);
    return unlinkat(repo->fd, path, 0) && errno != ENOENT ? stl_error_errno(err, "cannot remove %s", path)
                                                          : 0;
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
    if (stl_tag_parse(name, &tagging.tag, &ignored))
        return 0;
    if (stl_tag_resolve(found->repo, &tagging.tag, &tagging.digest, err)) {
        if (err->code != STL_MANIFEST_UNKNOWN && err->code != STL_DAMAGED)
            return -1;
        stl_error_clear(err);
        return 0;
    }
    stl_grow(found->set, found->count);
    found->set[found->count++] = tagging;
    return 0;
}

int stl_trash_all_tags(const struct stl_repo *repo, struct stl_error *err)
{
    struct found_tags found = {.repo = repo};
    int result = stl_dir_each_file_if_any(repo->fd, STL_REPO_LINKS, find_tag, &found, err);
    STL_AUTO_FREE struct stl_tagging *set = found.set;
    return result || stl_trash_note_tags(repo, set, found.count, err) ? -1 : 0;
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

static int trash_visited_blob(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    struct stl_error ignored = STL_ERROR_INIT;
    struct stl_digest digest;
    (void)type;
    return stl_digest_parse(name, &digest, &ignored) ? 0 : stl_trash_blob(context, &digest, err);
}

int stl_trash_manifests(const struct stl_repo *repo, struct stl_error *err)
{
    __attribute__((cleanup(content_clear))) struct content content = {.repo = repo};
    if (stl_manifest_files_each(repo->fd, STL_REPO_MANIFESTS, hold_manifest, &content, err))
        return -1;
    if (trash_held(&content, err))
        return -1;
    if (stl_manifest_files_each(repo->fd, STL_REPO_MANIFESTS, visit_manifest, &content, err))
        return -1;
    return 0;
}

/* Moves the whole folder, which takes no space, unless the trash already has such a folder or other
 * repositories nest in ours. */
static int trash_all_blobs(const struct stl_repo *repo, struct stl_error *err)
{
    const struct stl_root *root = &repo->registry->root;
    char folder[STL_PATH_MAX];
    STL_AUTO_CLOSE int blobs = stl_dir_make(root, root->fd, STL_TRASH_BLOBS, err);
    if (blobs < 0)
        return -1;
    if (!stl_nesting_has_nested(repo->fd, STL_REPO_BLOBS) &&
        renameat(repo->fd, STL_REPO_BLOBS, root->fd, stl_path_flat(STL_TRASH_BLOBS, &repo->name, folder)) ==
            0)
        return stl_dir_sync(blobs, err);
    return stl_dir_each_if_any(repo->fd, STL_REPO_BLOBS, trash_visited_blob, (void *)repo, err);
}

/* Blobs go to the trash in any case: a snapshot may need them. Garbage collection decides. */
int stl_trash_content(const struct stl_repo *repo, struct stl_error *err)
{
    if (stl_trash_manifests(repo, err))
        return -1;
    return trash_all_blobs(repo, err);
}
