/* Making the tags of a repository what a snapshot says. */
#include "snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "contents.h"
#include "event.h"
#include "listing.h"
#include "publish-internal.h"
#include "restore.h"
#include "trash.h"

enum { LOCK_MILLISECONDS = 30000 };

/* What a tag is to become. */
struct change {
    struct stl_tag tag;
    struct stl_digest digest; /* of a tag that goes: what it is */
    bool remove, same;
    char *old; /* the digest that it points to and shall not; or NULL */
};

struct restoring {
    const struct stl_repo *repo;
    struct change *changes; /* every tag: of the snapshot, and those that go or stay beside it */
    size_t count;
    struct stl_snapshot_restored *restored;
};

static int add_wanted(void *context, const struct stl_name *name, const struct stl_tag *tag,
                      const struct stl_digest *digest, struct stl_error *err)
{
    struct restoring *restoring = context;
    (void)name;
    (void)err;
    stl_grow(restoring->changes, restoring->count);
    restoring->changes[restoring->count++] = (struct change){.tag = *tag, .digest = *digest};
    return 0;
}

static int compare(const void *a, const void *b)
{
    return strcmp(((const struct change *)a)->tag.text, ((const struct change *)b)->tag.text);
}

static struct change *find(const struct restoring *restoring, size_t count, const char *tag)
{
    struct change key = {0};
    if (!count || strlen(tag) > STL_TAG_MAX)
        return NULL;
    snprintf(key.tag.text, sizeof key.tag.text, "%s", tag);
    return bsearch(&key, restoring->changes, count, sizeof key, compare);
}

/* The manifests first, as they are found: nobody sees them before a tag leads there. */
static int bring_manifests(struct restoring *restoring, const char *folder, struct stl_error *err)
{
    STL_AUTO_RESTORE struct stl_restore restore = {0};
    if (stl_restore_begin(&restore, restoring->repo, folder, err))
        return -1;
    for (size_t i = 0; i < restoring->count; i++)
        if (stl_restore_want(&restore, &restoring->changes[i].digest, err))
            return stl_error_context(err, "%s:%s", restoring->repo->name.text,
                                     restoring->changes[i].tag.text);
    if (stl_restore_publish(&restore, err))
        return -1;
    restoring->restored->manifests += restore.restored.manifests;
    return 0;
}

/* --- the new folder of links ---------------------------------------------------------------------------- */

struct copying {
    struct restoring *restoring;
    const char *folder; /* manifests or _refs */
    int to;
    size_t wanted; /* how many of the changes come from the snapshot */
    bool keep;
};

/* Links of digests stay, and tags that do not change keep their time. Tags that are not in the snapshot are
 * noted as further changes. */
static int copy_link(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    struct copying *copying = context;
    struct restoring *restoring = copying->restoring;
    char target[PUBLISH_TARGET_MAX], wanted[STL_DIGEST_TEXT_MAX];
    struct stat st;
    (void)type;
    STL_AUTO_FREE char *path = stl_sprintf("manifests/%s", name);
    if (stl_link_read(restoring->repo->fd, path, target, sizeof target) ||
        fstatat(restoring->repo->fd, path, &st, AT_SYMLINK_NOFOLLOW))
        return 0;
    if (!strchr(name, ':')) {
        struct change *change = find(restoring, copying->wanted, name);
        struct change other = {.remove = !copying->keep, .same = copying->keep};
        if (change)
            change->same = !strcmp(stl_digest_format(&change->digest, wanted), target);
        if (change && !change->same) {
            change->old = stl_strdup(target);
            return 0;
        }
        if (!change) {
            if (stl_tag_parse(name, &other.tag, err) || stl_digest_parse(target, &other.digest, err))
                return -1;
            other.old = other.remove ? stl_strdup(target) : NULL;
            stl_grow(restoring->changes, restoring->count);
            restoring->changes[restoring->count++] = other;
            if (other.remove)
                return 0;
        }
    }
    const struct timespec times[2] = {st.st_mtim, st.st_mtim};
    if (symlinkat(target, copying->to, name) || utimensat(copying->to, name, times, AT_SYMLINK_NOFOLLOW))
        return stl_error_errno(err, "cannot copy the link %s", path);
    return 0;
}

