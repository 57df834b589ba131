#include "throttle.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "auth-secrets.h"
#include "digest.h"

static const char folder[] = STL_AUTH_FAILURES;
enum { SLOT_SECONDS = 3600, HEX = 32, BUDGET = 64 };

void stl_throttle_init(struct stl_throttle *throttle, struct stl_throttle_rule rule, const char *what,
                       int64_t now)
{
    struct stl_digest digest;
    char text[STL_DIGEST_TEXT_MAX];
    throttle->rule = rule;
    stl_digest_of(STL_SHA256, what, strlen(what), &digest);
    stl_digest_format(&digest, text);
    for (int i = 0; i < 2; i++)
        snprintf(throttle->path[i], STL_THROTTLE_PATH, "%s/%lld/%.*s", folder,
                 (long long)(now / SLOT_SECONDS - i), HEX, text + strlen("sha256:"));
}

static int64_t wait_after(const struct stl_throttle_rule *rule, int64_t times)
{
    int64_t wait = rule->first;
    for (int64_t n = rule->free; n < times && wait < rule->longest; n++)
        wait *= 2;
    return wait < rule->longest ? wait : rule->longest;
}

int64_t stl_throttle_wait(const struct stl_registry *registry, const struct stl_throttle *throttle,
                          int64_t now)
{
    int64_t times = 0, last = 0;
    for (int i = 0; i < 2; i++) {
        struct stat st;
        if (fstatat(registry->root.fd, throttle->path[i], &st, AT_SYMLINK_NOFOLLOW))
            continue;
        times += st.st_size;
        last = st.st_mtime > last ? st.st_mtime : last;
    }
    if (times < throttle->rule.free)
        return 0;
    int64_t end = last + wait_after(&throttle->rule, times);
    return end > now ? end - now : 0;
}

/* --- counting ------------------------------------------------------------------------------------------- */

struct failure_sweep {
    int directory;
    int64_t oldest;
    size_t budget;
};

static int sweep_slot(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    struct failure_sweep *sweep = context;
    (void)type;
    if (strtoll(name, NULL, 10) >= sweep->oldest)
        return 0;
    return stl_tree_trim(sweep->directory, name, &sweep->budget, err);
}

int stl_throttle_sweep(const struct stl_registry *registry, size_t budget, struct stl_error *err)
{
    struct stl_error missing = STL_ERROR_INIT;
    STL_AUTO_CLOSE int all = stl_dir_open(registry->root.fd, folder, &missing);
    struct failure_sweep sweep = {all, time(NULL) / SLOT_SECONDS - 1, budget};
    if (all < 0)
        return 0;
    return stl_dir_each(all, ".", sweep_slot, &sweep, err) < 0 ? -1 : 0;
}

/* The folder of this hour. */
static int open_slot(const struct stl_registry *registry, const struct stl_throttle *throttle,
                     struct stl_error *err)
{
    struct stl_root root = stl_secret_private(registry);
    STL_AUTO_FREE char *path =
        stl_strndup(throttle->path[0], (size_t)(strrchr(throttle->path[0], '/') - throttle->path[0]));
    struct stl_error ignored = STL_ERROR_INIT;
    stl_throttle_sweep(registry, BUDGET, &ignored);
    return stl_dir_make(&root, root.fd, path, err);
}

/* The file of this hour, locked. `flags`: O_CREAT or nothing. */
static int open_locked(const struct stl_registry *registry, const struct stl_throttle *throttle, int flags,
                       struct stl_error *err)
{
    STL_AUTO_CLOSE int slot = open_slot(registry, throttle, err);
    if (slot < 0)
        return -1;
    int fd = openat(slot, strrchr(throttle->path[0], '/') + 1,
                    O_WRONLY | O_APPEND | O_NOFOLLOW | O_CLOEXEC | flags, 0600);
    if (fd < 0 || flock(fd, LOCK_EX)) {
        stl_error_errno(err, "cannot count a failed login");
        stl_close_fd(&fd);
        return -1;
    }
    return fd;
}

int stl_throttle_count(const struct stl_registry *registry, const struct stl_throttle *throttle, int64_t now,
                       int64_t *wait, struct stl_error *err)
{
    *wait = stl_throttle_wait(registry, throttle, now);
    if (*wait > 0)
        return 0;
    STL_AUTO_CLOSE int fd = open_locked(registry, throttle, O_CREAT, err);
    if (fd < 0)
        return -1;
    *wait = stl_throttle_wait(registry, throttle, now); /* others may have failed meanwhile */
    if (*wait > 0)
        return 0;
    return stl_write_all(fd, "x", 1, err) ? -1 : 1;
}

void stl_throttle_return(const struct stl_registry *registry, const struct stl_throttle *throttle)
{
    struct stl_error ignored = STL_ERROR_INIT;
    struct stat st;
    STL_AUTO_CLOSE int fd = open_locked(registry, throttle, 0, &ignored);
    if (fd >= 0 && fstat(fd, &st) == 0 && st.st_size > 0 && ftruncate(fd, st.st_size - 1))
        return; /* otherwise the failure counts */
}

void stl_throttle_forget(const struct stl_registry *registry, const struct stl_throttle *throttle)
{
    for (int i = 0; i < 2; i++)
        unlinkat(registry->root.fd, throttle->path[i], 0);
}
