/* One repository's turn: its blobs, its blobs in the trash, and itself when it is empty. */
#include "gc-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "contents.h"
#include "listing.h"
#include "publish.h"
#include "reserve.h"
#include "trash.h"

enum deed { DEED_SET_ASIDE, DEED_DELETE, DEED_RECALL, DEED_EMPTY }; /* the latter two: of the trash */

struct task {
    enum deed deed;
    struct stl_digest digest;
    struct stat st;
};

struct turn {
    struct gc *gc;
    struct stl_repo repo; /* fd -1: there is no repository, but something of it in the trash */
    struct gc_marks marks;
    char trash[STL_PATH_MAX]; /* trash/blobs/<name> */
    struct task *tasks;
    size_t count;
    size_t blobs;   /* that stay in the repository */
    bool abandoned; /* nothing is in it, and nobody came for the grace period */
};

static void turn_clear(struct turn *turn)
{
    stl_repo_close(&turn->repo);
    stl_marks_clear(&turn->marks.all);
    free(turn->tasks);
}

static void add_task(struct turn *turn, enum deed deed, const struct stl_digest *digest,
                     const struct stat *st)
{
    stl_grow(turn->tasks, turn->count);
    turn->tasks[turn->count++] = (struct task){deed, *digest, *st};
}

/* --- looking -------------------------------------------------------------------------------------------- */

static int visit_blob(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    struct turn *turn = context;
    struct stl_digest digest;
    struct stat st;
    size_t number;
    (void)type;
    (void)err;
    STL_AUTO_FREE char *path = stl_sprintf("blobs/%s", name);
    if (stl_blob_look(turn->repo.fd, path, &digest, &st) &&
        !stl_digestset_find(&turn->marks.all.blobs, &digest, &number) &&
        stl_gc_is_old(turn->gc, &digest, &st))
        add_task(turn, turn->gc->options->grace ? DEED_SET_ASIDE : DEED_DELETE, &digest, &st);
    else
        turn->blobs++;
    return 0;
}

/* What a manifest of the repository names belongs there, and once it is there again, not here; what another
 * names, in the trash or in a snapshot, stays here until that is restored: a client may have deleted the blob
 * itself. */
static int visit_trashed(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    struct turn *turn = context;
    struct stl_error ignored = STL_ERROR_INIT;
    struct stl_digest digest;
    struct stat st;
    size_t number;
    (void)type;
    (void)err;
    STL_AUTO_FREE char *path = stl_sprintf("%s/%s", turn->trash, name);
    if (!stl_blob_look(turn->gc->registry->root.fd, path, &digest, &st))
        return 0;
    bool named = stl_digestset_find(&turn->marks.all.blobs, &digest, &number);
    bool own = named && turn->repo.fd >= 0 && turn->marks.own && number < turn->marks.own_blobs;
    int there = own ? stl_repo_has_blob(&turn->repo, &digest, NULL, &ignored) : 0;
    if (own && there == 0)
        add_task(turn, DEED_RECALL, &digest, &st);
    else if ((!named || there == 1) && stl_gc_is_old(turn->gc, &digest, &st))
        add_task(turn, DEED_EMPTY, &digest, &st);
    return 0;
}

static bool is_abandoned(struct turn *turn)
{
    static const char *const folders[] = {".", "_manifests", "manifests", "blobs", "referrers", "tags"};
    const struct gc *gc = turn->gc;
    struct stat st;
    size_t found = 0;
    if (turn->repo.fd < 0 || turn->blobs || turn->marks.own || !stl_dir_is_empty(turn->repo.fd, "manifests"))
        return false;
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        if (fstatat(turn->repo.fd, folders[i], &st, AT_SYMLINK_NOFOLLOW))
            continue;
        if (gc->options->grace && st.st_mtime + gc->options->grace >= gc->now)
            return false;
        found++;
    }
    return found > 1; /* "." alone is the way to a nested repository */
}

