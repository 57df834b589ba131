#include "picture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "listing.h"
#include "marks.h"
#include "repo.h"
#include "repos.h"

enum { LINK_TARGET_MAX = 1024, LOCK_MILLISECONDS = 2000 };

static const char *const repository_folders[] = {"_manifests", "manifests", "blobs",
                                                 "referrers",  "tags",      "_refs"};
enum {
    FOLDER_MANIFEST_FILES,
    FOLDER_MANIFESTS,
    FOLDER_BLOBS,
    FOLDER_REFERRERS,
    FOLDER_TAGS,
    FOLDER_REFS,
    FOLDERS
};

struct taking {
    struct stl_picture *picture;
    int root, v2, store;
    FILE *lists[STL_PICTURE_LISTS];
    struct stl_names catalog;
};

/* A repository whose turn it is: itself, and its folder in the picture. */
struct turn {
    struct taking *taking;
    struct stl_repo repo;
    char path[STL_PATH_MAX]; /* www/v2/<name> */
    int fd;
    struct stl_marks marks;
};

static void taking_clear(struct taking *taking)
{
    for (size_t i = 0; i < STL_PICTURE_LISTS; i++)
        if (taking->lists[i])
            fclose(taking->lists[i]);
    stl_names_clear(&taking->catalog);
    stl_close_fd(&taking->v2);
    stl_close_fd(&taking->store);
}

static void turn_clear(struct turn *turn)
{
    stl_repo_close(&turn->repo);
    stl_marks_clear(&turn->marks);
    stl_close_fd(&turn->fd);
}

char *stl_picture_list_path(const struct stl_picture *picture, enum stl_picture_list list,
                            char path[STL_PATH_MAX])
{
    snprintf(path, STL_PATH_MAX, "%s/lists/%d", picture->stage.name, (int)list);
    return path;
}

/* What goes wrong shows when the list is closed. */
static void list_live(struct taking *taking, enum stl_picture_list list, const char *path)
{
    fprintf(taking->lists[list], "%s%c", path, '\0');
    taking->picture->entries[list]++;
}

static void list_staged(struct taking *taking, enum stl_picture_list list, const char *path)
{
    fprintf(taking->lists[list], "%s/./%s%c", taking->picture->stage.name, path, '\0');
    taking->picture->entries[list]++;
}

/* The far end's folders get the modes of these. Nothing of a picture needs to be durable. */
static int enter(const struct taking *taking, int at, const char *name, struct stl_error *err)
{
    const struct stl_root *root = &taking->picture->registry->root;
    bool made = mkdirat(at, name, 0700) == 0;
    int fd = made || errno == EEXIST ? openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
    if (fd >= 0 && (!made || ((root->group == (gid_t)-1 || fchown(fd, (uid_t)-1, root->group) == 0) &&
                              fchmod(fd, root->directory_mode) == 0)))
        return fd;
    stl_error_errno(err, "cannot make folder %s of a picture", name);
    stl_close_fd(&fd);
    return -1;
}

static int enter_path(const struct taking *taking, int at, const char *path, struct stl_error *err)
{
    int fd = fcntl(at, F_DUPFD_CLOEXEC, 0);
    for (const char *rest = path; *rest && fd >= 0;) {
        size_t length = strcspn(rest, "/");
        STL_AUTO_FREE char *name = stl_strndup(rest, length);
        int next = enter(taking, fd, name, err);
        stl_close_fd(&fd);
        fd = next;
        rest += length + (rest[length] == '/');
    }
    return fd;
}

/* --- blobs ---------------------------------------------------------------------------------------------- */

