#include "login.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "digest.h"
#include "robot.h"
#include "secret.h"
#include "users.h"

static const char folder[] = "auth/failures";
enum { SLOT_SECONDS = 3600, HEX = 32, PATH_SIZE = 96 };

/* --- failures ------------------------------------------------------------------------------------------- */

/* Failures of this hour are counted in one folder, those of the last in another: what is older counts no
 * more. */
struct counter {
    char path[2][PATH_SIZE]; /* now, before */
};

/* Whoever has one address of IPv6 has 2^64 of them. */
static void find_network(const char *address, char network[INET6_ADDRSTRLEN])
{
    struct in6_addr six;
    snprintf(network, INET6_ADDRSTRLEN, "%s", address);
    if (inet_pton(AF_INET6, address, &six) != 1 || IN6_IS_ADDR_V4MAPPED(&six))
        return;
    memset(six.s6_addr + 8, 0, 8);
    inet_ntop(AF_INET6, &six, network, INET6_ADDRSTRLEN);
}

static void find_counter(struct counter *counter, const char *name, const char *address, int64_t now)
{
    struct stl_digest digest;
    char text[STL_DIGEST_TEXT_MAX], network[INET6_ADDRSTRLEN];
    find_network(address, network);
    STL_AUTO_FREE char *both = stl_sprintf("%s\n%s", name, network);
    stl_digest_of(STL_SHA256, both, strlen(both), &digest);
    stl_digest_format(&digest, text);
    for (int i = 0; i < 2; i++)
        snprintf(counter->path[i], PATH_SIZE, "%s/%lld/%.*s", folder, (long long)(now / SLOT_SECONDS - i),
                 HEX, text + strlen("sha256:"));
}

/* How many seconds from now on no password is looked at. */
static int64_t delay(const struct stl_registry *registry, const struct counter *counter, int64_t now)
{
    int64_t failures = 0, last = 0;
    for (int i = 0; i < 2; i++) {
        struct stat st;
        if (fstatat(registry->root.fd, counter->path[i], &st, AT_SYMLINK_NOFOLLOW))
            continue;
        failures += st.st_size;
        last = st.st_mtime > last ? st.st_mtime : last;
    }
    if (failures < STL_LOGIN_FREE_FAILURES)
        return 0;
    int64_t exponent = failures - STL_LOGIN_FREE_FAILURES + 1;
    int64_t wait = exponent < 10 ? INT64_C(1) << exponent : STL_LOGIN_DELAY_MAX;
    return last + wait > now ? last + wait - now : 0;
}

struct sweep {
    int directory;
    int64_t oldest;
};

static int sweep_slot(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    const struct sweep *sweep = context;
    (void)type;
    return strtoll(name, NULL, 10) < sweep->oldest ? stl_tree_remove(sweep->directory, name, err) : 0;
}

/* The folder of this hour. Who makes it removes those that count no more. */
static int open_slot(const struct stl_registry *registry, int64_t now, struct stl_error *err)
{
    struct stl_root root = stl_secret_private(registry);
    STL_AUTO_FREE char *path = stl_sprintf("%s/%lld", folder, (long long)(now / SLOT_SECONDS));
    struct stl_error missing = STL_ERROR_INIT;
    int slot = stl_dir_open(root.fd, path, &missing);
    if (slot >= 0 || missing.sys_errno != ENOENT)
        return slot;
    STL_AUTO_CLOSE int all = stl_dir_make(&root, root.fd, folder, err);
    struct sweep sweep = {all, now / SLOT_SECONDS - 1};
    if (all < 0 || stl_dir_each(all, ".", sweep_slot, &sweep, err))
        return -1;
    return stl_dir_make(&root, root.fd, path, err);
}

static int count_failure(const struct stl_registry *registry, const struct counter *counter, int64_t now,
                         struct stl_error *err)
{
    STL_AUTO_CLOSE int slot = open_slot(registry, now, err);
    if (slot < 0)
        return -1;
    const char *name = strrchr(counter->path[0], '/') + 1;
    STL_AUTO_CLOSE int fd = openat(slot, name, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
    return fd < 0 ? stl_error_errno(err, "cannot count a failed login") : stl_write_all(fd, "x", 1, err);
}

static void forget_failures(const struct stl_registry *registry, const struct counter *counter)
{
    for (int i = 0; i < 2; i++)
        unlinkat(registry->root.fd, counter->path[i], 0);
}

/* --- credentials ---------------------------------------------------------------------------------------- */

/* 1, 0 or -1. */
static int check_robot(const struct stl_registry *registry, const char *name, const char *token,
                       struct stl_identity *who, struct stl_error *err)
{
    struct stl_robot robot;
    if (strncmp(token, STL_ROBOT_PREFIX, strlen(STL_ROBOT_PREFIX)))
        return 0;
    int found = stl_robot_find(registry, token, &robot, err);
    if (found <= 0 || strcmp(robot.user, name))
        return found < 0 ? -1 : 0;
    who->is_robot = true;
    who->robot.actions = robot.actions;
    memcpy(who->robot.repository, robot.repository, sizeof who->robot.repository);
    return 1;
}

static int check(const struct stl_registry *registry, const char *name, const char *password,
                 struct stl_identity *who, struct stl_error *err)
{
    struct stl_error why = STL_ERROR_INIT;
    *who = (struct stl_identity)STL_IDENTITY_ANONYMOUS;
    if (stl_user_name_check(name, &why))
        return 0;
    int result = check_robot(registry, name, password, who, err);
    if (result == 0)
        result = stl_users_check(registry, name, password, err);
    snprintf(who->user, sizeof who->user, "%s", name);
    return result;
}

int stl_login(const struct stl_registry *registry, const char *name, const char *password,
              const char *address, struct stl_identity *who, int64_t *retry_after, struct stl_error *err)
{
    struct counter counter;
    int64_t now = time(NULL);
    find_counter(&counter, name, address, now);
    *retry_after = delay(registry, &counter, now);
    if (*retry_after > 0)
        return stl_error_set(err, STL_TOO_MANY_REQUESTS,
                             "too many wrong passwords: try again in %lld seconds", (long long)*retry_after);
    int result = check(registry, name, password, who, err);
    if (result < 0)
        return -1;
    if (result == 0) {
        if (count_failure(registry, &counter, now, err))
            return -1;
        return stl_error_set(err, STL_UNAUTHORIZED, "wrong user name or password");
    }
    forget_failures(registry, &counter);
    return 0;
}
