/* All tags of a repository at once: a new folder of links takes the place of the old one. */
#include "publication.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apache-file.h"
#include "consent.h"
#include "details.h"
#include "event.h"
#include "nesting.h"
#include "project-quota.h"
#include "publish-steps.h"
#include "references.h"
#include "trash.h"

enum { LOCK_MILLISECONDS = 30000 };

/* What a tag will become. */
struct change {
    struct stl_tag tag;
    struct stl_digest digest; /* of a tag that is removed: where it leads now */
    bool remove, same, asked; /* asked: the hook has accepted it */
    char *old;                /* where it leads now, if that changes; or NULL */
};

struct replacing {
    const struct stl_repo *repo;
    struct change *changes; /* every tag: those that are set, and others, which are removed or kept */
    size_t count;
    struct stl_publication_replaced *result;
};

static void replacing_clear(struct replacing *replacing)
{
    for (size_t i = 0; i < replacing->count; i++)
        free(replacing->changes[i].old);
    free(replacing->changes);
}

static int compare_changes(const void *a, const void *b)
{
    return strcmp(((const struct change *)a)->tag.text, ((const struct change *)b)->tag.text);
}

static struct change *find_change(const struct replacing *replacing, size_t count, const char *tag)
{
    struct change key = {0};
    if (!count || strlen(tag) > STL_TAG_MAX)
        return NULL;
    snprintf(key.tag.text, sizeof key.tag.text, "%s", tag);
    return bsearch(&key, replacing->changes, count, sizeof key, compare_changes);
}

/* --- the new folder of links ---------------------------------------------------------------------------- */

struct copying {
    struct replacing *replacing;
    const char *folder; /* manifests or _refs */
    int to;
    size_t wanted; /* how many of the changes are tags that are set */
    bool keep;
};

/* Links of digests are kept, and unchanged tags keep their time. Other tags are added
 * to the changes. */
static int copy_link(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    struct copying *copying = context;
    struct replacing *replacing = copying->replacing;
    char target[STL_TARGET_MAX], wanted[STL_DIGEST_TEXT_MAX];
    struct stat st;
    (void)type;
    char path[STL_PATH_MAX];
    stl_path_reference(name, path);
    if (stl_link_read(replacing->repo->fd, path, target, sizeof target) ||
        fstatat(replacing->repo->fd, path, &st, AT_SYMLINK_NOFOLLOW))
        return errno == ENOENT || errno == EINVAL ? 0 : stl_error_errno(err, "cannot read %s", path);
    if (!strchr(name, ':')) {
        struct change *change = find_change(replacing, copying->wanted, name);
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
            stl_grow(replacing->changes, replacing->count);
            replacing->changes[replacing->count++] = other;
            if (other.remove)
                return 0;
        }
    }
    const struct timespec times[2] = {st.st_mtim, st.st_mtim};
    if (symlinkat(target, copying->to, name) || utimensat(copying->to, name, times, AT_SYMLINK_NOFOLLOW))
        return stl_error_errno(err, "cannot copy the link %s", path);
    return 0;
}

static int build_links(struct replacing *replacing, int to, bool keep, struct stl_error *err)
{
    struct copying copying = {replacing, STL_REPO_LINKS, to, replacing->count, keep};
    if (stl_dir_each_file(replacing->repo->fd, STL_REPO_LINKS, copy_link, &copying, err))
        return -1;
    for (size_t i = 0; i < copying.wanted; i++) {
        char text[STL_DIGEST_TEXT_MAX];
        const struct change *change = &replacing->changes[i];
        struct stl_media_type type;
        if (stl_manifest_type(replacing->repo, &change->digest, &type, err))
            return stl_error_context(err, "another process is deleting it");
        if (!change->same && symlinkat(stl_digest_format(&change->digest, text), to, change->tag.text))
            return stl_error_errno(err, "cannot link tag %s", change->tag.text);
    }
    return 0;
}

/* --- the step ------------------------------------------------------------------------------------------- */

/* Finds the tags that have to change, and asks the hook about them before anything is locked. */
static int ask_hook(const struct replacing *replacing, struct stl_error *err)
{
    STL_AUTO_FREE struct stl_tagging *set = stl_alloc(replacing->count * sizeof *set);
    size_t count = 0;
    for (size_t i = 0; i < replacing->count; i++) {
        struct change *change = &replacing->changes[i];
        struct stl_digest current;
        int exists = stl_tag_resolve_if_any(replacing->repo, &change->tag, &current, err);
        if (exists < 0)
            return -1;
        change->asked = !exists || !stl_digest_equal(&current, &change->digest);
        if (change->asked)
            set[count++] = (struct stl_tagging){.tag = change->tag, .digest = change->digest};
    }
    return stl_may_tag(replacing->repo, set, count, err);
}