static int look(struct turn *turn, struct stl_error *err)
{
    char path[STL_PATH_MAX];
    int root = turn->gc->registry->root.fd;
    turn->count = turn->blobs = 0;
    stl_repo_close(&turn->repo);
    turn->repo.fd = stl_dir_open(root, stl_path_repository(&turn->repo.name, path), err);
    if (turn->repo.fd < 0 && err->sys_errno != ENOENT)
        return -1;
    stl_error_clear(err);
    stl_trash_path("blobs", &turn->repo.name, turn->trash);
    if (stl_gc_mark(turn->gc, &turn->repo.name, &turn->marks, err) ||
        stl_dir_each_if_any(root, turn->trash, visit_trashed, turn, err) ||
        (turn->repo.fd >= 0 && stl_dir_each_if_any(turn->repo.fd, "blobs", visit_blob, turn, err)))
        return -1;
    turn->abandoned = is_abandoned(turn);
    return 0;
}

/* --- doing ---------------------------------------------------------------------------------------------- */

/* Notes the ctime with which we leave a blob, which any of its links shows. */
static void note_touch(struct gc *gc, const struct task *task, int at, const char *path)
{
    struct stat st;
    if (fstatat(at, path, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_ino == task->st.st_ino)
        stl_gc_touch(gc, &task->digest)->left = st.st_ctim;
}

static void count_deleted(struct gc *gc, const struct task *task)
{
    if (task->st.st_nlink != 1) { /* else a copy, with no other link to wait for */
        stl_gc_touch(gc, &task->digest)->unlinked++;
        return;
    }
    gc->result->freed.count++;
    gc->result->freed.bytes += (uint64_t)task->st.st_size;
}

static int delete_blob(struct turn *turn, const struct task *task, int at, const char *path,
                       struct stl_error *err)
{
    char store[STL_PATH_MAX];
    count_deleted(turn->gc, task);
    if (turn->gc->options->dry_run)
        return 0;
    if (unlinkat(at, path, 0) && errno != ENOENT)
        return stl_error_errno(err, "cannot remove %s", path);
    note_touch(turn->gc, task, turn->gc->registry->root.fd, stl_path_store(&task->digest, store));
    return 0;
}

static int set_aside(struct turn *turn, const struct task *task, const char *trashed, struct stl_error *err)
{
    struct gc *gc = turn->gc;
    if (!gc->options->dry_run && stl_trash_blob(&turn->repo, &task->digest, err))
        return -1;
    gc->result->set_aside.count++;
    gc->result->set_aside.bytes += (uint64_t)task->st.st_size;
    if (!gc->options->dry_run)
        note_touch(gc, task, gc->registry->root.fd, trashed);
    return 0;
}

static int do_task(struct turn *turn, const struct task *task, struct stl_error *err)
{
    char text[STL_DIGEST_TEXT_MAX];
    stl_digest_format(&task->digest, text);
    STL_AUTO_FREE char *own = stl_sprintf("blobs/%s", text);
    STL_AUTO_FREE char *trashed = stl_sprintf("%s/%s", turn->trash, text);
    switch (task->deed) {
    case DEED_SET_ASIDE:
        return set_aside(turn, task, trashed, err);
    case DEED_DELETE:
        return delete_blob(turn, task, turn->repo.fd, own, err);
    case DEED_EMPTY:
        return delete_blob(turn, task, turn->gc->registry->root.fd, trashed, err);
    default:
        return turn->gc->options->dry_run ? 0 : stl_trash_recall_blob(&turn->repo, &task->digest, err);
    }
}

static int do_tasks(struct turn *turn, struct stl_error *err)
{
    for (size_t i = 0; i < turn->count; i++)
        while (do_task(turn, &turn->tasks[i], err) < 0)
            if (!stl_reserve_use(turn->gc->registry, err))
                return -1;
    return 0;
}

/* Who makes a repository ready for a push holds a lock on its folder until the push is done. */
static int remove_repository(struct turn *turn, struct stl_error *err)
{
    const struct gc *gc = turn->gc;
    const struct stl_repo *repo = &turn->repo;
    if (gc->options->dry_run) {
        gc->result->removed++;
        return 0;
    }
    STL_AUTO_CLOSE int lists =
        stl_registry_lock_within(gc->registry, STL_LOCK_LISTS, &repo->name, gc->patience, err);
    if (lists < 0)
        return -1;
    if (flock(repo->fd, LOCK_EX | LOCK_NB) || !stl_dir_is_empty(repo->fd, "manifests") ||
        !stl_dir_is_empty(repo->fd, "blobs"))
        return 0;
    while (stl_catalog_has(gc->registry, &repo->name) && stl_catalog_remove(gc->registry, &repo->name, err))
        if (!stl_reserve_use(gc->registry, err))
            return -1;
    if (stl_repo_unmake(repo, err))
        return -1;
    gc->result->removed++;
    return 0;
}

/* --- referrers ------------------------------------------------------------------------------------------ */

/* A referrer that somebody has just given a tag stays. */
static int refuse(void *context, const struct stl_repo *repo, const struct stl_tag *tag,
                  const struct stl_digest *current, const struct stl_digest *wanted, struct stl_error *err)
{
    (void)context;
    (void)repo;
    (void)current;
    (void)wanted;
    return stl_error_set(err, STL_CONFLICT, "it has the tag %s", tag->text);
}

/* Adds to `wanted` what the tags lead to, with all that refers to it, and the children of every index. */
static void want_others(const struct stl_contents *contents, bool *wanted)
{
    for (size_t i = 0; i < contents->tag_count; i++) {
        size_t number = stl_contents_find(contents, &contents->tags[i].digest);
        if (number != STL_NOT_HELD)
            wanted[number] = true;
    }
    for (size_t i = 0; i < contents->digests.count; i++)
        for (size_t k = 0; k < contents->manifests[i].link_count; k++) {
            const struct stl_held_link *link = &contents->manifests[i].links[k];
            size_t child = link->child ? stl_contents_find(contents, &link->digest) : STL_NOT_HELD;
            if (child != STL_NOT_HELD)
                wanted[child] = true;
        }
    stl_contents_reach(contents, wanted, true);
}

static int delete_orphan(struct gc *gc, const struct stl_repo *repo, const struct stl_digest *digest,
                         struct stl_error *err)
{
    if (!gc->options->dry_run && stl_manifest_delete(repo, digest, refuse, NULL, err)) {
        if (err->code != STL_CONFLICT && err->code != STL_MANIFEST_UNKNOWN)
            return -1;
        stl_error_clear(err);
        return 0;
    }
    gc->result->referrers++;
    return 0;
}

/* Clients may push a referrer before its subject: it counts as an orphan only after the grace period. */
static int delete_orphans(struct gc *gc, const struct stl_name *name, struct stl_error *err)
{
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
    STL_AUTO_CONTENTS struct stl_contents contents = {0};
    if (!gc->registry->settings.retention.delete_orphaned_referrers)
        return 0;
    int found = stl_repo_open_if_any(&repo, gc->registry, name, err);
    if (found <= 0 || stl_contents_load(&contents, &repo, err))
        return found > 0 ? -1 : found;
    STL_AUTO_FREE bool *wanted = stl_alloc(contents.digests.count);
    want_others(&contents, wanted);
    for (size_t i = 0; i < contents.digests.count; i++) {
        const struct stl_held_manifest *held = &contents.manifests[i];
        bool orphan =
            !wanted[i] && held->has_subject && stl_contents_find(&contents, &held->subject) == STL_NOT_HELD;
        if (orphan && held->pushed.tv_sec + gc->options->grace < gc->now &&
            delete_orphan(gc, &repo, &contents.digests.items[i], err))
            return -1;
    }
    return 0;
}

/* --- the turn ------------------------------------------------------------------------------------------- */

static int act(struct turn *turn, struct stl_error *err)
{
    if (do_tasks(turn, err) || (turn->abandoned && remove_repository(turn, err)))
        return -1;
    unlinkat(turn->gc->registry->root.fd, turn->trash, AT_REMOVEDIR);
    return 0;
}

/* First without the lock: mostly there is nothing to do. */
int stl_gc_repository(struct gc *gc, const struct stl_name *name, struct stl_error *err)
{
    __attribute__((cleanup(turn_clear))) struct turn turn = {
        .gc = gc, .repo = {.registry = gc->registry, .name = *name, .fd = -1}};
    if (delete_orphans(gc, name, err) || look(&turn, err))
        return -1;
    bool idle = !turn.count && !turn.abandoned, held = turn.repo.fd >= 0;
    bool locked = !idle && !gc->options->dry_run;
    STL_AUTO_CLOSE int content =
        locked ? stl_registry_lock_within(gc->registry, STL_LOCK_CONTENT, name, gc->patience, err) : -1;
    if ((locked && (content < 0 || look(&turn, err))) || (!idle && act(&turn, err)))
        return -1;
    gc->result->repositories += held;
    return 0;
}
