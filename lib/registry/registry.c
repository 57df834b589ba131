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

enum { SETTINGS_MAX = 1 << 20, LOCK_PAUSE_MS = 5 };

static int open_root(const char *path, struct stl_registry *registry, struct stl_error *err)
{
    registry->root.fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (registry->root.fd < 0)
        return stl_error_errno(err, "cannot open registry %s", path);
    registry->path = realpath(path, NULL);
    return registry->path ? 0 : stl_error_errno(err, "cannot open registry %s", path);
}

/* The mode and group of www/ decide: `stillage init` and `verify --repair` apply the setting to it, and the
 * CGI need not look up a group by name for every request. */
static int read_modes(struct stl_registry *registry, struct stl_error *err)
{
    struct stl_root *root = &registry->root;
    struct stat st;
    if (fstatat(root->fd, "www", &st, AT_SYMLINK_NOFOLLOW))
        return stl_error_errno(err, "cannot open %s/www", registry->path);
    bool all_may_read = st.st_mode & S_IROTH;
    root->file_mode = all_may_read ? 0644 : 0640;
    root->directory_mode = all_may_read ? 0755 : 0750;
    root->group = all_may_read ? (gid_t)-1 : st.st_gid;
    return 0;
}

void stl_registry_stamp(const struct stl_registry *registry, char stamp[STL_STAMP_MAX])
{
    struct stat st = {0};
    fstatat(registry->root.fd, "registry.yaml", &st, 0);
    snprintf(stamp, STL_STAMP_MAX, "%llx-%llx-%llx-%lx", (unsigned long long)st.st_ino,
             (unsigned long long)st.st_size, (unsigned long long)st.st_ctim.tv_sec, st.st_ctim.tv_nsec);
}

static int read_settings(struct stl_registry *registry, struct stl_error *err)
{
    STL_AUTO_BUF struct stl_buf text = {.ceiling = SETTINGS_MAX};
    stl_registry_stamp(registry, registry->stamp);
    if (stl_file_read(registry->root.fd, "registry.yaml", true, &text, err)) {
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

static int open_lock(const struct stl_registry *registry, enum stl_lock_kind kind,
                     const struct stl_name *name, struct stl_error *err)
{
    static const char *const prefixes[] = {"locks/content/", "locks/lists/", "locks/catalog", "locks/quota~",
                                           "locks/users",    "locks/access", "locks/writes"};
    char path[STL_NAME_MAX + 32];
    snprintf(path, sizeof path, "%s%s", prefixes[kind], name ? name->text : "");
    if (name)
        stl_path_flatten(path + strlen(prefixes[kind]));
    int fd = openat(registry->root.fd, path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC,
                    registry->root.file_mode & 0660);
    return fd < 0 ? stl_error_errno(err, "cannot open %s", path) : fd;
}

int stl_registry_lock(const struct stl_registry *registry, enum stl_lock_kind kind,
                      const struct stl_name *name, bool exclusive, struct stl_error *err)
{
    int fd = open_lock(registry, kind, name, err);
    while (fd >= 0 && flock(fd, exclusive ? LOCK_EX : LOCK_SH)) {
        if (errno == EINTR)
            continue;
        stl_error_errno(err, "cannot lock %s", name ? name->text : "the catalog");
        stl_close_fd(&fd);
        return -1;
    }
    return fd;
}

int stl_registry_lock_within(const struct stl_registry *registry, enum stl_lock_kind kind,
                             const struct stl_name *name, unsigned milliseconds, struct stl_error *err)
{
    const struct timespec pause = {.tv_nsec = LOCK_PAUSE_MS * 1000000};
    int fd = open_lock(registry, kind, name, err);
    for (unsigned waited = 0; fd >= 0 && flock(fd, LOCK_EX | LOCK_NB); waited += LOCK_PAUSE_MS) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            stl_error_errno(err, "cannot lock %s", name ? name->text : "the catalog");
        else if (waited >= milliseconds)
            stl_error_set(err, STL_UNAVAILABLE, "%s is busy", name ? name->text : "the catalog");
        else {
            nanosleep(&pause, NULL);
            continue;
        }
        stl_close_fd(&fd);
        return -1;
    }
    return fd;
}

char *stl_path_flatten(char *name)
{
    for (char *slash = name; (slash = strchr(slash, '/')) != NULL;)
        *slash = '~';
    return name;
}

bool stl_path_unflatten(const char *flat, struct stl_name *name)
{
    struct stl_error ignored = STL_ERROR_INIT;
    STL_AUTO_FREE char *text = stl_strdup(flat);
    for (char *tilde = text; (tilde = strchr(tilde, '~')) != NULL;)
        *tilde = '/';
    return stl_name_parse(text, name, &ignored) == 0;
}

char *stl_path_repository(const struct stl_name *name, char path[STL_PATH_MAX])
{
    snprintf(path, STL_PATH_MAX, "www/v2/%s", name->text);
    return path;
}

char *stl_path_store_directory(const struct stl_digest *digest, char path[STL_PATH_MAX])
{
    char text[STL_DIGEST_TEXT_MAX];
    stl_digest_format(digest, text);
    snprintf(path, STL_PATH_MAX, "store/%.6s/%.2s", text, text + 7);
    return path;
}

char *stl_path_store(const struct stl_digest *digest, char path[STL_PATH_MAX])
{
    char text[STL_DIGEST_TEXT_MAX];
    stl_digest_format(digest, text);
    snprintf(path, STL_PATH_MAX, "store/%.6s/%.2s/%s", text, text + 7, text + 7);
    return path;
}
