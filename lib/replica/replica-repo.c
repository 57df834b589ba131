/* Makes one repository of a replica: its blobs, and the names that lead to them. */
#include "replica-run.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "about.h"
#include "reachable.h"
#include "replica.h"
#include "repo.h"

enum { LINK_TARGET_MAX = 1024, LOCK_MILLISECONDS = 2000 };

/* The repository that is being taken, and its folder in the replica. */
struct replica_repo {
    struct taking *taking;
    struct stl_repo repo;
    char path[STL_PATH_MAX]; /* www/v2/<name> */
    int fd;
    struct stl_reachable reachable;
};

static void replica_repo_clear(struct replica_repo *turn)
{
    stl_repo_close(&turn->repo);
    stl_reachable_clear(&turn->reachable);
    stl_close_fd(&turn->fd);
}

/* --- blobs ---------------------------------------------------------------------------------------------- */

/* Makes an empty file that stands for a blob: returns 1 if there was none of that name. The number of links
 * to a file is limited. */
static int stand_in(const struct taking *taking, int at, const char *name, struct stl_error *err)
{
    int stage = taking->replica->stage.fd;
    for (int tries = 0;; tries++) {
        if (linkat(stage, "empty", at, name, 0) == 0)
            return 1;
        if (errno == EEXIST)
            return 0;
        if (tries || (errno != EMLINK && errno != ENOENT))
            return stl_error_errno(err, "cannot link %s into a replica", name);
        unlinkat(stage, "empty", 0);
        STL_AUTO_CLOSE int fd = openat(stage, "empty", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (fd < 0)
            return stl_error_errno(err, "cannot create a file of a replica");
    }
}

static int add_to_store(struct taking *taking, const struct stl_digest *digest, struct stl_error *err)
{
    char path[STL_PATH_MAX];
    struct stat st;
    stl_path_store(digest, path);
    if (fstatat(taking->root, path, &st, AT_SYMLINK_NOFOLLOW)) /* then the repository has a copy */
        return errno == ENOENT ? 0 : stl_error_errno(err, "cannot look at %s", path);
    char *slash = strrchr(path, '/');
    *slash = '\0';
    STL_AUTO_CLOSE int folder =
        stl_replica_enter_path(taking, taking->store, path + strlen(STL_STORE "/"), err);
    int added = folder < 0 ? -1 : stand_in(taking, folder, slash + 1, err);
    *slash = '/';
    if (added <= 0)
        return added;
    stl_replica_list_live(taking, STL_REPLICA_CONTENT, path);
    taking->replica->blobs++;
    taking->replica->bytes += (uint64_t)st.st_size;
    return 0;
}

static int add_blobs(struct replica_repo *turn, struct stl_error *err)
{
    STL_AUTO_CLOSE int folder = stl_replica_enter(turn->taking, turn->fd, STL_REPO_BLOBS, err);
    if (folder < 0)
        return -1;
    for (size_t i = 0; i < turn->reachable.blobs.count; i++) {
        const struct stl_digest *digest = &turn->reachable.blobs.items[i];
        char text[STL_DIGEST_TEXT_MAX];
        int found = stl_repo_has_blob(&turn->repo, digest, NULL, err);
        if (found == 0)
            continue;
        STL_AUTO_FREE char *path =
            stl_sprintf("%s/" STL_REPO_BLOBS "/%s", turn->path, stl_digest_format(digest, text));
        if (found < 0 || stand_in(turn->taking, folder, text, err) < 0 ||
            add_to_store(turn->taking, digest, err))
            return -1;
        stl_replica_list_live(turn->taking, STL_REPLICA_CONTENT, path);
    }
    return 0;
}

/* --- names ---------------------------------------------------------------------------------------------- */

static int link_file(struct replica_repo *turn, enum stl_replica_list list, const char *folder,
                     const char *name, struct stl_error *err)
{
    STL_AUTO_FREE char *path = stl_sprintf("%s/%s", folder, name);
    STL_AUTO_FREE char *full = stl_sprintf("%s/%s", turn->path, path);
    if (linkat(turn->repo.fd, path, turn->fd, path, 0))
        return stl_error_errno(err, "cannot link %s into a replica", full);
    stl_replica_list_staged(turn->taking, list, full);
    return 0;
}

/* Whether a file of the repository, or of its replica, is there: 1, 0 or -1. */
static int look_for(const struct replica_repo *turn, int at, const char *path, struct stl_error *err)
{
    if (faccessat(at, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        return 1;
    return errno == ENOENT ? 0 : stl_error_errno(err, "cannot look for %s/%s", turn->path, path);
}

/* Finds the file that manifests/<digest> leads to. Returns 0 if there is none, as after a power cut: then the
 * replica gets no link either. */
static int link_manifest_file(struct replica_repo *turn, const char *digest, struct stl_error *err)
{
    char target[LINK_TARGET_MAX];
    char link[STL_PATH_MAX];
    stl_path_reference(digest, link);
    if (stl_link_read(turn->repo.fd, link, target, sizeof target))
        return errno == ENOENT || errno == EINVAL
                   ? 0
                   : stl_error_errno(err, "cannot read %s/%s", turn->path, link);
    if (strncmp(target, "../", 3))
        return 0;
    int found = look_for(turn, turn->repo.fd, target + 3, err);
    if (found <= 0)
        return found;
    char *slash = strrchr(target, '/');
    *slash = '\0';
    STL_AUTO_CLOSE int folder = stl_replica_enter_path(turn->taking, turn->fd, target + 3, err);
    return folder < 0 || link_file(turn, STL_REPLICA_CONTENT, target + 3, slash + 1, err) ? -1 : 1;
}

static int link_digest(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    struct replica_repo *turn = context;
    (void)type;
    if (!strchr(name, ':'))
        return 0;
    int found = link_manifest_file(turn, name, err);
    if (found <= 0)
        return found;
    turn->taking->replica->manifests++;
    return link_file(turn, STL_REPLICA_DIGESTS, STL_REPO_LINKS, name, err);
}

static int add_tag(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    struct replica_repo *turn = context;
    char target[LINK_TARGET_MAX];
    (void)type;
    if (strchr(name, ':'))
        return 0;
    char link[STL_PATH_MAX];
    stl_path_reference(name, link);
    if (stl_link_read(turn->repo.fd, link, target, sizeof target))
        return stl_error_errno(err, "cannot read %s/%s", turn->path, link);
    char led_to[STL_PATH_MAX];
    stl_path_reference(target, led_to);
    int found = look_for(turn, turn->fd, led_to, err);
    if (found <= 0)
        return found;
    turn->taking->replica->tags++;
    return link_file(turn, STL_REPLICA_TAGS, STL_REPO_LINKS, name, err);
}

static int link_referrers(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    (void)type;
    return link_file(context, STL_REPLICA_REFERRERS, STL_REPO_REFERRERS, name, err);
}

static int add_ref(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    (void)type;
    return link_file(context, strchr(name, ':') ? STL_REPLICA_REFERRERS : STL_REPLICA_TAGS, STL_REPO_REFS,
                     name, err);
}

static int add_names(struct replica_repo *turn, struct stl_error *err)
{
    int fd = turn->repo.fd;
    bool apache = turn->taking->replica->registry->settings.apache;
    if (stl_dir_each_file(fd, STL_REPO_LINKS, link_digest, turn, err))
        return -1;
    if (stl_dir_each_file(fd, STL_REPO_LINKS, add_tag, turn, err))
        return -1;
    if (stl_dir_each_file(fd, STL_REPO_REFERRERS, link_referrers, turn, err))
        return -1;
    if (apache && stl_dir_each(fd, STL_REPO_REFS, add_ref, turn, err))
        return -1;
    int about = stl_about_find(fd, err);
    if (about < 0 || (about && link_file(turn, STL_REPLICA_TAG_LISTS, STL_REPO_TAGS, STL_ABOUT, err)))
        return -1;
    return link_file(turn, STL_REPLICA_TAG_LISTS, STL_REPO_TAGS, "list", err);
}

/* --- repositories --------------------------------------------------------------------------------------- */

static int is_digest_link(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    (void)context;
    (void)type;
    (void)err;
    return strchr(name, ':') != NULL;
}

/* All of its folders, including empty ones. */
static int enter_repository(struct replica_repo *turn, struct stl_error *err)
{
    struct taking *taking = turn->taking;
    bool apache = taking->replica->registry->settings.apache;
    turn->fd = stl_replica_enter_path(taking, taking->v2, turn->repo.name.text, err);
    for (size_t i = 0; i < STL_REPO_FOLDERS && turn->fd >= 0; i++) {
        const struct stl_repo_folder *own = &stl_repo_folders[i];
        if (own->optional && !apache)
            continue;
        STL_AUTO_FREE char *path = stl_sprintf("%s/%s", turn->path, own->name);
        STL_AUTO_CLOSE int folder = stl_replica_enter(taking, turn->fd, own->name, err);
        if (folder < 0)
            return -1;
        stl_replica_list_staged(taking, STL_REPLICA_CONTENT, path);
    }
    return turn->fd < 0 ? -1 : 0;
}

static int take_locked(struct replica_repo *turn, struct stl_error *err)
{
    const struct stl_registry *registry = turn->repo.registry;
    int found = stl_repo_open_if_any(&turn->repo, registry, &turn->repo.name, err);
    if (found <= 0)
        return found;
    found = stl_dir_each_file(turn->repo.fd, STL_REPO_LINKS, is_digest_link, NULL, err);
    found = found == 0 ? stl_about_find(turn->repo.fd, err) : found;
    found = found > 0 ? look_for(turn, turn->repo.fd, STL_REPO_TAG_LIST, err) : found;
    if (found <= 0)
        return found; /* empty, or in the middle of its first push */
    turn->taking->replica->repositories++;
    stl_names_add(&turn->taking->catalog, turn->repo.name.text);
    if (enter_repository(turn, err) || add_names(turn, err) ||
        stl_reachable_add(&turn->reachable, turn->fd, STL_REPO_MANIFESTS, NULL, err))
        return -1;
    return add_blobs(turn, err);
}

/* Takes the repository under its lock, unless pushes follow each other without a pause: then a manifest may
 * be in the replica before it is on the list of its subject's referrers. */
static int lock_content(const struct stl_registry *registry, const struct stl_name *name,
                        struct stl_error *err)
{
    int lock = stl_registry_lock_within(registry, STL_LOCK_CONTENT, name, LOCK_MILLISECONDS, err);
    if (lock >= 0 || err->code != STL_UNAVAILABLE)
        return lock;
    stl_error_clear(err);
    return stl_registry_lock(registry, STL_LOCK_CONTENT, name, false, err);
}

/* Usually all manifests have been read by the time the repository is locked. */
int stl_replica_take_repository(struct taking *taking, const struct stl_name *name, struct stl_error *err)
{
    const struct stl_registry *registry = taking->replica->registry;
    __attribute__((cleanup(replica_repo_clear))) struct replica_repo turn = {
        .taking = taking, .repo = {.registry = registry, .name = *name, .fd = -1, .lock = -1}, .fd = -1};
    stl_path_repository(name, turn.path);
    STL_AUTO_FREE char *manifests = stl_sprintf("%s/" STL_REPO_MANIFESTS, turn.path);
    if (stl_reachable_add(&turn.reachable, taking->root, manifests, NULL, err))
        return -1;
    STL_AUTO_CLOSE int content = lock_content(registry, name, err);
    STL_AUTO_CLOSE int lists =
        content < 0 ? -1 : stl_registry_lock(registry, STL_LOCK_LISTS, name, true, err);
    return lists < 0 ? -1 : take_locked(&turn, err);
}