static int build_links(struct restoring *restoring, int to, bool keep, struct stl_error *err)
{
    struct copying copying = {restoring, "manifests", to, restoring->count, keep};
    if (stl_dir_each(restoring->repo->fd, "manifests", copy_link, &copying, err))
        return -1;
    for (size_t i = 0; i < copying.wanted; i++) {
        char text[STL_DIGEST_TEXT_MAX];
        const struct change *change = &restoring->changes[i];
        struct stl_media_type type;
        if (stl_manifest_type(restoring->repo, &change->digest, &type, err))
            return stl_error_context(err, "somebody deletes what is being restored");
        if (!change->same && symlinkat(stl_digest_format(&change->digest, text), to, change->tag.text))
            return stl_error_errno(err, "cannot link tag %s", change->tag.text);
    }
    return 0;
}

/* --- the step ------------------------------------------------------------------------------------------- */

static int check_limits(const struct restoring *restoring, struct stl_error *err)
{
    size_t added = 0;
    for (size_t i = 0; i < restoring->count; i++) {
        const struct change *change = &restoring->changes[i];
        struct stl_digest current;
        struct stl_error ignored = STL_ERROR_INIT;
        bool exists = stl_tag_resolve(restoring->repo, &change->tag, &current, &ignored) == 0;
        if (!change->same &&
            stl_publish_check_tag(restoring->repo, &change->tag, exists ? &current : NULL,
                                  change->remove ? NULL : &change->digest, NULL, NULL, &added, err))
            return -1;
    }
    return 0;
}

/* While the tags are there, so that whoever was killed finds out anew which of them go. A list must not name
 * what is not there, so they go from it, too. */
static int withdraw_removed(const struct restoring *restoring, struct stl_error *err)
{
    const struct stl_repo *repo = restoring->repo;
    size_t count = 0;
    STL_AUTO_FREE const char **names = stl_alloc(restoring->count * sizeof *names);
    STL_AUTO_FREE struct stl_tagging *removed = stl_alloc(restoring->count * sizeof *removed);
    for (size_t i = 0; i < restoring->count; i++) {
        const struct change *change = &restoring->changes[i];
        if (!change->remove)
            continue;
        names[count] = change->tag.text;
        removed[count++] = (struct stl_tagging){.tag = change->tag, .digest = change->digest};
    }
    if (!count)
        return 0;
    STL_AUTO_CLOSE int tags = stl_dir_open(repo->fd, "tags", err);
    if (tags < 0 || stl_trash_tags(repo, removed, count, err))
        return -1;
    for (size_t i = 0; i < count; i++)
        if (stl_publish_remove_ref(repo, names[i], err))
            return -1;
    return stl_listing_remove(&repo->registry->root, tags, &repo->name, names, count, err) < 0 ? -1 : 0;
}

/* Where folders cannot be exchanged. */
static int change_one_by_one(const struct restoring *restoring, struct stl_error *err)
{
    for (size_t i = 0; i < restoring->count; i++) {
        char text[STL_DIGEST_TEXT_MAX], path[STL_PATH_MAX];
        const struct change *change = &restoring->changes[i];
        stl_publish_link_path(change->tag.text, path);
        if (change->same)
            continue;
        if (change->remove ? unlinkat(restoring->repo->fd, path, 0)
                           : stl_link_put(&restoring->repo->registry->root, restoring->repo->fd, path,
                                          stl_digest_format(&change->digest, text), err))
            return change->remove ? stl_error_errno(err, "cannot remove %s", path) : -1;
    }
    return 0;
}

