#include "reserve.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { RESERVE_PART = 16, RESERVE_NAME_MAX = 32 };

static void make_name(int number, char name[RESERVE_NAME_MAX])
{
    snprintf(name, RESERVE_NAME_MAX, "reserve/%d", number);
}

/* What is missing must be a small part of what is free: small disks are not for us to fill. */
static bool has_plenty(const struct stl_registry *registry)
{
    struct statvfs fs;
    uint64_t missing = 0;
    for (int i = 0; i < STL_RESERVE_FILES; i++) {
        char name[RESERVE_NAME_MAX];
        make_name(i, name);
        if (faccessat(registry->root.fd, name, F_OK, AT_SYMLINK_NOFOLLOW))
            missing += STL_RESERVE_SIZE;
    }
    return fstatvfs(registry->root.fd, &fs) == 0 &&
           (uint64_t)fs.f_bavail * fs.f_frsize / RESERVE_PART >= missing;
}

/* One that a killed process left without its space gets it now. */
static bool fill_one(const struct stl_registry *registry, const char *name)
{
    struct stat st;
    STL_AUTO_CLOSE int fd =
        openat(registry->root.fd, name, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0 || fstat(fd, &st))
        return false;
    if (st.st_size == STL_RESERVE_SIZE || posix_fallocate(fd, 0, STL_RESERVE_SIZE) == 0)
        return true;
    unlinkat(registry->root.fd, name, 0);
    return false;
}

void stl_reserve_fill(const struct stl_registry *registry)
{
    struct stl_error ignored = STL_ERROR_INIT;
    char name[RESERVE_NAME_MAX];
    if (!has_plenty(registry))
        return;
    STL_AUTO_CLOSE int directory = stl_dir_make(&registry->root, registry->root.fd, "reserve", &ignored);
    bool filled = directory >= 0;
    for (int i = 0; i < STL_RESERVE_FILES && filled; i++) {
        make_name(i, name);
        filled = fill_one(registry, name);
    }
}

bool stl_reserve_use(const struct stl_registry *registry, struct stl_error *err)
{
    char name[RESERVE_NAME_MAX];
    for (int i = 0; i < STL_RESERVE_FILES && err->code == STL_NO_SPACE; i++) {
        make_name(i, name);
        if (unlinkat(registry->root.fd, name, 0) == 0)
            stl_error_clear(err);
    }
    return err->code == STL_OK;
}
