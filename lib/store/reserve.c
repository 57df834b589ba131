#include "reserve.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { RESERVE_PART = 16, RESERVE_NAME_MAX = 32 };

static const char folder[] = STL_RESERVE;

static void make_name(int number, char name[RESERVE_NAME_MAX])
{
    snprintf(name, RESERVE_NAME_MAX, "%s/%d", folder, number);
}

/* What may be taken of the free space: small disks must not be filled. */
struct budget {
    uint64_t bytes, files;
};

static struct budget affordable(const struct stl_registry *registry)
{
    struct statvfs fs;
    if (fstatvfs(registry->root.fd, &fs))
        return (struct budget){0};
    return (struct budget){(uint64_t)fs.f_bavail * fs.f_frsize / RESERVE_PART,
                           fs.f_files ? fs.f_favail / RESERVE_PART : STL_RESERVE_FILES};
}

static bool can_afford(struct budget *budget, uint64_t bytes)
{
    if (budget->files == 0 || budget->bytes < bytes)
        return false;
    budget->files--;
    budget->bytes -= bytes;
    return true;
}

/* The order in which they are made: a large one after three small ones. */
static int nth(int i)
{
    return i % 4 == 3 ? STL_RESERVE_SMALL + i / 4 : i - i / 4;
}

/* A file that a killed process left without its space gets it now. */
static bool fill_one(const struct stl_registry *registry, int number)
{
    char name[RESERVE_NAME_MAX];
    struct stat st;
    make_name(number, name);
    if (fstatat(registry->root.fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
        st.st_size == STL_RESERVE_SIZE(number))
        return true;
    STL_AUTO_CLOSE int fd =
        openat(registry->root.fd, name, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return false;
    if (posix_fallocate(fd, 0, STL_RESERVE_SIZE(number)) == 0)
        return true;
    unlinkat(registry->root.fd, name, 0);
    return false;
}

static int note_file(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    bool *held = context;
    char *end;
    (void)type;
    (void)err;
    unsigned long number = strtoul(name, &end, 10);
    if (!*end && number < STL_RESERVE_FILES)
        held[number] = true;
    return 0;
}

struct stl_reserve_loan stl_reserve_borrow(const struct stl_registry *registry)
{
    struct stl_reserve_loan loan = {.registry = registry};
    struct stl_error ignored = STL_ERROR_INIT;
    stl_dir_each_if_any(registry->root.fd, folder, note_file, loan.held, &ignored);
    return loan;
}

void stl_reserve_return(struct stl_reserve_loan *loan)
{
    const struct stl_reserve_loan now = stl_reserve_borrow(loan->registry);
    bool filled = true;
    for (int i = 0; i < STL_RESERVE_FILES && filled; i++)
        filled = !loan->held[i] || now.held[i] || fill_one(loan->registry, i);
}

void stl_reserve_fill(const struct stl_registry *registry)
{
    struct stl_error ignored = STL_ERROR_INIT;
    const struct stl_reserve_loan now = stl_reserve_borrow(registry);
    struct budget budget = affordable(registry);
    STL_AUTO_CLOSE int directory = stl_dir_make(&registry->root, registry->root.fd, folder, &ignored);
    bool filled = directory >= 0;
    for (int i = 0; i < STL_RESERVE_FILES && filled; i++) {
        int number = nth(i);
        filled = now.held[number] || can_afford(&budget, STL_RESERVE_SIZE(number));
        filled = filled && fill_one(registry, number);
    }
}

/* Some file systems (btrfs) free the space of a removed file only once the removal is on disk. */
static bool use(const struct stl_registry *registry, int count, struct stl_error *err)
{
    char name[RESERVE_NAME_MAX];
    for (int i = 0; i < count && err->code == STL_NO_SPACE; i++) {
        make_name(i, name);
        if (unlinkat(registry->root.fd, name, 0))
            continue;
        syncfs(registry->root.fd);
        stl_error_clear(err);
        return true;
    }
    return false;
}

bool stl_reserve_use(const struct stl_registry *registry, struct stl_error *err)
{
    return use(registry, STL_RESERVE_FILES, err);
}

bool stl_reserve_spare(const struct stl_registry *registry, struct stl_error *err)
{
    return use(registry, STL_RESERVE_SMALL / 2, err);
}

bool stl_reserve_login(const struct stl_registry *registry, struct stl_error *err)
{
    return use(registry, STL_RESERVE_SMALL, err);
}

int stl_reserve_lock(const struct stl_registry *registry, enum stl_lock_kind kind,
                     const struct stl_name *name, unsigned milliseconds, struct stl_error *err)
{
    for (;;) {
        int lock = milliseconds ? stl_registry_lock_within(registry, kind, name, milliseconds, err)
                                : stl_registry_lock(registry, kind, name, true, err);
        if (lock >= 0 || !stl_reserve_use(registry, err))
            return lock;
    }
}