/* An empty file, which stands for a blob: 1 if there was none of that name. A file has only so many links. */
static int stand_in(const struct taking *taking, int at, const char *name, struct stl_error *err)
{
    int stage = taking->picture->stage.fd;
    for (int tries = 0;; tries++) {
        if (linkat(stage, "empty", at, name, 0) == 0)
            return 1;
        if (errno == EEXIST)
            return 0;
        if (tries || (errno != EMLINK && errno != ENOENT))
            return stl_error_errno(err, "cannot link %s into a picture", name);
        unlinkat(stage, "empty", 0);
        STL_AUTO_CLOSE int fd = openat(stage, "empty", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (fd < 0)
            return stl_error_errno(err, "cannot create a file of a picture");
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
    STL_AUTO_CLOSE int folder = enter_path(taking, taking->store, path + strlen("store/"), err);
    int added = folder < 0 ? -1 : stand_in(taking, folder, slash + 1, err);
    *slash = '/';
    if (added <= 0)
        return added;
    list_live(taking, STL_PICTURE_CONTENT, path);
    taking->picture->blobs++;
    taking->picture->bytes += (uint64_t)st.st_size;
    return 0;
}

static int add_blobs(struct turn *turn, struct stl_error *err)
{
    STL_AUTO_CLOSE int folder = enter(turn->taking, turn->fd, repository_folders[FOLDER_BLOBS], err);
    if (folder < 0)
        return -1;
    for (size_t i = 0; i < turn->marks.blobs.count; i++) {
        const struct stl_digest *digest = &turn->marks.blobs.items[i];
        char text[STL_DIGEST_TEXT_MAX];
        int found = stl_repo_has_blob(&turn->repo, digest, NULL, err);
        if (found == 0)
            continue;
        STL_AUTO_FREE char *path = stl_sprintf("%s/blobs/%s", turn->path, stl_digest_format(digest, text));
        if (found < 0 || stand_in(turn->taking, folder, text, err) < 0 ||
            add_to_store(turn->taking, digest, err))
            return -1;
        list_live(turn->taking, STL_PICTURE_CONTENT, path);
    }
    return 0;
}

/* --- names ---------------------------------------------------------------------------------------------- */

static int link_file(struct turn *turn, enum stl_picture_list list, const char *folder, const char *name,
                     struct stl_error *err)
{
    STL_AUTO_FREE char *path = stl_sprintf("%s/%s", folder, name);
    STL_AUTO_FREE char *full = stl_sprintf("%s/%s", turn->path, path);
    if (linkat(turn->repo.fd, path, turn->fd, path, 0))
        return stl_error_errno(err, "cannot link %s into a picture", full);
    list_staged(turn->taking, list, full);
    return 0;
}

/* The file that manifests/<digest> leads to; 0 if there is none, which a power cut may have done: then
 * nothing may lead there. */
static int link_manifest_file(struct turn *turn, const char *digest, struct stl_error *err)
{
    char target[LINK_TARGET_MAX];
    STL_AUTO_FREE char *link = stl_sprintf("manifests/%s", digest);
    if (stl_link_read(turn->repo.fd, link, target, sizeof target) || strncmp(target, "../", 3) ||
        faccessat(turn->repo.fd, target + 3, F_OK, AT_SYMLINK_NOFOLLOW))
        return 0;
    char *slash = strrchr(target, '/');
    *slash = '\0';
    STL_AUTO_CLOSE int folder = enter_path(turn->taking, turn->fd, target + 3, err);
    return folder < 0 || link_file(turn, STL_PICTURE_CONTENT, target + 3, slash + 1, err) ? -1 : 1;
}

static int add_digest(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    struct turn *turn = context;
    (void)type;
    if (!strchr(name, ':'))
        return 0;
    int found = link_manifest_file(turn, name, err);
    if (found <= 0)
        return found;
    turn->taking->picture->manifests++;
    return link_file(turn, STL_PICTURE_DIGESTS, "manifests", name, err);
}

static int add_tag(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    struct turn *turn = context;
    char target[LINK_TARGET_MAX];
    (void)type;
    if (strchr(name, ':'))
        return 0;
    STL_AUTO_FREE char *link = stl_sprintf("manifests/%s", name);
    if (stl_link_read(turn->repo.fd, link, target, sizeof target))
        return stl_error_errno(err, "cannot read %s/%s", turn->path, link);
    STL_AUTO_FREE char *led_to = stl_sprintf("manifests/%s", target);
    if (faccessat(turn->fd, led_to, F_OK, AT_SYMLINK_NOFOLLOW))
        return 0;
    turn->taking->picture->tags++;
    return link_file(turn, STL_PICTURE_TAGS, "manifests", name, err);
}

static int add_referrers(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    (void)type;
    return link_file(context, STL_PICTURE_REFERRERS, "referrers", name, err);
}

static int add_ref(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    (void)type;
    return link_file(context, strchr(name, ':') ? STL_PICTURE_REFERRERS : STL_PICTURE_TAGS, "_refs", name,
                     err);
}

static int add_names(struct turn *turn, struct stl_error *err)
{
    int fd = turn->repo.fd;
    bool apache = turn->taking->picture->registry->settings.apache;
    if (stl_dir_each(fd, "manifests", add_digest, turn, err) ||
        stl_dir_each(fd, "manifests", add_tag, turn, err) ||
        stl_dir_each(fd, "referrers", add_referrers, turn, err) ||
        (apache && stl_dir_each(fd, "_refs", add_ref, turn, err)))
        return -1;
    return link_file(turn, STL_PICTURE_TAG_LISTS, "tags", "list", err);
}

/* --- repositories --------------------------------------------------------------------------------------- */

static int is_digest_link(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    (void)context;
    (void)type;
    (void)err;
    return strchr(name, ':') != NULL;
}

/* All of its folders, also those in which nothing is. */
static int enter_repository(struct turn *turn, struct stl_error *err)
{
    struct taking *taking = turn->taking;
    size_t count = taking->picture->registry->settings.apache ? FOLDERS : FOLDER_REFS;
    turn->fd = enter_path(taking, taking->v2, turn->repo.name.text, err);
    for (size_t i = 0; i < count && turn->fd >= 0; i++) {
        STL_AUTO_FREE char *path = stl_sprintf("%s/%s", turn->path, repository_folders[i]);
        STL_AUTO_CLOSE int folder = enter(taking, turn->fd, repository_folders[i], err);
        if (folder < 0)
            return -1;
        list_staged(taking, STL_PICTURE_CONTENT, path);
    }
    return turn->fd < 0 ? -1 : 0;
}

static int take_locked(struct turn *turn, struct stl_error *err)
{
    const struct stl_registry *registry = turn->repo.registry;
    int found = stl_repo_open_if_any(&turn->repo, registry, &turn->repo.name, err);
    if (found <= 0)
        return found;
    found = stl_dir_each(turn->repo.fd, "manifests", is_digest_link, NULL, err);
    if (found <= 0 || faccessat(turn->repo.fd, "tags/list", F_OK, AT_SYMLINK_NOFOLLOW))
        return found < 0 ? -1 : 0; /* empty, or in the middle of its first push */
    turn->taking->picture->repositories++;
    stl_names_add(&turn->taking->catalog, turn->repo.name.text);
    if (enter_repository(turn, err) || add_names(turn, err) ||
        stl_marks_add(&turn->marks, turn->fd, repository_folders[FOLDER_MANIFEST_FILES], NULL, err))
        return -1;
    return add_blobs(turn, err);
}

/* Alone with it, unless pushes follow each other without a pause: then a manifest may be in the picture
 * before it is on the list of its subject's referrers. */
static int lock_content(const struct stl_registry *registry, const struct stl_name *name,
                        struct stl_error *err)
{
    int lock = stl_registry_lock_within(registry, STL_LOCK_CONTENT, name, LOCK_MILLISECONDS, err);
    if (lock >= 0 || err->code != STL_UNAVAILABLE)
        return lock;
    stl_error_clear(err);
    return stl_registry_lock(registry, STL_LOCK_CONTENT, name, false, err);
}

/* Mostly, all manifests have been read before the repository is locked. */
static int take_repository(struct taking *taking, const struct stl_name *name, struct stl_error *err)
{
    const struct stl_registry *registry = taking->picture->registry;
    __attribute__((cleanup(turn_clear))) struct turn turn = {
        .taking = taking, .repo = {.registry = registry, .name = *name, .fd = -1}, .fd = -1};
    stl_path_repository(name, turn.path);
    STL_AUTO_FREE char *manifests = stl_sprintf("%s/_manifests", turn.path);
    if (stl_marks_add(&turn.marks, taking->root, manifests, NULL, err))
        return -1;
    STL_AUTO_CLOSE int content = lock_content(registry, name, err);
    STL_AUTO_CLOSE int lists =
        content < 0 ? -1 : stl_registry_lock(registry, STL_LOCK_LISTS, name, true, err);
    return lists < 0 ? -1 : take_locked(&turn, err);
}

/* --- the rest ------------------------------------------------------------------------------------------- */

static int write_staged(const struct taking *taking, const char *path, const char *text,
                        struct stl_error *err)
{
    const struct stl_root *root = &taking->picture->registry->root;
    STL_AUTO_CLOSE int fd =
        openat(taking->picture->stage.fd, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || (root->group != (gid_t)-1 && fchown(fd, (uid_t)-1, root->group)) ||
        fchmod(fd, root->file_mode))
        return stl_error_errno(err, "cannot create %s of a picture", path);
    return stl_write_all(fd, text, strlen(text), err);
}

static int add_catalog(struct taking *taking, struct stl_error *err)
{
    STL_AUTO_BUF struct stl_buf text = STL_BUF_INIT;
    if (stl_listing_render(NULL, (const char **)taking->catalog.items, taking->catalog.count, &text, err) ||
        write_staged(taking, "www/v2/_catalog", text.data, err))
        return -1;
    list_staged(taking, STL_PICTURE_CATALOG, "www/v2/_catalog");
    return 0;
}

/* The fixed answers, and what lies directly in www/. The picture has the former, so that they are not
 * removed. */
static int add_answer(struct taking *taking, const char *name, struct stl_error *err)
{
    STL_AUTO_FREE char *path = stl_sprintf("www/v2/%s", name);
    if (linkat(taking->root, path, taking->v2, name, 0))
        return stl_error_errno(err, "cannot link %s into a picture", path);
    list_staged(taking, STL_PICTURE_CATALOG, path);
    return 0;
}

static int add_page(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    struct taking *taking = context;
    struct stat st;
    STL_AUTO_FREE char *path = stl_sprintf("www/%s", name);
    (void)type;
    (void)err;
    if (name[0] != '.' && fstatat(taking->root, path, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode))
        list_live(taking, STL_PICTURE_CATALOG, path);
    return 0;
}

static int add_base(struct taking *taking, struct stl_error *err)
{
    static const char *const folders[] = {"auth",  "imports", "locks",        "locks/content", "locks/lists",
                                          "log",   "store",   "store/sha256", "store/sha512",  "tmp",
                                          "trash", "uploads", "www",          "www/v2"};
    if (write_staged(taking, "frozen", STL_REPLICA_REASON, err))
        return -1;
    list_staged(taking, STL_PICTURE_BASE, "frozen");
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        if (faccessat(taking->root, folders[i], F_OK, AT_SYMLINK_NOFOLLOW) == 0)
            list_live(taking, STL_PICTURE_BASE, folders[i]);
    list_live(taking, STL_PICTURE_BASE, "registry.yaml");
    return 0;
}

static int open_lists(struct taking *taking, struct stl_error *err)
{
    STL_AUTO_CLOSE int lists = enter(taking, taking->picture->stage.fd, "lists", err);
    for (int i = 0; i < STL_PICTURE_LISTS && lists >= 0; i++) {
        STL_AUTO_FREE char *name = stl_sprintf("%d", i);
        int fd = openat(lists, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        taking->lists[i] = fd < 0 ? NULL : fdopen(fd, "w");
        if (!taking->lists[i])
            return stl_error_errno(err, "cannot create a list of a picture");
    }
    return lists < 0 ? -1 : 0;
}

static int close_lists(struct taking *taking, struct stl_error *err)
{
    for (size_t i = 0; i < STL_PICTURE_LISTS; i++) {
        bool failed = ferror(taking->lists[i]);
        if (fclose(stl_steal(taking->lists[i])) || failed)
            return stl_error_errno(err, "cannot write a list of a picture");
    }
    return 0;
}

static int take_repositories(struct taking *taking, struct stl_error *err)
{
    STL_AUTO_NAMES struct stl_names names = {0};
    if (stl_repos_list(taking->picture->registry, &names, err))
        return -1;
    for (size_t i = 0; i < names.count; i++) {
        struct stl_name name;
        if (stl_name_parse(names.items[i], &name, err) || take_repository(taking, &name, err))
            return stl_error_context(err, "%s", names.items[i]);
    }
    return 0;
}

static int make_folders(struct taking *taking, struct stl_error *err)
{
    int stage = taking->picture->stage.fd;
    taking->v2 = enter_path(taking, stage, "www/v2", err);
    taking->store = taking->v2 < 0 ? -1 : enter(taking, stage, "store", err);
    for (int i = STL_SHA256; i <= STL_SHA512 && taking->store >= 0; i++) {
        STL_AUTO_CLOSE int folder =
            enter(taking, taking->store, stl_algorithm_name((enum stl_algorithm)i), err);
        if (folder < 0)
            return -1;
    }
    return taking->store < 0 ? -1 : 0;
}

static int take(struct taking *taking, struct stl_error *err)
{
    if (make_folders(taking, err) || open_lists(taking, err) || add_base(taking, err) ||
        take_repositories(taking, err) || add_catalog(taking, err) || add_answer(taking, "_ping", err) ||
        add_answer(taking, "_no_referrers", err) || stl_dir_each(taking->root, "www", add_page, taking, err))
        return -1;
    return close_lists(taking, err);
}

int stl_picture_take(struct stl_picture *picture, const struct stl_registry *registry, struct stl_error *err)
{
    __attribute__((cleanup(taking_clear))) struct taking taking = {
        .picture = picture, .root = registry->root.fd, .v2 = -1, .store = -1};
    *picture = (struct stl_picture)STL_PICTURE_INIT;
    picture->registry = registry;
    if (stl_stage_begin(&registry->root, &picture->stage, err) == 0 && take(&taking, err) == 0)
        return 0;
    stl_picture_end(picture);
    return -1;
}

void stl_picture_end(struct stl_picture *picture)
{
    stl_stage_end(&picture->stage);
}

int stl_picture_is_whole(const struct stl_picture *picture, enum stl_picture_list list, bool *whole,
                         struct stl_error *err)
{
    char path[STL_PATH_MAX];
    char *entry = NULL;
    size_t size = 0;
    int root = picture->registry->root.fd;
    int fd = openat(root, stl_picture_list_path(picture, list, path), O_RDONLY | O_CLOEXEC);
    FILE *names = fd < 0 ? NULL : fdopen(fd, "r");
    if (!names)
        return stl_error_errno(err, "cannot read %s", path);
    *whole = true;
    while (*whole && getdelim(&entry, &size, '\0', names) > 0)
        *whole = faccessat(root, entry, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
    fclose(names);
    free(entry);
    return 0;
}

int stl_picture_lock(const struct stl_registry *registry, const char *target, struct stl_error *err)
{
    struct stl_digest digest;
    char text[STL_DIGEST_TEXT_MAX];
    stl_digest_of(STL_SHA256, target, strlen(target), &digest);
    STL_AUTO_FREE char *path =
        stl_sprintf("locks/replicate~%.16s", stl_digest_format(&digest, text) + strlen("sha256:"));
    int fd = openat(registry->root.fd, path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC,
                    registry->root.file_mode & 0660);
    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
        return fd;
    if (fd >= 0 && errno == EWOULDBLOCK)
        stl_error_set(err, STL_UNAVAILABLE, "the registry is being replicated to %s already", target);
    else
        stl_error_errno(err, "cannot lock %s", path);
    stl_close_fd(&fd);
    return -1;
}
