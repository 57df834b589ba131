#include "picture-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "listing.h"

static void taking_clear(struct taking *taking)
{
    for (size_t i = 0; i < STL_PICTURE_LISTS; i++)
        if (taking->lists[i])
            fclose(taking->lists[i]);
    stl_names_clear(&taking->catalog);
    stl_close_fd(&taking->v2);
    stl_close_fd(&taking->store);
}

char *stl_picture_list_path(const struct stl_picture *picture, enum stl_picture_list list,
                            char path[STL_PATH_MAX])
{
    snprintf(path, STL_PATH_MAX, "%s/lists/%d", picture->stage.name, (int)list);
    return path;
}

void stl_picture_list_live(struct taking *taking, enum stl_picture_list list, const char *path)
{
    fprintf(taking->lists[list], "%s%c", path, '\0');
    taking->picture->entries[list]++;
}

void stl_picture_list_staged(struct taking *taking, enum stl_picture_list list, const char *path)
{
    fprintf(taking->lists[list], "%s/./%s%c", taking->picture->stage.name, path, '\0');
    taking->picture->entries[list]++;
}

int stl_picture_enter(const struct taking *taking, int at, const char *name, struct stl_error *err)
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

int stl_picture_enter_path(const struct taking *taking, int at, const char *path, struct stl_error *err)
{
    int fd = fcntl(at, F_DUPFD_CLOEXEC, 0);
    for (const char *rest = path; *rest && fd >= 0;) {
        size_t length = strcspn(rest, "/");
        STL_AUTO_FREE char *name = stl_strndup(rest, length);
        int next = stl_picture_enter(taking, fd, name, err);
        stl_close_fd(&fd);
        fd = next;
        rest += length + (rest[length] == '/');
    }
    return fd;
}

/* --- what is no repository's --------------------------------------------------------------------------- */

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
    stl_picture_list_staged(taking, STL_PICTURE_CATALOG, "www/v2/_catalog");
    return 0;
}

/* The fixed answers, and what lies directly in www/. The picture has the former, so that they are not
 * removed. */
static int add_answer(struct taking *taking, const char *name, struct stl_error *err)
{
    STL_AUTO_FREE char *path = stl_sprintf("www/v2/%s", name);
    if (linkat(taking->root, path, taking->v2, name, 0))
        return stl_error_errno(err, "cannot link %s into a picture", path);
    stl_picture_list_staged(taking, STL_PICTURE_CATALOG, path);
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
        stl_picture_list_live(taking, STL_PICTURE_CATALOG, path);
    return 0;
}

static int add_base(struct taking *taking, struct stl_error *err)
{
    static const char *const folders[] = {"auth",  "imports", "locks",        "locks/content", "locks/lists",
                                          "log",   "store",   "store/sha256", "store/sha512",  "tmp",
                                          "trash", "uploads", "www",          "www/v2"};
    if (write_staged(taking, "frozen", STL_REPLICA_REASON, err))
        return -1;
    stl_picture_list_staged(taking, STL_PICTURE_BASE, "frozen");
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        if (faccessat(taking->root, folders[i], F_OK, AT_SYMLINK_NOFOLLOW) == 0)
            stl_picture_list_live(taking, STL_PICTURE_BASE, folders[i]);
    stl_picture_list_live(taking, STL_PICTURE_BASE, "registry.yaml");
    return 0;
}

static int open_lists(struct taking *taking, struct stl_error *err)
{
    STL_AUTO_CLOSE int lists = stl_picture_enter(taking, taking->picture->stage.fd, "lists", err);
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
        if (stl_name_parse(names.items[i], &name, err) || stl_picture_take_repository(taking, &name, err))
            return stl_error_context(err, "%s", names.items[i]);
    }
    return 0;
}

static int make_folders(struct taking *taking, struct stl_error *err)
{
    int stage = taking->picture->stage.fd;
    taking->v2 = stl_picture_enter_path(taking, stage, "www/v2", err);
    taking->store = taking->v2 < 0 ? -1 : stl_picture_enter(taking, stage, "store", err);
    for (int i = STL_SHA256; i <= STL_SHA512 && taking->store >= 0; i++) {
        STL_AUTO_CLOSE int folder =
            stl_picture_enter(taking, taking->store, stl_algorithm_name((enum stl_algorithm)i), err);
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
