/* Cleans one repository: its blobs, its blobs in the trash, and the repository itself if it is empty. */
#include "gc-run.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "about.h"
#include "details.h"
#include "gc.h"
#include "listing.h"
#include "publication.h"
#include "repo-contents.h"
#include "reserve.h"
#include "trash.h"

enum deed { DEED_SET_ASIDE, DEED_DELETE, DEED_RECALL, DEED_EMPTY }; /* the last two: from the trash */

struct task {
    enum deed deed;
    struct stl_digest digest;
    struct stat st;
};

struct gc_repo {
    struct gc *gc;
    struct stl_repo repo; /* fd -1: the repository does not exist, but the trash has something of it */
    struct gc_marks reachable;
    char trash[STL_PATH_MAX]; /* trash/blobs/<name> */
    struct task *tasks;
    size_t count;
    size_t blobs;   /* how many stay in the repository */
    bool abandoned; /* it is empty, was not created as such, and has not been used within the grace period */
};

static void gc_repo_clear(struct gc_repo *turn)
{
    stl_repo_close(&turn->repo);
    stl_reachable_clear(&turn->reachable.all);
    free(turn->tasks);
}

static void add_task(struct gc_repo *turn, enum deed deed, const struct stl_digest *digest,
                     const struct stat *st)
{
    stl_grow(turn->tasks, turn->count);
    turn->tasks[turn->count++] = (struct task){deed, *digest, *st};
}

/* --- looking -------------------------------------------------------------------------------------------- */

static int clean_blob(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    struct gc_repo *turn = context;
    struct stl_digest digest;
    struct stat st;
    size_t number;
    (void)type;
    STL_AUTO_FREE char *path = stl_sprintf(STL_REPO_BLOBS "/%s", name);
    int found = stl_blob_look(turn->repo.fd, path, &digest, &st, err);
    if (found < 0)
        return -1;
    if (found && !stl_digestset_find(&turn->reachable.all.blobs, &digest, &number) &&
        stl_gc_is_old(turn->gc, &digest, &st))
        add_task(turn, turn->gc->options->grace ? DEED_SET_ASIDE : DEED_DELETE, &digest, &st);
    else
        turn->blobs++;
    return 0;
}

/* A blob that a manifest of the repository names belongs there, and once it is there again, not here; a blob
 * that another manifest names, in the trash or in a snapshot, stays here until that is restored: a client may
 * have deleted the blob itself. */
static int visit_trashed(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    struct gc_repo *turn = context;
    struct stl_digest digest;
    struct stat st;
    size_t number;
    (void)type;
    STL_AUTO_FREE char *path = stl_sprintf("%s/%s", turn->trash, name);
    int found = stl_blob_look(turn->gc->registry->root.fd, path, &digest, &st, err);
    if (found <= 0)
        return found;
    bool named = stl_digestset_find(&turn->reachable.all.blobs, &digest, &number);
    bool own = named && turn->repo.fd >= 0 && turn->reachable.own && number < turn->reachable.own_blobs;
    int there = own ? stl_repo_has_blob(&turn->repo, &digest, NULL, err) : 0;
    if (there < 0)
        return -1;
    if (own && there == 0)
        add_task(turn, DEED_RECALL, &digest, &st);
    else if ((!named || there == 1) && stl_gc_is_old(turn->gc, &digest, &st))
        add_task(turn, DEED_EMPTY, &digest, &st);
    return 0;
}

