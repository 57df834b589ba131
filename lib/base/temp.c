#include "temp.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "io.h"
#include "mem.h"
#include "random.h"

#define STAGE_SUFFIX ".d"
static const char kept[] = "kept-"; /* what the names of stl_temp_keep() begin with */

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

/* Where a file is, by its open folder if there is one: on CephFS, one that has changed is looked up anew by
 * each path through it. */
struct place {
    int at;
    const char *name;
};

static struct place place_of(const struct stl_temp *temp)
{
    return temp->folder < 0 ? (struct place){temp->root->fd, temp->name}
                            : (struct place){temp->folder, strrchr(temp->name, '/') + 1};
}

static int create_temp(struct stl_temp *temp, struct stl_error *err)
{
    struct place place = place_of(temp);
    temp->fd = openat(place.at, place.name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, temp->root->file_mode);
    return temp->fd < 0 ? stl_error_errno(err, "cannot create a file in tmp/") : 0;
}

/* `st`: the file's present state. */
static int set_mode(const struct stl_root *root, int fd, const struct stat *st, struct stl_error *err)
{
    bool other = root->group != (gid_t)-1 && st->st_gid != root->group;
    if (((st->st_mode & 07777) != root->file_mode && fchmod(fd, root->file_mode)) ||
        (other && fchown(fd, (uid_t)-1, root->group)))
        return stl_error_errno(err, "cannot set mode and group of a new file");
    return 0;
}

static int stat_temp(int fd, struct stat *st, struct stl_error *err)
{
    return fstat(fd, st) ? stl_error_errno(err, "cannot look at a file in tmp/") : 0;
}

static int set_mode_or_abort(struct stl_temp *temp, const struct stat *st, struct stl_error *err)
{
    if (set_mode(temp->root, temp->fd, st, err) == 0)
        return 0;
    stl_temp_abort(temp);
    return -1;
}

/* Returns 1, 0 if a sweep removed the file between its creation and this call, or -1. */
static int lock_as_ours(int fd, struct stat *st, struct stl_error *err)
{
    if (flock(fd, LOCK_EX | LOCK_NB))
        return errno == EWOULDBLOCK ? 0 : stl_error_errno(err, "cannot lock a file in tmp/");
    return stat_temp(fd, st, err) ? -1 : st->st_nlink > 0;
}

