#include "registry.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "digest.h"
#include "fs-kind.h"
#include "io.h"

enum { SETTINGS_MAX = 1 << 20, LOCK_PAUSE_MS = 5 };

static int open_root(const char *path, struct stl_registry *registry, struct stl_error *err)
{
    registry->root.fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (registry->root.fd < 0)
        return stl_error_errno(err, "cannot open registry %s", path);
    registry->path = realpath(path, NULL);
    return registry->path ? 0 : stl_error_errno(err, "cannot open registry %s", path);
}

/* Takes the mode and group from www/: `stillage init` and `verify --repair` apply the setting to it, so the
 * CGI need not look up a group by name for every request. */
static int read_modes(struct stl_registry *registry, struct stl_error *err)
{
    struct stl_root *root = &registry->root;
    struct stat st;
    if (fstatat(root->fd, STL_WWW, &st, AT_SYMLINK_NOFOLLOW))
        return stl_error_errno(err, "cannot open %s/www", registry->path);
    bool all_may_read = st.st_mode & S_IROTH;
    root->file_mode = all_may_read ? 0644 : 0640;
    root->directory_mode = all_may_read ? 0755 : 0750;
    root->group = all_may_read ? (gid_t)-1 : st.st_gid;
    root->shared = stl_fs_doubtful(root->fd) != NULL;
    return 0;
}

void stl_registry_stamp(const struct stl_registry *registry, char stamp[STL_STAMP_MAX])
{
    struct stat st = {0};
    fstatat(registry->root.fd, STL_SETTINGS_FILE, &st, 0);
    snprintf(stamp, STL_STAMP_MAX, "%llx-%llx-%llx-%lx", (unsigned long long)st.st_ino,
             (unsigned long long)st.st_size, (unsigned long long)st.st_ctim.tv_sec, st.st_ctim.tv_nsec);
}

static int read_settings(struct stl_registry *registry, struct stl_error *err)
{
    STL_AUTO_BUF struct stl_buf text = {.ceiling = SETTINGS_MAX};
    stl_registry_stamp(registry, registry->stamp);
    if (stl_file_read(registry->root.fd, STL_SETTINGS_FILE, true, &text, err)) {
        if (err->sys_errno == ENOENT)
            stl_error_set(err, STL_NOT_REGISTRY,
                          "%s is not a registry: it has no registry.yaml (make one with 'stillage init')",
                          registry->path);
        return -1;
    }
    STL_AUTO_FREE char *file = stl_sprintf("%s/registry.yaml", registry->path);
    return stl_settings_parse(&registry->settings, file, text.data ? text.data : "", text.length, err);
}

int stl_registry_open(struct stl_registry *registry, const char *path, struct stl_error *err)
{
    *registry = (struct stl_registry)STL_REGISTRY_INIT;
    stl_settings_init(&registry->settings);
    if (open_root(path, registry, err) || read_settings(registry, err) || read_modes(registry, err)) {
        stl_registry_close(registry);
        return -1;
    }
    return 0;
}

void stl_registry_close(struct stl_registry *registry)
{
    stl_close_fd(&registry->root.fd);
    free(registry->path);
    stl_settings_clear(&registry->settings);
    *registry = (struct stl_registry)STL_REGISTRY_INIT;
}

/* What a lock is for, in messages. */
static const char *locked_thing(enum stl_lock_kind kind, const struct stl_name *name)
{
    static const char *const things[] = {
        [STL_LOCK_CATALOG] = "the catalog",     [STL_LOCK_STORE] = "the store",
        [STL_LOCK_USERS] = "the list of users", [STL_LOCK_ACCESS] = "the list of public repositories",
        [STL_LOCK_PULLS] = "the list of pulls", [STL_LOCK_WRITES] = "the registry"};
    return things[kind] ? things[kind] : name->text;
}