/* Whether a folder has changed within the grace period. */
static bool is_young(const struct gc_repo *turn, const char *folder)
{
    const struct gc *gc = turn->gc;
    struct stat st;
    return gc->options->grace && fstatat(turn->repo.fd, folder, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
           st.st_mtime + gc->options->grace >= gc->now;
}

static bool is_abandoned(struct gc_repo *turn)
{
    if (turn->repo.fd < 0 || turn->blobs || turn->reachable.own || stl_about_exists(turn->repo.fd) ||
        faccessat(turn->repo.fd, STL_REPO_MANIFESTS, F_OK, AT_SYMLINK_NOFOLLOW) ||
        !stl_dir_has_no_file(turn->repo.fd, STL_REPO_LINKS))
        return false;
    if (is_young(turn, "."))
        return false;
    for (size_t i = 0; i < STL_REPO_FOLDERS; i++)
        if (!stl_repo_folders[i].optional && is_young(turn, stl_repo_folders[i].name))
            return false;
    return true;
}

static int find_tasks(struct gc_repo *turn, struct stl_error *err)
{
    int root = turn->gc->registry->root.fd;
    turn->count = turn->blobs = 0;
    stl_repo_close(&turn->repo);
    if (stl_repo_open_folder(&turn->repo, turn->gc->registry, &turn->repo.name, err) < 0)
        return -1;
    stl_path_flat(STL_TRASH_BLOBS, &turn->repo.name, turn->trash);
    if (stl_gc_mark(turn->gc, &turn->repo.name, &turn->reachable, err) ||
        stl_dir_each_if_any(root, turn->trash, visit_trashed, turn, err) ||
        (turn->repo.fd >= 0 &&
         stl_dir_each_file_if_any(turn->repo.fd, STL_REPO_BLOBS, clean_blob, turn, err)))
        return -1;
    turn->abandoned = is_abandoned(turn);
    return 0;
}

/* --- changing ------------------------------------------------------------------------------------------- */

/* Records the ctime that our change gave the blob, under any of its names. */
static void note_touch(struct gc *gc, const struct task *task, int at, const char *path)
{
    struct stat st;
    if (fstatat(at, path, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_ino == task->st.st_ino)
        stl_gc_touch(gc, &task->digest)->left = st.st_ctim;
}

static void count_deleted(struct gc *gc, const struct task *task)
{
    if (task->st.st_nlink != 1) { /* otherwise a copy, without any other link to wait for */
        stl_gc_touch(gc, &task->digest)->unlinked++;
        return;
    }
    gc->result->freed.count++;
    gc->result->freed.bytes += (uint64_t)task->st.st_size;
}

static int delete_blob(struct gc_repo *turn, const struct task *task, int at, const char *path,
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

static int set_aside(struct gc_repo *turn, const struct task *task, const char *trashed,
                     struct stl_error *err)
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

/* If the quota was filled after the blob was deleted, room has to be made first. Until then it stays in the
 * trash. */
static int recall(struct gc_repo *turn, const struct stl_digest *digest, struct stl_error *err)
{
    if (stl_trash_recall_blob(&turn->repo, digest, err) >= 0)
        return 0;
    if (err->code != STL_DENIED)
        return -1;
    stl_error_clear(err);
    return 0;
}

static int do_task(struct gc_repo *turn, const struct task *task, struct stl_error *err)
{
    char text[STL_DIGEST_TEXT_MAX];
    stl_digest_format(&task->digest, text);
    STL_AUTO_FREE char *own = stl_sprintf(STL_REPO_BLOBS "/%s", text);
    STL_AUTO_FREE char *trashed = stl_sprintf("%s/%s", turn->trash, text);
    switch (task->deed) {
    case DEED_SET_ASIDE:
        return set_aside(turn, task, trashed, err);
    case DEED_DELETE:
        return delete_blob(turn, task, turn->repo.fd, own, err);
    case DEED_EMPTY:
        return delete_blob(turn, task, turn->gc->registry->root.fd, trashed, err);
    default:
        return turn->gc->options->dry_run ? 0 : recall(turn, &task->digest, err);
    }
}

/* On a full disk, blobs for which the trash has no space are left for another run, and the rest goes on. */
static int do_tasks(struct gc_repo *turn, struct stl_error *err)
{
    struct stl_error full = STL_ERROR_INIT;
    for (size_t i = 0; i < turn->count; i++) {
        while (do_task(turn, &turn->tasks[i], err) < 0) {
            if (stl_reserve_use(turn->gc->registry, err))
                continue;
            if (err->code != STL_NO_SPACE)
                return -1;
            full = *err;
            stl_error_clear(err);
            break;
        }
    }
    *err = full;
    return full.code ? -1 : 0;
}

/* A push holds a lock until it is done. */
static int remove_repository(struct gc_repo *turn, struct stl_error *err)
{
    const struct gc *gc = turn->gc;
    const struct stl_repo *repo = &turn->repo;
    if (gc->options->dry_run) {
        gc->result->removed++;
        return 0;
    }
    STL_AUTO_CLOSE int lists = stl_reserve_lock(gc->registry, STL_LOCK_LISTS, &repo->name, gc->patience, err);
    if (lists < 0)
        return -1;
    STL_AUTO_CLOSE int pushes = stl_reserve_lock(gc->registry, STL_LOCK_REPOSITORY, &repo->name, 1, err);
    if (pushes < 0 && err->code != STL_UNAVAILABLE)
        return -1;
    stl_error_clear(err);
    if (pushes < 0 || !stl_dir_has_no_file(repo->fd, STL_REPO_LINKS) ||
        !stl_dir_has_no_file(repo->fd, STL_REPO_BLOBS) || stl_about_exists(repo->fd))
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

/* A referrer that has just been tagged is kept. */
static int refuse_tag(void *context, const struct stl_repo *repo, const struct stl_tag *tag,
                      const struct stl_digest *current, const struct stl_digest *wanted,
                      struct stl_error *err)
{
    (void)context;
    (void)repo;
    (void)current;
    (void)wanted;
    return stl_error_set(err, STL_CONFLICT, "it has the tag %s", tag->text);
}

/* Adds to `wanted` what the tags lead to, with everything that refers to it, and the children of every
 * index. */
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
    STL_AUTO_PUBLICATION struct stl_publication publication = STL_PUBLICATION_INIT;
    stl_publication_begin(&publication, repo);
    publication.guard = refuse_tag;
    stl_publication_delete_manifest(&publication, digest);
    if (!gc->options->dry_run && stl_publication_commit(&publication, err)) {
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

/* --- one repository ------------------------------------------------------------------------------------- */

static int act(struct gc_repo *turn, struct stl_error *err)
{
    if (do_tasks(turn, err) || (turn->abandoned && remove_repository(turn, err)))
        return -1;
    unlinkat(turn->gc->registry->root.fd, turn->trash, AT_REMOVEDIR);
    return 0;
}

/* First without the lock: usually there is nothing to do. */
int stl_gc_repository(struct gc *gc, const struct stl_name *name, struct stl_error *err)
{
    __attribute__((cleanup(gc_repo_clear))) struct gc_repo turn = {
        .gc = gc, .repo = {.registry = gc->registry, .name = *name, .fd = -1, .lock = -1}};
    if (delete_orphans(gc, name, err) || find_tasks(&turn, err))
        return -1;
    bool idle = !turn.count && !turn.abandoned, held = turn.repo.fd >= 0;
    bool locked = !idle && !gc->options->dry_run;
    STL_AUTO_CLOSE int content =
        locked ? stl_reserve_lock(gc->registry, STL_LOCK_CONTENT, name, gc->patience, err) : -1;
    if ((locked && (content < 0 || find_tasks(&turn, err))) || (!idle && act(&turn, err)))
        return -1;
    if (held && !gc->options->dry_run)
        stl_details_renew_stale(gc->registry, name, gc->patience);
    gc->result->repositories += held;
    return 0;
}
