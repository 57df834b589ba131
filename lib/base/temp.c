#include "temp.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mem.h"
#include "random.h"

/* Adds 32 random digits and a NUL. */
static void add_random(char *text)
{
    static const char digits[] = "0123456789abcdef";
    unsigned char bytes[16];
    stl_random(bytes, sizeof bytes);
    text += strlen(text);
    for (size_t i = 0; i < sizeof bytes; i++) {
        *text++ = digits[bytes[i] >> 4];
        *text++ = digits[bytes[i] & 15];
    }
    *text = '\0';
}

void stl_temp_name(char name[STL_TEMP_NAME_SIZE])
{
    snprintf(name, STL_TEMP_NAME_SIZE, STL_TMP "/");
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

/* Returns 1, 0 if a sweep removed the file between its creation and this call, or -1. */
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
        stl_temp_name(temp->name);
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
    errno = saved;
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

/* --- stages --------------------------------------------------------------------------------------------- */

int stl_stage_begin(const struct stl_root *root, struct stl_stage *stage, struct stl_error *err)
{
    for (;;) {
        stage->root = root;
        stl_temp_name(stage->name);
        if (mkdirat(root->fd, stage->name, 0700)) {
            stage->name[0] = '\0';
            return stl_error_errno(err, "cannot create a folder in tmp/");
        }
        int ours = 0;
        stage->fd = openat(root->fd, stage->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
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

/* Locked before it gets a name in tmp/, so that nobody sweeps it while it is being removed. */
int stl_stage_take_away(const struct stl_root *root, int at, const char *path, struct stl_stage *stage,
                        struct stl_error *err)
{
    char name[STL_TEMP_NAME_SIZE];
    stl_temp_name(name);
    stage->root = root;
    stage->fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (stage->fd >= 0 && flock(stage->fd, LOCK_EX | LOCK_NB) && errno != EWOULDBLOCK)
        return stl_error_errno(err, "cannot lock %s", path);
    if (stage->fd < 0 || renameat(at, path, root->fd, name))
        return stl_error_errno(err, "cannot remove %s", path);
    memcpy(stage->name, name, sizeof name);
    return 0;
}

void stl_stage_end(struct stl_stage *stage)
{
    struct stl_error ignored = STL_ERROR_INIT;
    int saved = errno;
    if (stage->name[0])
        stl_tree_remove(stage->root->fd, stage->name, &ignored);
    stage->name[0] = '\0';
    stl_close_fd(&stage->fd);
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

/* --- sweeping ------------------------------------------------------------------------------------------- */

struct temp_sweep {
    int tmp;
    struct stl_swept *swept;
};

static int add_size(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    const struct temp_sweep *stage = context;
    struct stat st;
    (void)type;
    (void)err;
    if (fstatat(stage->tmp, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
        stage->swept->bytes += (uint64_t)st.st_size;
    return 0;
}

static void count_dead(const struct temp_sweep *sweep, int fd)
{
    struct stl_error ignored = STL_ERROR_INIT;
    struct temp_sweep stage = {fd, sweep->swept};
    struct stat st;
    sweep->swept->count++;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
        sweep->swept->bytes += (uint64_t)st.st_size;
    else
        stl_dir_each(fd, ".", add_size, &stage, &ignored);
}

/* Symbolic links cannot be locked: all are removed, and stl_link_put() tries again if one was in use. */
static int sweep_one(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    const struct temp_sweep *sweep = context;
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
    STL_AUTO_CLOSE int tmp = stl_dir_open(root->fd, STL_TMP, err);
    struct temp_sweep sweep = {tmp, swept};
    return tmp < 0 ? -1 : stl_dir_each(tmp, ".", sweep_one, &sweep, err);
}
