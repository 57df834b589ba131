#include "dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "mem.h"

enum {
    DIRECTORY_FLAGS = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
    ENTRIES = 32 << 10, /* bytes of entries that are read at a time */
};

/* Copies the next component of *path to `name`, and moves *path on. Returns false at the end. */
static bool next_component(const char **path, char name[NAME_MAX + 2])
{
    *path += strspn(*path, "/");
    size_t length = strcspn(*path, "/");
    if (length == 0)
        return false;
    if (length > NAME_MAX + 1)
        length = NAME_MAX + 1; /* no name can be this long */
    memcpy(name, *path, length);
    name[length] = '\0';
    *path += strcspn(*path, "/");
    return true;
}

/* For kernels without openat2(2), and for sandboxes that deny it. */
static int open_by_walking(int at, const char *path)
{
    int fd = openat(at, ".", DIRECTORY_FLAGS);
    char name[NAME_MAX + 2];
    for (const char *rest = path; fd >= 0 && next_component(&rest, name);) {
        int next = openat(fd, name, DIRECTORY_FLAGS);
        stl_close_fd(&fd);
        fd = next;
    }
    return fd;
}

static int open_directory(int at, const char *path)
{
    struct open_how how = {.flags = DIRECTORY_FLAGS, .resolve = RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH};
    long fd = syscall(SYS_openat2, at, *path ? path : ".", &how, sizeof how);
    if (fd < 0 && (errno == ENOSYS || errno == EPERM))
        return open_by_walking(at, path);
    return (int)fd;
}

int stl_dir_open(int at, const char *path, struct stl_error *err)
{
    int fd = open_directory(at, path);
    return fd >= 0 ? fd : stl_error_errno(err, "cannot open directory %s", path);
}

/* For the same kernels and sandboxes. */
static int open_file_by_walking(int at, const char *path, int flags)
{
    STL_AUTO_FREE char *folder = stl_strdup(path);
    char *slash = strrchr(folder, '/');
    *(slash ? slash : folder) = '\0';
    STL_AUTO_CLOSE int directory = open_by_walking(at, folder);
    return directory < 0 ? -1 : openat(directory, slash ? slash + 1 : path, flags | O_NOFOLLOW);
}