/* *added: how many tags are new. */
static int check_changes(const struct replacing *replacing, size_t *added, struct stl_error *err)
{
    *added = 0;
    for (size_t i = 0; i < replacing->count; i++) {
        const struct change *change = &replacing->changes[i];
        struct stl_digest current;
        struct stl_error ignored = STL_ERROR_INIT;
        if (!change->remove &&
            stl_nesting_check_tag(replacing->repo->fd, &replacing->repo->name, &change->tag, err))
            return -1;
        bool exists = stl_tag_resolve(replacing->repo, &change->tag, &current, &ignored) == 0;
        if (!change->same &&
            stl_may_change_tag(replacing->repo, &change->tag, exists ? &current : NULL,
                               change->remove ? NULL : &change->digest, NULL, NULL, added, err))
            return -1;
        struct stl_tagging moved = {.tag = change->tag, .digest = change->digest};
        if (!change->same && !change->remove && !change->asked &&
            stl_may_tag(replacing->repo, &moved, 1, err))
            return -1; /* it was moved after the hook had been asked about the others */
    }
    return 0;
}

/* Done while the tags still exist: if we are killed, the next call can again find out which are to be
 * removed. They leave the list, too, since it must not name what does not exist. */
static int withdraw_removed(const struct replacing *replacing, struct stl_error *err)
{
    const struct stl_repo *repo = replacing->repo;
    size_t count = 0;
    STL_AUTO_FREE const char **names = stl_alloc(replacing->count * sizeof *names);
    STL_AUTO_FREE struct stl_tagging *removed = stl_alloc(replacing->count * sizeof *removed);
    for (size_t i = 0; i < replacing->count; i++) {
        const struct change *change = &replacing->changes[i];
        if (!change->remove)
            continue;
        names[count] = change->tag.text;
        removed[count++] = (struct stl_tagging){.tag = change->tag, .digest = change->digest};
    }
    if (!count)
        return 0;
    STL_AUTO_CLOSE int tags = stl_dir_open(repo->fd, STL_REPO_TAGS, err);
    if (tags < 0 || stl_trash_note_tags(repo, removed, count, err))
        return -1;
    for (size_t i = 0; i < count; i++)
        if (stl_apache_file_remove(repo, names[i], err))
            return -1;
    int64_t left;
    return stl_listing_remove(&repo->registry->root, tags, &repo->name, names, count, &left, err) < 0 ? -1
                                                                                                      : 0;
}

/* For file systems that cannot exchange folders, and for folders in which other repositories nest. */
static int change_one_by_one(const struct replacing *replacing, struct stl_error *err)
{
    for (size_t i = 0; i < replacing->count; i++) {
        char text[STL_DIGEST_TEXT_MAX], path[STL_PATH_MAX];
        const struct change *change = &replacing->changes[i];
        stl_path_reference(change->tag.text, path);
        if (change->same)
            continue;
        if (change->remove ? unlinkat(replacing->repo->fd, path, 0)
                           : stl_link_put(&replacing->repo->registry->root, replacing->repo->fd, path,
                                          stl_digest_format(&change->digest, text), err))
            return change->remove ? stl_error_errno(err, "cannot remove %s", path) : -1;
    }
    return 0;
}