static int exchange(const struct restoring *restoring, const struct stl_stage *stage, struct stl_error *err)
{
    const struct stl_repo *repo = restoring->repo;
    if (renameat2(stage->fd, "manifests", repo->fd, "manifests", RENAME_EXCHANGE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return stl_error_errno(err, "cannot exchange the tags of %s", repo->name.text);
    return change_one_by_one(restoring, err);
}

/* What follows the links: the times of manifests that lost a tag, Apache's files, events. */
static int follow(const struct restoring *restoring, const struct change *change, struct stl_error *err)
{
    const struct stl_repo *repo = restoring->repo;
    struct stl_media_type type;
    if (change->old)
        stl_publish_touch(repo, change->old);
    if (change->remove) {
        stl_event_delete(repo, &change->tag, NULL);
        return 0;
    }
    if (stl_manifest_type(repo, &change->digest, &type, err) ||
        stl_publish_ref(repo, change->tag.text, &type, &change->digest, err))
        return -1;
    if (!change->same)
        stl_event_push(repo, &change->digest, type.text, -1, &change->tag, 1);
    return 0;
}

static int follow_all(const struct restoring *restoring, struct stl_error *err)
{
    for (size_t i = 0; i < restoring->count; i++)
        if (follow(restoring, &restoring->changes[i], err))
            return -1;
    return 0;
}

static int put_list(const struct restoring *restoring, struct stl_error *err)
{
    const struct stl_repo *repo = restoring->repo;
    size_t count = 0;
    STL_AUTO_FREE const char **names = stl_alloc(restoring->count * sizeof *names);
    STL_AUTO_CLOSE int tags = stl_dir_open(repo->fd, "tags", err);
    for (size_t i = 0; i < restoring->count; i++) {
        if (restoring->changes[i].remove)
            restoring->restored->removed++;
        else
            names[count++] = restoring->changes[i].tag.text;
        restoring->restored->set += !restoring->changes[i].remove && !restoring->changes[i].same;
    }
    return tags < 0 ? -1 : stl_listing_write(&repo->registry->root, tags, &repo->name, names, count, err);
}

static int change_tags(struct restoring *restoring, bool keep, struct stl_error *err)
{
    const struct stl_repo *repo = restoring->repo;
    __attribute__((cleanup(stl_stage_end))) struct stl_stage stage = STL_STAGE_INIT;
    STL_AUTO_CLOSE int content =
        stl_registry_lock_within(repo->registry, STL_LOCK_CONTENT, &repo->name, LOCK_MILLISECONDS, err);
    STL_AUTO_CLOSE int lists =
        content < 0 ? -1 : stl_registry_lock(repo->registry, STL_LOCK_LISTS, &repo->name, true, err);
    if (lists < 0 || stl_stage_begin(&repo->registry->root, &stage, err))
        return -1;
    STL_AUTO_CLOSE int links = stl_dir_make(&repo->registry->root, stage.fd, "manifests", err);
    if (links < 0 || build_links(restoring, links, keep, err) || check_limits(restoring, err) ||
        stl_dir_sync(links, err) || withdraw_removed(restoring, err) || exchange(restoring, &stage, err) ||
        stl_dir_sync(repo->fd, err) || stl_publish_sync_folder(repo, "manifests", err))
        return -1;
    if (put_list(restoring, err) || follow_all(restoring, err))
        return -1;
    return repo->registry->settings.apache ? stl_publish_sync_folder(repo, "_refs", err) : 0;
}

static void restoring_clear(struct restoring *restoring)
{
    for (size_t i = 0; i < restoring->count; i++)
        free(restoring->changes[i].old);
    free(restoring->changes);
}

int stl_snapshot_restore(const struct stl_registry *registry, const char *snapshot,
                         const struct stl_name *name, bool keep, struct stl_snapshot_restored *restored,
                         struct stl_error *err)
{
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
    __attribute__((cleanup(restoring_clear))) struct restoring restoring = {.repo = &repo,
                                                                            .restored = restored};
    STL_AUTO_FREE char *flat = stl_path_flatten(stl_strdup(name->text));
    STL_AUTO_FREE char *folder = stl_sprintf("snapshots/%s/%s/_manifests", snapshot, flat);
    if (stl_snapshot_tags(registry, snapshot, name, add_wanted, &restoring, err)) {
        if (err->sys_errno == ENOENT)
            stl_error_set(err, STL_NAME_UNKNOWN, "snapshot '%s' has no repository '%s'", snapshot,
                          name->text);
        return -1;
    }
    if (restoring.count)
        qsort(restoring.changes, restoring.count, sizeof *restoring.changes, compare);
    if (stl_repo_make(&repo, registry, name, err) || bring_manifests(&restoring, folder, err))
        return -1;
    return change_tags(&restoring, keep, err);
}
