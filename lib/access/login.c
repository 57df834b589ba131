#include "login.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "throttle.h"
#include "id-token.h"
#include "network.h"
#include "reserve.h"
#include "robot.h"
#include "users.h"

enum { TURN_PAUSE_MS = 20 };

static const struct stl_throttle_rule name_rule = {STL_LOGIN_FREE_FAILURES, 2, STL_LOGIN_DELAY_MAX},
                                      network_rule = {STL_LOGIN_FREE_OF_NETWORK, 2, 2};

/* --- failures ------------------------------------------------------------------------------------------- */

/* The failures of a name from a network, and all failures from the network. */
struct throttles {
    struct stl_throttle name, network;
    int64_t now;
};

static void init_throttles(struct throttles *throttles, const char *name, const char *address)
{
    char network[STL_NETWORK_MAX];
    stl_network_of(address, network);
    STL_AUTO_FREE char *both = stl_sprintf("%s\n%s", name, network);
    throttles->now = time(NULL);
    stl_throttle_init(&throttles->name, name_rule, both, throttles->now);
    stl_throttle_init(&throttles->network, network_rule, network, throttles->now);
}

static int64_t find_wait(const struct stl_registry *registry, const struct throttles *throttles)
{
    int64_t name = stl_throttle_wait(registry, &throttles->name, throttles->now);
    int64_t network = stl_throttle_wait(registry, &throttles->network, throttles->now);
    return name > network ? name : network;
}

/* Counts the attempt as a failure until it succeeds. Returns 1, 0 if the client has to wait, or -1. */
static int count_attempt(const struct stl_registry *registry, const struct throttles *throttles,
                         int64_t *wait, struct stl_error *err)
{
    int counted = stl_throttle_count(registry, &throttles->network, throttles->now, wait, err);
    if (counted <= 0)
        return counted;
    counted = stl_throttle_count(registry, &throttles->name, throttles->now, wait, err);
    if (counted <= 0)
        stl_throttle_return(registry, &throttles->network);
    return counted;
}

/* --- turns ---------------------------------------------------------------------------------------------- */

/* Hashing a password takes a tenth of a second of CPU time, so only a few are computed at once. Returns a
 * descriptor that ends the turn when it is closed. */
static int take_turn(const struct stl_registry *registry, struct stl_error *err)
{
    const struct timespec pause = {.tv_nsec = TURN_PAUSE_MS * 1000000};
    for (int waited = 0; waited < STL_LOGIN_PATIENCE * 1000; waited += TURN_PAUSE_MS) {
        for (int i = 0; i < STL_LOGIN_AT_ONCE; i++) {
            char path[32];
            snprintf(path, sizeof path, STL_LOCKS_LOGIN "%d", i);
            int fd = openat(registry->root.fd, path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
            if (fd < 0)
                return stl_error_errno(err, "cannot open %s", path);
            if (flock(fd, LOCK_EX | LOCK_NB) == 0)
                return fd;
            stl_close_fd(&fd);
        }
        nanosleep(&pause, NULL);
    }
    return stl_error_set(err, STL_UNAVAILABLE, "too many logins at the moment: try again soon");
}

/* --- credentials ---------------------------------------------------------------------------------------- */

/* Returns 1, 0 or -1. */
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

/* Checks a password: returns 1 and sets *who, 0 or -1. */
static int check_password(const struct stl_registry *registry, const struct throttles *throttles,
                          const char *name, const char *password, int64_t *wait, struct stl_error *err)
{
    STL_AUTO_CLOSE int turn = take_turn(registry, err);
    if (turn < 0) {
        *wait = err->code == STL_UNAVAILABLE ? 1 : 0;
        return -1;
    }
    int counted = count_attempt(registry, throttles, wait, err);
    if (counted <= 0)
        return counted;
    int right = stl_users_check(registry, name, password, err);
    if (right)
        stl_throttle_return(registry, &throttles->network);
    if (right > 0)
        stl_throttle_forget(registry, &throttles->name);
    else if (right < 0)
        stl_throttle_return(registry, &throttles->name);
    return right;
}

/* An invalid name counts as guessing, too, but needs neither a hash nor a file of its own. */
static int refuse_name(const struct stl_registry *registry, const struct throttles *throttles, int64_t *wait,
                       struct stl_error *err)
{
    return stl_throttle_count(registry, &throttles->network, throttles->now, wait, err) < 0 ? -1 : 0;
}

/* An ID token, whatever user name came with it. Failures are counted under a name of their own. Returns 1, 0
 * or -1; *wait > 0: there were too many failures before this one. */
static int check_id_token(const struct stl_registry *registry, const char *token, const char *address,
                          struct stl_identity *who, int64_t *wait, struct stl_error *err)
{
    struct stl_error ignored = STL_ERROR_INIT;
    struct throttles throttles;
    if (stl_id_token_identify(registry, token, time(NULL), who, err) == 0)
        return 1;
    if (err->code != STL_UNAUTHORIZED)
        return -1;
    init_throttles(&throttles, "an ID token", address);
    *wait = find_wait(registry, &throttles);
    if (*wait == 0)
        count_attempt(registry, &throttles, wait, &ignored);
    return *wait > 0 ? 0 : -1;
}

/* A valid token is never slowed down: it cannot be guessed. Returns 1, 0 or -1; *wait > 0: the password was
 * not checked. */
static int check_login(const struct stl_registry *registry, const char *name, const char *password,
                       const char *address, struct stl_identity *who, int64_t *wait, struct stl_error *err)
{
    struct stl_error why = STL_ERROR_INIT;
    struct throttles throttles;
    if (stl_id_token_is_likely(registry, password))
        return check_id_token(registry, password, address, who, wait, err);
    bool possible = stl_user_name_check(name, &why) == 0;
    int found = possible ? check_robot(registry, name, password, who, err) : 0;
    if (found)
        return found;
    init_throttles(&throttles, name, address);
    *wait = find_wait(registry, &throttles);
    if (*wait > 0)
        return 0;
    return possible ? check_password(registry, &throttles, name, password, wait, err)
                    : refuse_name(registry, &throttles, wait, err);
}

int stl_login(const struct stl_registry *registry, const char *name, const char *password,
              const char *address, struct stl_identity *who, int64_t *retry_after, struct stl_error *err)
{
    int result;
    do {
        *retry_after = 0;
        *who = (struct stl_identity)STL_IDENTITY_ANONYMOUS;
        result = check_login(registry, name, password, address, who, retry_after, err);
    } while (result < 0 && stl_reserve_login(registry, err));
    if (result < 0)
        return -1;
    if (*retry_after > 0)
        return stl_error_set(err, STL_TOO_MANY_REQUESTS,
                             "too many wrong passwords: try again in %lld seconds", (long long)*retry_after);
    if (result == 0)
        return stl_error_set(err, STL_UNAUTHORIZED, "wrong user name or password");
    if (!who->oidc.count)
        snprintf(who->user, sizeof who->user, "%s", name);
    return 0;
}