static int exchange(const struct replacing *replacing, const struct stl_stage *stage, struct stl_error *err)
{
    const struct stl_repo *repo = replacing->repo;
    if (stl_nesting_has_nested(repo->fd, STL_REPO_LINKS))
        return change_one_by_one(replacing, err);
    if (renameat2(stage->fd, STL_REPO_LINKS, repo->fd, STL_REPO_LINKS, RENAME_EXCHANGE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return stl_error_errno(err, "cannot exchange the tags of %s", repo->name.text);
    return change_one_by_one(replacing, err);
}

/* Once the links have changed: the times of manifests that lost a tag, Apache's files, events. */
static int follow(const struct replacing *replacing, const struct change *change, struct stl_error *err)
{
    const struct stl_repo *repo = replacing->repo;
    struct stl_media_type type;
    if (change->old)
        stl_publish_touch(repo, change->old);
    if (change->remove) {
        stl_event_delete(repo, &change->tag, NULL);
        return 0;
    }
    if (stl_manifest_type(repo, &change->digest, &type, err) ||
        stl_apache_file_put(repo, change->tag.text, &type, &change->digest, err))
        return -1;
    if (!change->same)
        stl_event_push(repo, &change->digest, type.text, -1, &change->tag, 1);
    return 0;
}

static int follow_all(const struct replacing *replacing, struct stl_error *err)
{
    for (size_t i = 0; i < replacing->count; i++)
        if (follow(replacing, &replacing->changes[i], err))
            return -1;
    return 0;
}

static int put_list(const struct replacing *replacing, struct stl_error *err)
{
    const struct stl_repo *repo = replacing->repo;
    size_t count = 0;
    STL_AUTO_FREE const char **names = stl_alloc(replacing->count * sizeof *names);
    STL_AUTO_CLOSE int tags = stl_dir_open(repo->fd, STL_REPO_TAGS, err);
    for (size_t i = 0; i < replacing->count; i++) {
        if (replacing->changes[i].remove)
            replacing->result->removed++;
        else
            names[count++] = replacing->changes[i].tag.text;
        replacing->result->set += !replacing->changes[i].remove && !replacing->changes[i].same;
    }
    return tags < 0 ? -1 : stl_listing_write(&repo->registry->root, tags, &repo->name, names, count, err);
}

/* The tags that now lead elsewhere, or (`removed`) are gone. The caller frees. */
static struct stl_tagging *collect_changed(const struct replacing *replacing, bool removed, size_t *count)
{
    struct stl_tagging *set = stl_alloc(replacing->count * sizeof *set);
    *count = 0;
    for (size_t i = 0; i < replacing->count; i++) {
        const struct change *change = &replacing->changes[i];
        if (!change->same && change->remove == removed)
            set[(*count)++] = (struct stl_tagging){.tag = change->tag, .digest = change->digest};
    }
    return set;
}

static void tell_details(const struct replacing *replacing)
{
    size_t count, gone_count;
    STL_AUTO_FREE struct stl_tagging *set = collect_changed(replacing, false, &count);
    STL_AUTO_FREE struct stl_tagging *gone = collect_changed(replacing, true, &gone_count);
    STL_AUTO_FREE const char **names = stl_alloc(gone_count * sizeof *names);
    for (size_t i = 0; i < gone_count; i++)
        names[i] = gone[i].tag.text;
    if (count)
        stl_details_tagged(replacing->repo, set, count, -1);
    if (gone_count)
        stl_details_untagged(replacing->repo, names, gone_count, -1);
}

static int change_tags(struct replacing *replacing, bool keep, struct stl_error *err)
{
    const struct stl_repo *repo = replacing->repo;
    __attribute__((cleanup(stl_stage_end))) struct stl_stage stage = STL_STAGE_INIT;
    STL_AUTO_CLOSE int content =
        stl_registry_lock_within(repo->registry, STL_LOCK_CONTENT, &repo->name, LOCK_MILLISECONDS, err);
    STL_AUTO_CLOSE int lists =
        content < 0 ? -1 : stl_registry_lock(repo->registry, STL_LOCK_LISTS, &repo->name, true, err);
    if (lists < 0 || stl_stage_begin(&repo->registry->root, &stage, err))
        return -1;
    STL_AUTO_CLOSE int links = stl_dir_make(&repo->registry->root, stage.fd, STL_REPO_LINKS, err);
    STL_AUTO_CLOSE int quota = -1;
    size_t added;
    if (links < 0 || build_links(replacing, links, keep, err))
        return -1;
    if (check_changes(replacing, &added, err))
        return -1;
    if (stl_may_add_tags(repo, added, &quota, err))
        return -1;
    if (stl_dir_sync(links, err))
        return -1;
    if (withdraw_removed(replacing, err))
        return -1;
    if (exchange(replacing, &stage, err))
        return -1;
    if (stl_dir_sync(repo->fd, err))
        return -1;
    if (stl_repo_sync_folder(repo, STL_REPO_LINKS, err))
        return -1;
    if (put_list(replacing, err) || follow_all(replacing, err))
        return -1;
    tell_details(replacing);
    if (replacing->result->removed)
        stl_project_note_less(repo->registry, &repo->name);
    return stl_apache_files_sync(repo, err);
}

/* What has not changed is not reported. */
static void start_hooks(const struct replacing *replacing)
{
    STL_AUTO_PUBLICATION struct stl_publication news = STL_PUBLICATION_INIT;
    stl_publication_begin(&news, replacing->repo);
    news.set = collect_changed(replacing, false, &news.set_count);
    stl_publish_start_hooks(&news, NULL, 0, news.set_count);
}

int stl_publication_replace(struct stl_publication *publication, bool keep,
                            struct stl_publication_replaced *result, struct stl_error *err)
{
    __attribute__((cleanup(replacing_clear))) struct replacing replacing = {.repo = publication->repo,
                                                                            .result = result};
    *result = (struct stl_publication_replaced){0};
    for (size_t i = 0; i < publication->set_count; i++) {
        stl_grow(replacing.changes, replacing.count);
        replacing.changes[replacing.count++] =
            (struct change){.tag = publication->set[i].tag, .digest = publication->set[i].digest};
    }
    if (replacing.count)
        qsort(replacing.changes, replacing.count, sizeof *replacing.changes, compare_changes);
    if (ask_hook(&replacing, err) || change_tags(&replacing, keep, err))
        return -1;
    start_hooks(&replacing);
    return 0;
}