int stl_dir_open_file(int at, const char *path)
{
    enum { FLAGS = O_RDONLY | O_NONBLOCK | O_CLOEXEC, TRIES = 16 };
    struct open_how how = {.flags = FLAGS, .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
    long fd = -1;
    errno = EAGAIN; /* returned if something on the way was renamed meanwhile */
    for (int i = 0; i < TRIES && fd < 0 && errno == EAGAIN; i++)
        fd = syscall(SYS_openat2, at, path, &how, sizeof how);
    if (fd < 0 && (errno == ENOSYS || errno == EPERM))
        return open_file_by_walking(at, path, FLAGS);
    return (int)fd;
}

bool stl_dir_is_durable(const struct stat *st)
{
    return !(st->st_mode & S_ISVTX);
}

/* Finishes a directory whose name may not be durable yet, whoever made it. */
static int finish_directory(const struct stl_root *root, int parent, int fd, struct stl_error *err)
{
    if (root->group != (gid_t)-1 && fchown(fd, (uid_t)-1, root->group))
        return stl_error_errno(err, "cannot set the group of a directory");
    if (stl_dir_sync(parent, err))
        return -1;
    return fchmod(fd, root->directory_mode) ? stl_error_errno(err, "cannot set the mode of a directory") : 0;
}

/* Opens one component, makes it if it is missing, and makes sure that it is durable. */
static int step_into(const struct stl_root *root, int parent, const char *name, struct stl_error *err)
{
    struct stat st;
    int fd = openat(parent, name, DIRECTORY_FLAGS);
    if (fd < 0 && errno == ENOENT) {
        if (mkdirat(parent, name, root->directory_mode | S_ISVTX) && errno != EEXIST)
            return stl_error_errno(err, "cannot make directory %s", name);
        fd = openat(parent, name, DIRECTORY_FLAGS);
    }
    if (fd < 0 || fstat(fd, &st)) {
        stl_error_errno(err, "cannot open directory %s", name);
        stl_close_fd(&fd);
        return -1;
    }
    if (!stl_dir_is_durable(&st) && finish_directory(root, parent, fd, err)) {
        stl_close_fd(&fd);
        return -1;
    }
    return fd;
}

int stl_dir_make(const struct stl_root *root, int at, const char *path, struct stl_error *err)
{
    struct stat st;
    int fd = open_directory(at, path);
    if (fd >= 0 && fstat(fd, &st) == 0 && stl_dir_is_durable(&st))
        return fd;
    stl_close_fd(&fd);
    fd = open_directory(at, "");
    if (fd < 0)
        return stl_error_errno(err, "cannot make directory %s", path);
    char name[NAME_MAX + 2];
    for (const char *rest = path; fd >= 0 && next_component(&rest, name);) {
        int next = step_into(root, fd, name, err);
        stl_close_fd(&fd);
        fd = next;
    }
    return fd;
}

int stl_dir_sync(int fd, struct stl_error *err)
{
    return fsync(fd) ? stl_error_errno(err, "cannot sync a directory") : 0;
}

/* --- reading -------------------------------------------------------------------------------------------- */

/* A directory that is removed while it is read reads as empty from then on (ENOENT). */
int stl_dir_each_here(int directory, stl_dir_visit *visit, void *context, struct stl_error *err)
{
    STL_AUTO_FREE char *entries = stl_realloc(NULL, ENTRIES); /* stl_alloc() would clear it */
    ssize_t length;
    while ((length = getdents64(directory, entries, ENTRIES)) > 0)
        for (const char *p = entries; p < entries + length;) {
            const struct dirent64 *entry = (const struct dirent64 *)p;
            p += entry->d_reclen;
            if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
                continue;
            int result = visit(context, entry->d_name, entry->d_type, err);
            if (result)
                return result;
        }
    return length < 0 && errno != ENOENT ? stl_error_errno(err, "cannot read a directory") : 0;
}

int stl_dir_each(int at, const char *path, stl_dir_visit *visit, void *context, struct stl_error *err)
{
    STL_AUTO_CLOSE int fd = openat(at, path, DIRECTORY_FLAGS);
    return fd < 0 ? stl_error_errno(err, "cannot read directory %s", path)
                  : stl_dir_each_here(fd, visit, context, err);
}

int stl_dir_each_if_any(int at, const char *path, stl_dir_visit *visit, void *context, struct stl_error *err)
{
    STL_AUTO_CLOSE int fd = openat(at, path, DIRECTORY_FLAGS);
    if (fd < 0 && errno != ENOENT && errno != ENOTDIR && errno != ELOOP)
        return stl_error_errno(err, "cannot read directory %s", path);
    return fd < 0 ? 0 : stl_dir_each_here(fd, visit, context, err);
}

struct files {
    int at;
    const char *path;
    stl_dir_visit *visit;
    void *context;
};

static int visit_if_file(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    const struct files *files = context;
    struct stat st;
    if (type == DT_UNKNOWN) {
        STL_AUTO_FREE char *path = stl_sprintf("%s/%s", files->path, name);
        if (fstatat(files->at, path, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode))
            type = DT_DIR;
    }
    return type == DT_DIR ? 0 : files->visit(files->context, name, type, err);
}

int stl_dir_each_file(int at, const char *path, stl_dir_visit *visit, void *context, struct stl_error *err)
{
    struct files files = {at, path, visit, context};
    return stl_dir_each(at, path, visit_if_file, &files, err);
}

int stl_dir_each_file_if_any(int at, const char *path, stl_dir_visit *visit, void *context,
                             struct stl_error *err)
{
    struct files files = {at, path, visit, context};
    return stl_dir_each_if_any(at, path, visit_if_file, &files, err);
}

static int stop(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    (void)context;
    (void)name;
    (void)type;
    (void)err;
    return 1;
}

bool stl_dir_is_empty(int at, const char *path)
{
    struct stl_error ignored = STL_ERROR_INIT;
    return stl_dir_each_if_any(at, path, stop, NULL, &ignored) == 0;
}

bool stl_dir_has_no_file(int at, const char *path)
{
    struct stl_error ignored = STL_ERROR_INIT;
    return stl_dir_each_file_if_any(at, path, stop, NULL, &ignored) == 0;
}

struct trim {
    int directory;
    size_t *budget;
};

static int trim_entry(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    const struct trim *trim = context;
    if (*trim->budget == 0)
        return 1;
    if (type == DT_DIR)
        return stl_tree_trim(trim->directory, name, trim->budget, err);
    --*trim->budget;
    if (unlinkat(trim->directory, name, 0) == 0 || errno == ENOENT)
        return 0;
    if (errno == EISDIR) /* the file system does not tell types */
        return stl_tree_trim(trim->directory, name, trim->budget, err);
    return stl_error_errno(err, "cannot remove %s", name);
}

int stl_tree_trim(int at, const char *path, size_t *budget, struct stl_error *err)
{
    STL_AUTO_CLOSE int fd = openat(at, path, DIRECTORY_FLAGS);
    struct trim trim = {fd, budget};
    if (fd < 0)
        return errno == ENOENT ? 0 : stl_error_errno(err, "cannot remove %s", path);
    int result = stl_dir_each_here(fd, trim_entry, &trim, err);
    if (result)
        return result;
    if (*budget == 0)
        return 1;
    --*budget;
    if (unlinkat(at, path, AT_REMOVEDIR) == 0 || errno == ENOENT)
        return 0;
    return errno == ENOTEMPTY ? 1 : stl_error_errno(err, "cannot remove directory %s", path);
}

int stl_tree_remove(int at, const char *path, struct stl_error *err)
{
    size_t budget = SIZE_MAX;
    int result = stl_tree_trim(at, path, &budget, err);
    return result > 0
               ? stl_error_set(err, STL_SYSTEM, "cannot remove directory %s: it does not stay empty", path)
               : result;
}

static int remove_if_file(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    (void)type;
    return unlinkat(*(int *)context, name, 0) && errno != ENOENT
               ? stl_error_errno(err, "cannot remove %s", name)
               : 0;
}

int stl_dir_remove_files(int at, const char *path, struct stl_error *err)
{
    STL_AUTO_CLOSE int fd = openat(at, path, DIRECTORY_FLAGS);
    if (fd < 0)
        return errno == ENOENT ? 0 : stl_error_errno(err, "cannot remove %s", path);
    if (stl_dir_each_file(fd, ".", remove_if_file, &fd, err))
        return -1;
    if (unlinkat(at, path, AT_REMOVEDIR) == 0 || errno == ENOENT)
        return 0;
    return errno == ENOTEMPTY || errno == EEXIST ? stl_dir_sync(fd, err)
                                                 : stl_error_errno(err, "cannot remove directory %s", path);
}
