#include "scratch.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct stl_registry registry;
static char folder[64];
static pid_t owner;

_Noreturn void scratch_fail(const char *file, int line, const char *condition)
{
    fprintf(stderr, "%s:%d: not so: %s\n", file, line, condition);
    abort();
}

static void clean_up(void)
{
    struct stl_error ignored = STL_ERROR_INIT;
    stl_registry_close(&registry);
    if (getpid() == owner)
        stl_tree_remove(AT_FDCWD, folder, &ignored);
}

/* Everybody may do everything with "app", alice (password "pw") with the rest. */
static const char open_settings[] =
    "version: 1\napache: true\n"
    "access:\n  - repository: app\n    push: [anonymous]\n    delete: [anonymous]\n"
    "  - repository: '**'\n    push: [alice]\n    delete: [alice]\n"
    "auth:\n  trust-remote-user: true\n"
    "immutable:\n  - tags: [fixed]\n"
    "quotas:\n  - repository: small\n    size: 10B\n    tags: 2\n";
static const char *settings = open_settings;
static const char users[] = "alice:$2y$04$abcdefghijklmnopqrstuuyvPXIbu7xe6/CED2DzX8z6Si09MlzlW\n";

static void make_registry(void)
{
    struct stl_error err = STL_ERROR_INIT;
    STL_AUTO_FREE char *path = stl_sprintf("%s/reg", folder);
    if (stl_registry_make(path, settings, "", &err) || stl_registry_open(&registry, path, &err))
        scratch_fail(__FILE__, __LINE__, err.message);
    scratch_write("auth/htpasswd", users, strlen(users));
}

const struct stl_registry *scratch_registry(void)
{
    if (owner)
        return &registry;
    snprintf(folder, sizeof folder, "%s/st-fuzz.XXXXXX", access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
    EXPECT(mkdtemp(folder));
    owner = getpid();
    atexit(clean_up);
    make_registry();
    return &registry;
}

void scratch_reset(void)
{
    struct stl_error err = STL_ERROR_INIT;
    STL_AUTO_FREE char *path = stl_strdup(scratch_registry()->path);
    stl_registry_close(&registry);
    EXPECT(stl_tree_remove(AT_FDCWD, path, &err) == 0);
    make_registry();
}

void scratch_settings(const char *text)
{
    struct stl_error err = STL_ERROR_INIT;
    STL_AUTO_FREE char *path = stl_strdup(scratch_registry()->path);
    settings = text;
    scratch_write("registry.yaml", text, strlen(text));
    stl_registry_close(&registry);
    EXPECT(stl_registry_open(&registry, path, &err) == 0);
}

void scratch_write(const char *path, const void *bytes, size_t length)
{
    STL_AUTO_CLOSE int fd =
        openat(scratch_registry()->root.fd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    EXPECT(fd >= 0 && write(fd, bytes, length) == (ssize_t)length);
}

char *scratch_text(const void *data, size_t size)
{
    return stl_strndup(data, strnlen(data, size));
}