int stl_temp_begin(const struct stl_root *root, struct stl_temp *temp, struct stl_error *err)
{
    for (;;) {
        temp->root = root;
        temp->folder =
            root->shared ? openat(root->fd, STL_TMP, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
        stl_temp_name(temp->name);
        struct stat st;
        if (create_temp(temp, err)) {
            stl_temp_park(temp);
            return -1;
        }
        int ours = lock_as_ours(temp->fd, &st, err);
        if (ours > 0)
            return set_mode_or_abort(temp, &st, err);
        stl_temp_abort(temp);
        if (ours < 0)
            return -1;
    }
}

int stl_temp_adopt(const struct stl_root *root, struct stl_temp *temp, int fd, int folder, const char *name,
                   struct stl_error *err)
{
    if (set_mode(root, fd, &(struct stat){.st_gid = (gid_t)-1}, err))
        return -1;
    *temp = (struct stl_temp){.root = root, .fd = fd, .folder = folder};
    snprintf(temp->name, sizeof temp->name, "%s", name);
    return 0;
}

void stl_temp_abort(struct stl_temp *temp)
{
    int saved = errno;
    if (temp->name[0]) {
        struct place place = place_of(temp);
        unlinkat(place.at, place.name, 0);
    }
    temp->name[0] = '\0';
    stl_close_fd(&temp->folder);
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
    int result = -1;
    struct place place = place_of(temp);
    if (!temp->root->shared)
        result = renameat2(place.at, place.name, directory, name, RENAME_NOREPLACE);
    if (temp->root->shared || (result && (errno == EINVAL || errno == ENOSYS)))
        result = rename_by_link(place.at, place.name, directory, name);
    if (result && errno != EEXIST)
        return stl_error_errno(err, "cannot put %s into its place", name);
    if (result == 0)
        temp->name[0] = '\0';
    return result ? 1 : 0;
}

bool stl_temp_is_placed(int fd)
{
    struct stat st;
    return fstat(fd, &st) || st.st_nlink > 1;
}

int stl_temp_replace(struct stl_temp *temp, int directory, const char *name, struct stl_error *err)
{
    struct place place = place_of(temp);
    if (renameat(place.at, place.name, directory, name))
        return stl_error_errno(err, "cannot put %s into its place", name);
    temp->name[0] = '\0';
    return 0;
}

/* --- files that outlive their writer -------------------------------------------------------------------- */

/* Whether the name still leads to the open file. */
static bool has_name(int root, const char *name, int fd)
{
    struct stat open, named;
    return fstat(fd, &open) == 0 && fstatat(root, name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
           open.st_ino == named.st_ino && open.st_dev == named.st_dev;
}

/* Returns 1; 0 if another process has locked or removed it; or -1. */
static int open_kept(struct stl_temp *temp, struct stl_error *err)
{
    temp->fd = openat(temp->root->fd, temp->name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (temp->fd < 0)
        return stl_error_errno(err, "cannot create a file in tmp/");
    struct stat st;
    int ours = lock_as_ours(temp->fd, &st, err);
    if (ours > 0 && stl_temp_is_placed(temp->fd))
        unlinkat(temp->root->fd, temp->name, 0);
    if (ours > 0 && !has_name(temp->root->fd, temp->name, temp->fd))
        ours = 0;
    return ours > 0 && set_mode(temp->root, temp->fd, &st, err) ? -1 : ours;
}

int stl_temp_keep(const struct stl_root *root, const char *key, struct stl_temp *temp, struct stl_error *err)
{
    *temp = (struct stl_temp){.root = root, .fd = -1, .folder = -1};
    snprintf(temp->name, sizeof temp->name, STL_TMP "/%s%s", kept, key);
    int ours = open_kept(temp, err);
    if (ours == 0) {
        stl_close_fd(&temp->fd);
        snprintf(temp->name, sizeof temp->name, STL_TMP "/%s", kept);
        add_random(temp->name);
        ours = open_kept(temp, err);
    }
    if (ours > 0)
        return 0;
    if (ours == 0)
        stl_error_set(err, STL_UNAVAILABLE, "a file in tmp/ has just been removed: try again");
    temp->name[0] = '\0';
    stl_close_fd(&temp->fd);
    return -1;
}

int64_t stl_temp_kept_size(const struct stl_root *root, const char *key)
{
    STL_AUTO_FREE char *name = stl_sprintf(STL_TMP "/%s%s", kept, key);
    struct stat st;
    return fstatat(root->fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 ? (int64_t)st.st_size : 0;
}

int stl_temp_take(const struct stl_root *root, const char *name, struct stl_temp *temp, struct stl_error *err)
{
    *temp = (struct stl_temp){.root = root, .folder = -1};
    temp->fd = openat(root->fd, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    if (temp->fd < 0)
        return errno == ENOENT ? 0 : stl_error_errno(err, "cannot open a file in tmp/");
    if (stl_flock(temp->fd, LOCK_EX))
        return stl_error_errno(err, "cannot lock a file in tmp/");
    if (!has_name(root->fd, name, temp->fd)) {
        stl_close_fd(&temp->fd);
        return 0;
    }
    snprintf(temp->name, sizeof temp->name, "%s", name);
    return 1;
}

void stl_temp_drop(const struct stl_root *root, const char *name)
{
    STL_AUTO_CLOSE int fd = openat(root->fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    struct stl_error ignored = STL_ERROR_INIT;
    struct stat st;
    if (fd >= 0 && lock_as_ours(fd, &st, &ignored) > 0)
        unlinkat(root->fd, name, 0);
}

/* --- stages --------------------------------------------------------------------------------------------- */

/* The folder comes after its lock, and goes before it: one without a lock is dead. */
int stl_stage_begin(const struct stl_root *root, struct stl_stage *stage, struct stl_error *err)
{
    stage->root = root;
    if (stl_temp_begin(root, &stage->lock, err))
        return -1;
    snprintf(stage->name, sizeof stage->name, "%.*s" STAGE_SUFFIX,
             (int)(sizeof stage->name - sizeof STAGE_SUFFIX), stage->lock.name);
    if (mkdirat(root->fd, stage->name, 0700)) {
        stage->name[0] = '\0';
        return stl_error_errno(err, "cannot create a folder in tmp/");
    }
    stage->fd = openat(root->fd, stage->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return stage->fd < 0 ? stl_error_errno(err, "cannot open a folder in tmp/") : 0;
}

int stl_stage_take_away(const struct stl_root *root, int at, const char *path, struct stl_stage *stage,
                        struct stl_error *err)
{
    char name[STL_TEMP_NAME_SIZE];
    stl_temp_name(name);
    stage->root = root;
    stage->fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
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
    stl_temp_abort(&stage->lock);
    errno = saved;
}

static void name_staged(const struct stl_stage *stage, const char *name, struct stl_temp *temp)
{
    temp->root = stage->root;
    temp->folder = -1;
    snprintf(temp->name, sizeof temp->name, "%s/%s", stage->name, name);
}

int stl_stage_create(const struct stl_stage *stage, const char *name, struct stl_temp *temp,
                     struct stl_error *err)
{
    struct stat st;
    name_staged(stage, name, temp);
    if (create_temp(temp, err)) {
        temp->name[0] = '\0';
        return -1;
    }
    if (stat_temp(temp->fd, &st, err) == 0)
        return set_mode_or_abort(temp, &st, err);
    stl_temp_abort(temp);
    return -1;
}

void stl_temp_park(struct stl_temp *temp)
{
    stl_close_fd(&temp->folder);
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

static void count_dead(const struct temp_sweep *sweep, int fd, bool folder)
{
    struct stl_error ignored = STL_ERROR_INIT;
    struct temp_sweep stage = {fd, sweep->swept};
    struct stat st;
    sweep->swept->count++;
    if (folder)
        stl_dir_each(fd, ".", add_size, &stage, &ignored);
    else if (fstat(fd, &st) == 0)
        sweep->swept->bytes += (uint64_t)st.st_size;
}

static int open_there(const struct temp_sweep *sweep, const char *name)
{
    return openat(sweep->tmp, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
}

/* A stage is dead if its lock is free, or gone. The lock is held until the folder is removed, and goes with
 * it. */
static void sweep_folder(const struct temp_sweep *sweep, int fd, const char *name)
{
    struct stl_error ignored = STL_ERROR_INIT;
    STL_AUTO_FREE char *lock_name = stl_strdup(name);
    char *suffix = strrchr(lock_name, '.');
    STL_AUTO_CLOSE int lock = -1;
    if (suffix && !strcmp(suffix, STAGE_SUFFIX)) {
        *suffix = '\0';
        lock = open_there(sweep, lock_name);
        if (lock < 0 ? errno != ENOENT : flock(lock, LOCK_EX | LOCK_NB))
            return;
    }
    count_dead(sweep, fd, true);
    if (sweep->swept->dry_run || stl_tree_remove(sweep->tmp, name, &ignored))
        return;
    if (lock >= 0)
        unlinkat(sweep->tmp, lock_name, 0);
}

static bool is_spared(const struct temp_sweep *sweep, const char *name, int fd)
{
    struct stat st;
    return !strncmp(name, kept, sizeof kept - 1) && fstat(fd, &st) == 0 &&
           st.st_mtime > time(NULL) - sweep->swept->spared;
}

static void sweep_file(const struct temp_sweep *sweep, int fd, const char *name)
{
    STL_AUTO_FREE char *folder = stl_sprintf("%s" STAGE_SUFFIX, name);
    if (flock(fd, LOCK_EX | LOCK_NB) || is_spared(sweep, name, fd) ||
        faccessat(sweep->tmp, folder, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        return;
    count_dead(sweep, fd, false);
    if (!sweep->swept->dry_run)
        unlinkat(sweep->tmp, name, 0);
}

/* Symbolic links cannot be locked: all are removed, and stl_link_put() tries again if one was in use. */
static int sweep_one(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    const struct temp_sweep *sweep = context;
    struct stat st;
    (void)err;
    STL_AUTO_CLOSE int fd = type == DT_LNK ? -1 : open_there(sweep, name);
    if (fd < 0) {
        if (!sweep->swept->dry_run && (type == DT_LNK || errno == ELOOP))
            unlinkat(sweep->tmp, name, 0);
    } else if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode))
        sweep_folder(sweep, fd, name);
    else
        sweep_file(sweep, fd, name);
    return 0;
}

int stl_temp_sweep(const struct stl_root *root, struct stl_error *err)
{
    struct stl_swept uncounted = {.spared = STL_TEMP_KEPT};
    return stl_temp_sweep_counted(root, &uncounted, err);
}

int stl_temp_sweep_counted(const struct stl_root *root, struct stl_swept *swept, struct stl_error *err)
{
    STL_AUTO_CLOSE int tmp = stl_dir_open(root->fd, STL_TMP, err);
    struct temp_sweep sweep = {tmp, swept};
    return tmp < 0 ? -1 : stl_dir_each_here(tmp, sweep_one, &sweep, err);
}