static int open_lock(const struct stl_registry *registry, enum stl_lock_kind kind,
                     const struct stl_name *name, int mode, struct stl_error *err)
{
    static const char *const paths[] = {
        [STL_LOCK_CONTENT] = STL_LOCKS_CONTENT, [STL_LOCK_LISTS] = STL_LOCKS_LISTS,
        [STL_LOCK_CATALOG] = STL_LOCKS_CATALOG, [STL_LOCK_REPOSITORY] = STL_LOCKS_REPOSITORIES,
        [STL_LOCK_STORE] = STL_LOCKS_STORE,     [STL_LOCK_QUOTA] = STL_LOCKS_QUOTA,
        [STL_LOCK_USERS] = STL_LOCKS_USERS,     [STL_LOCK_ACCESS] = STL_LOCKS_ACCESS,
        [STL_LOCK_PULLS] = STL_LOCKS_PULLS,     [STL_LOCK_WRITES] = STL_LOCKS_WRITES};
    char flat[STL_PATH_MAX];
    const char *path = name ? stl_path_flat(paths[kind], name, flat) : paths[kind];
    const int flags = mode | O_CREAT | O_NOFOLLOW | O_CLOEXEC;
    int fd = openat(registry->root.fd, path, flags, registry->root.file_mode & 0660);
    if (fd < 0 && errno == ENOENT && name) {
        STL_AUTO_CLOSE int folder = stl_dir_make(&registry->root, registry->root.fd, paths[kind], err);
        if (folder < 0)
            return -1;
        fd = openat(registry->root.fd, path, flags, registry->root.file_mode & 0660);
    }
    return fd < 0 ? stl_error_errno(err, "cannot open %s", path) : fd;
}

/* The file is opened for reading: on CephFS, a machine keeps the right to read it, and need not ask for it
 * again the next time. Only NFS wants the right to write for an exclusive lock. `milliseconds`: how long an
 * operation with LOCK_NB is tried. */
static int lock_within(const struct stl_registry *registry, enum stl_lock_kind kind,
                       const struct stl_name *name, int operation, unsigned milliseconds,
                       struct stl_error *err)
{
    const struct timespec pause = {.tv_nsec = LOCK_PAUSE_MS * 1000000};
    int mode = O_RDONLY, fd = open_lock(registry, kind, name, mode, err);
    unsigned waited = 0;
    while (fd >= 0 && stl_flock(fd, operation)) {
        if (errno == EBADF && mode == O_RDONLY) {
            stl_close_fd(&fd);
            mode = O_RDWR;
            fd = open_lock(registry, kind, name, mode, err);
        } else if (errno == EWOULDBLOCK && waited < milliseconds) {
            nanosleep(&pause, NULL);
            waited += LOCK_PAUSE_MS;
        } else {
            if (errno == EWOULDBLOCK)
                stl_error_set(err, STL_UNAVAILABLE, "%s is busy", locked_thing(kind, name));
            else
                stl_error_errno(err, "cannot lock %s", locked_thing(kind, name));
            stl_close_fd(&fd);
        }
    }
    return fd;
}

int stl_registry_lock(const struct stl_registry *registry, enum stl_lock_kind kind,
                      const struct stl_name *name, bool exclusive, struct stl_error *err)
{
    return lock_within(registry, kind, name, exclusive ? LOCK_EX : LOCK_SH, 0, err);
}

int stl_registry_lock_within(const struct stl_registry *registry, enum stl_lock_kind kind,
                             const struct stl_name *name, unsigned milliseconds, struct stl_error *err)
{
    return lock_within(registry, kind, name, LOCK_EX | LOCK_NB, milliseconds, err);
}

int stl_registry_lock_target(const struct stl_registry *registry, const char *prefix, const char *target,
                             struct stl_error *err)
{
    struct stl_digest digest;
    char text[STL_DIGEST_TEXT_MAX];
    stl_digest_of(STL_SHA256, target, strlen(target), &digest);
    STL_AUTO_FREE char *path =
        stl_sprintf("%s%.16s", prefix, stl_digest_format(&digest, text) + strlen("sha256:"));
    int fd = openat(registry->root.fd, path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC,
                    registry->root.file_mode & 0660);
    if (fd >= 0 && stl_flock(fd, LOCK_EX | LOCK_NB) == 0)
        return fd;
    if (fd >= 0 && errno == EWOULDBLOCK)
        stl_error_set(err, STL_UNAVAILABLE, "%s is busy", target);
    else
        stl_error_errno(err, "cannot lock %s", path);
    stl_close_fd(&fd);
    return -1;
}
