#include "file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { DIRECTORY_FLAGS = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC };

/* Copies the next component of *path to `name`, and moves *path on. Returns false at the end. */
static bool next_component(const char **path, char name[NAME_MAX + 2])
{
    *path += strspn(*path, "/");
    size_t length = strcspn(*path, "/");
    if (length == 0)
        return false;
    if (length > NAME_MAX + 1)
        length = NAME_MAX + 1; /* as long as this, no name is possible */
    memcpy(name, *path, length);
    name[length] = '\0';
    *path += strcspn(*path, "/");
    return true;
}

/* For kernels without openat2(2), and sandboxes that refuse it. */
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

/* Opens one component, makes it if it is missing, and sees to it that it is durable. */
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

/* Adds 32 random digits and a NUL. */
static void add_random(char *text)
{
    static const char digits[] = "0123456789abcdef";
    unsigned char bytes[16];
    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes)
        abort();
    text += strlen(text);
    for (size_t i = 0; i < sizeof bytes; i++) {
        *text++ = digits[bytes[i] >> 4];
        *text++ = digits[bytes[i] & 15];
    }
    *text = '\0';
}

static void random_name(char name[40])
{
    snprintf(name, 40, "tmp/");
    add_random(name);
}

static int create_temp(struct stl_temp *temp, struct stl_error *err)
{
    temp->fd = openat(temp->root->fd, temp->name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    return temp->fd < 0 ? stl_error_errno(err, "cannot create a file in tmp/") : 0;
}

static int set_mode(const struct stl_root *root, int fd, struct stl_error *err)
{
    if (fchmod(fd, root->file_mode) || (root->group != (gid_t)-1 && fchown(fd, (uid_t)-1, root->group)))
        return stl_error_errno(err, "cannot set mode and group of a new file");
    return 0;
}

static int set_mode_or_abort(struct stl_temp *temp, struct stl_error *err)
{
    if (set_mode(temp->root, temp->fd, err) == 0)
        return 0;
    stl_temp_abort(temp);
    return -1;
}

/* 1, or 0 if a sweeper came between the creation of the file and this, or -1. */
static int lock_as_ours(int fd, struct stl_error *err)
{
    struct stat st;
    if (flock(fd, LOCK_EX | LOCK_NB))
        return errno == EWOULDBLOCK ? 0 : stl_error_errno(err, "cannot lock a file in tmp/");
    if (fstat(fd, &st))
        return stl_error_errno(err, "cannot look at a file in tmp/");
    return st.st_nlink > 0;
}

int stl_temp_begin(const struct stl_root *root, struct stl_temp *temp, struct stl_error *err)
{
    for (;;) {
        temp->root = root;
        random_name(temp->name);
        if (create_temp(temp, err)) {
            temp->name[0] = '\0';
            return -1;
        }
        int ours = lock_as_ours(temp->fd, err);
        if (ours > 0)
            return set_mode_or_abort(temp, err);
        stl_temp_abort(temp);
        if (ours < 0)
            return -1;
    }
}

int stl_temp_adopt(const struct stl_root *root, struct stl_temp *temp, int fd, const char *name,
                   struct stl_error *err)
{
    if (set_mode(root, fd, err))
        return -1;
    *temp = (struct stl_temp){.root = root, .fd = fd};
    snprintf(temp->name, sizeof temp->name, "%s", name);
    return 0;
}

void stl_temp_abort(struct stl_temp *temp)
{
    int saved = errno;
    if (temp->name[0])
        unlinkat(temp->root->fd, temp->name, 0);
    temp->name[0] = '\0';
    stl_close_fd(&temp->fd);
    temp->fd = -1;
    errno = saved;
}

int stl_stage_begin(const struct stl_root *root, struct stl_stage *stage, struct stl_error *err)
{
    for (;;) {
        stage->root = root;
        random_name(stage->name);
        if (mkdirat(root->fd, stage->name, 0700)) {
            stage->name[0] = '\0';
            return stl_error_errno(err, "cannot create a folder in tmp/");
        }
        int ours = 0;
        stage->fd = openat(root->fd, stage->name, DIRECTORY_FLAGS);
        if (stage->fd >= 0)
            ours = lock_as_ours(stage->fd, err);
        else if (errno != ENOENT)
            ours = stl_error_errno(err, "cannot open a folder in tmp/");
        if (ours > 0)
            return 0;
        stl_stage_end(stage);
        if (ours < 0)
            return -1;
    }
}

void stl_stage_end(struct stl_stage *stage)
{
    struct stl_error ignored = STL_ERROR_INIT;
    int saved = errno;
    if (stage->name[0])
        stl_tree_remove(stage->root->fd, stage->name, &ignored);
    stage->name[0] = '\0';
    stl_close_fd(&stage->fd);
    stage->fd = -1;
    errno = saved;
}

static void name_staged(const struct stl_stage *stage, const char *name, struct stl_temp *temp)
{
    temp->root = stage->root;
    snprintf(temp->name, sizeof temp->name, "%s/%s", stage->name, name);
}

int stl_stage_create(const struct stl_stage *stage, const char *name, struct stl_temp *temp,
                     struct stl_error *err)
{
    name_staged(stage, name, temp);
    if (create_temp(temp, err) == 0)
        return set_mode_or_abort(temp, err);
    temp->name[0] = '\0';
    return -1;
}

void stl_temp_park(struct stl_temp *temp)
{
    stl_close_fd(&temp->fd);
    *temp = (struct stl_temp)STL_TEMP_INIT;
}

int stl_stage_take(const struct stl_stage *stage, const char *name, struct stl_temp *temp,
                   struct stl_error *err)
{
    name_staged(stage, name, temp);
    temp->fd = openat(stage->fd, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    if (temp->fd >= 0)
        return 0;
    temp->name[0] = '\0';
    return stl_error_errno(err, "cannot open a file in tmp/");
}

int stl_stage_open(const struct stl_stage *stage, const char *name, struct stl_error *err)
{
    int fd = openat(stage->fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 ? stl_error_errno(err, "cannot open a file in tmp/") : fd;
}

int stl_stage_sync(const struct stl_stage *stage, const char *name, struct stl_error *err)
{
    STL_AUTO_CLOSE int fd = stl_stage_open(stage, name, err);
    if (fd < 0)
        return -1;
    return fsync(fd) ? stl_error_errno(err, "cannot sync a file") : 0;
}

int stl_stage_link(const struct stl_stage *stage, const char *name, const char *second, struct stl_error *err)
{
    return linkat(stage->fd, name, stage->fd, second, 0) ? stl_error_errno(err, "cannot link a file in tmp/")
                                                         : 0;
}

int stl_temp_sync(struct stl_temp *temp, struct stl_error *err)
{
    return fsync(temp->fd) ? stl_error_errno(err, "cannot sync a file") : 0;
}

/* For file systems without RENAME_NOREPLACE. */
static int rename_by_link(int from, const char *old, int to, const char *name)
{
    return linkat(from, old, to, name, 0) ? -1 : unlinkat(from, old, 0);
}

int stl_temp_link(struct stl_temp *temp, int directory, const char *name, struct stl_error *err)
{
    int result = renameat2(temp->root->fd, temp->name, directory, name, RENAME_NOREPLACE);
    if (result && (errno == EINVAL || errno == ENOSYS))
        result = rename_by_link(temp->root->fd, temp->name, directory, name);
    if (result && errno != EEXIST)
        return stl_error_errno(err, "cannot put %s into its place", name);
    if (result == 0)
        temp->name[0] = '\0';
    return result ? 1 : 0;
}

int stl_temp_replace(struct stl_temp *temp, int directory, const char *name, struct stl_error *err)
{
    if (renameat(temp->root->fd, temp->name, directory, name))
        return stl_error_errno(err, "cannot put %s into its place", name);
    temp->name[0] = '\0';
    return 0;
}

struct sweep {
    int tmp;
    struct stl_swept *swept;
};

static int add_size(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    const struct sweep *stage = context;
    struct stat st;
    (void)type;
    (void)err;
    if (fstatat(stage->tmp, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
        stage->swept->bytes += (uint64_t)st.st_size;
    return 0;
}

static void count_dead(const struct sweep *sweep, int fd)
{
    struct stl_error ignored = STL_ERROR_INIT;
    struct sweep stage = {fd, sweep->swept};
    struct stat st;
    sweep->swept->count++;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
        sweep->swept->bytes += (uint64_t)st.st_size;
    else
        stl_dir_each(fd, ".", add_size, &stage, &ignored);
}

/* Symbolic links cannot be locked: all of them go, and stl_link_put() tries again where that hits a live one.
 */
static int sweep_one(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    const struct sweep *sweep = context;
    struct stl_error ignored = STL_ERROR_INIT;
    bool dry_run = sweep->swept->dry_run;
    (void)err;
    if (type == DT_LNK) {
        if (!dry_run)
            unlinkat(sweep->tmp, name, 0);
        return 0;
    }
    STL_AUTO_CLOSE int fd = openat(sweep->tmp, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB))
        return 0;
    count_dead(sweep, fd);
    if (!dry_run && unlinkat(sweep->tmp, name, 0) && errno == EISDIR)
        stl_tree_remove(sweep->tmp, name, &ignored);
    return 0;
}

int stl_temp_sweep(const struct stl_root *root, struct stl_error *err)
{
    struct stl_swept uncounted = {0};
    return stl_temp_sweep_counted(root, &uncounted, err);
}

int stl_temp_sweep_counted(const struct stl_root *root, struct stl_swept *swept, struct stl_error *err)
{
    STL_AUTO_CLOSE int tmp = stl_dir_open(root->fd, "tmp", err);
    struct sweep sweep = {tmp, swept};
    return tmp < 0 ? -1 : stl_dir_each(tmp, ".", sweep_one, &sweep, err);
}

int stl_space_check(int fd, uint64_t needed, struct stl_error *err)
{
    struct statvfs fs;
    if (fstatvfs(fd, &fs))
        return stl_error_errno(err, "cannot ask for the free space");
    uint64_t free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
    if (fs.f_blocks == 0 || free_bytes >= needed)
        return 0;
    return stl_error_set(err, STL_NO_SPACE, "there is not enough space: %llu MB are needed, %llu MB are free",
                         (unsigned long long)((needed + 999999) / 1000000),
                         (unsigned long long)(free_bytes / 1000000));
}

int stl_write_all(int fd, const void *bytes, size_t length, struct stl_error *err)
{
    for (const char *p = bytes; length > 0;) {
        ssize_t n = write(fd, p, length);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return stl_error_errno(err, "cannot write");
        p += n;
        length -= (size_t)n;
    }
    return 0;
}

int stl_file_put(const struct stl_root *root, int directory, const char *name, const void *bytes,
                 size_t length, struct stl_error *err)
{
    STL_AUTO_TEMP struct stl_temp temp = STL_TEMP_INIT;
    if (stl_temp_begin(root, &temp, err) || stl_write_all(temp.fd, bytes, length, err) ||
        stl_temp_sync(&temp, err))
        return -1;
    return stl_temp_replace(&temp, directory, name, err);
}

/* Puts a new link into its place: a symbolic one to `target`, or, if that is NULL, another name of `from`. */
static int put_link(const struct stl_root *root, int directory, const char *from, const char *target,
                    const char *name, struct stl_error *err)
{
    for (;;) {
        char temp[40];
        random_name(temp);
        if (target ? symlinkat(target, root->fd, temp) : linkat(directory, from, root->fd, temp, 0))
            return stl_error_errno(err, "cannot create a link in tmp/");
        if (renameat(root->fd, temp, directory, name) == 0)
            return 0;
        int number = errno;
        if (unlinkat(root->fd, temp, 0) && errno == ENOENT && number == ENOENT)
            continue; /* it was swept */
        errno = number;
        return stl_error_errno(err, "cannot put link %s into its place", name);
    }
}

int stl_link_put(const struct stl_root *root, int directory, const char *name, const char *target,
                 struct stl_error *err)
{
    return put_link(root, directory, NULL, target, name, err);
}

int stl_file_link(const struct stl_root *root, int directory, const char *from, const char *name,
                  struct stl_error *err)
{
    if (linkat(directory, from, directory, name, 0) == 0)
        return 0;
    if (errno != EEXIST)
        return stl_error_errno(err, "cannot link %s", name);
    return put_link(root, directory, from, NULL, name, err);
}

static int read_all(int fd, const char *path, struct stl_buf *buf, struct stl_error *err)
{
    struct stat st;
    if (fstat(fd, &st))
        return stl_error_errno(err, "cannot read %s", path);
    if (!S_ISREG(st.st_mode))
        return stl_error_set(err, STL_INVALID, "%s is not a regular file", path);
    for (;;) {
        char chunk[16384];
        ssize_t n = read(fd, chunk, sizeof chunk);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return stl_error_errno(err, "cannot read %s", path);
        if (n == 0)
            return 0;
        if (stl_buf_add(buf, chunk, (size_t)n))
            return stl_error_set(err, STL_INVALID, "%s is too large", path);
    }
}

int stl_file_read(int at, const char *path, bool follow, struct stl_buf *buf, struct stl_error *err)
{
    STL_AUTO_CLOSE int fd = openat(at, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | (follow ? 0 : O_NOFOLLOW));
    if (fd < 0)
        return stl_error_errno(err, "cannot open %s", path);
    return read_all(fd, path, buf, err);
}

int stl_link_read(int at, const char *path, char *target, size_t size)
{
    ssize_t n = readlinkat(at, path, target, size);
    if (n < 0)
        return -1;
    if ((size_t)n == size) {
        errno = ENAMETOOLONG;
        return -1;
    }
    target[n] = '\0';
    return 0;
}

/* Takes the descriptor. */
static int each_entry(int fd, const char *path, stl_dir_visit *visit, void *context, struct stl_error *err)
{
    DIR *directory = fd < 0 ? NULL : fdopendir(fd);
    if (!directory) {
        stl_error_errno(err, "cannot read directory %s", path);
        stl_close_fd(&fd);
        return -1;
    }
    int result = 0;
    struct dirent *entry;
    while (result == 0 && (errno = 0, entry = readdir(directory)) != NULL) {
        if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
            result = visit(context, entry->d_name, entry->d_type, err);
    }
    if (result == 0 && errno)
        result = stl_error_errno(err, "cannot read directory %s", path);
    closedir(directory);
    return result;
}

int stl_dir_each(int at, const char *path, stl_dir_visit *visit, void *context, struct stl_error *err)
{
    return each_entry(openat(at, path, DIRECTORY_FLAGS), path, visit, context, err);
}

int stl_dir_each_if_any(int at, const char *path, stl_dir_visit *visit, void *context, struct stl_error *err)
{
    int fd = openat(at, path, DIRECTORY_FLAGS);
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP))
        return 0;
    return each_entry(fd, path, visit, context, err);
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

static int remove_entry(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    int directory = *(int *)context;
    if (type == DT_DIR)
        return stl_tree_remove(directory, name, err);
    if (unlinkat(directory, name, 0) == 0 || errno == ENOENT)
        return 0;
    if (errno == EISDIR) /* a file system that tells no types */
        return stl_tree_remove(directory, name, err);
    return stl_error_errno(err, "cannot remove %s", name);
}

int stl_tree_remove(int at, const char *path, struct stl_error *err)
{
    STL_AUTO_CLOSE int fd = openat(at, path, DIRECTORY_FLAGS);
    if (fd < 0)
        return errno == ENOENT ? 0 : stl_error_errno(err, "cannot remove %s", path);
    if (stl_dir_each(fd, ".", remove_entry, &fd, err))
        return -1;
    if (unlinkat(at, path, AT_REMOVEDIR) && errno != ENOENT)
        return stl_error_errno(err, "cannot remove directory %s", path);
    return 0;
}
