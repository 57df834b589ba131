#include "unit.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "login.h"
#include "robot.h"
#include "users.h"

#define HERE "192.0.2.1"

static struct stl_identity who;
static int64_t wait_seconds;

static int login(const struct unit *unit, const char *name, const char *password, const char *address)
{
    return stl_login(&unit->registry, name, password, address, &who, &wait_seconds, &err);
}

static void passwords_and_tokens(void **state)
{
    struct unit *unit = *state;
    char token[STL_ROBOT_TOKEN];
    struct stl_robot robot = {.user = "alice", .repository = "lib/*", .actions = 3};
    OK(stl_users_add(&unit->registry, "alice", "secret", &err));
    OK(stl_robot_create(&unit->registry, &robot, token, &err));
    OK(login(unit, "alice", "secret", HERE));
    assert_string_equal(who.user, "alice");
    assert_false(who.is_robot || who.is_bearer);
    OK(login(unit, "alice", token, HERE));
    assert_true(who.is_robot);
    assert_string_equal(who.robot.repository, "lib/*");
    assert_int_equal(who.robot.actions, 3);
    FAILS(STL_UNAUTHORIZED, login(unit, "bob", token, HERE)); /* somebody else's */
    FAILS(STL_UNAUTHORIZED, login(unit, "al", token, HERE));
    FAILS(STL_UNAUTHORIZED, login(unit, "alice2", token, HERE));
    FAILS(STL_UNAUTHORIZED, login(unit, "alice", "wrong", HERE));
    FAILS(STL_UNAUTHORIZED, login(unit, "alice", "", HERE));
    FAILS(STL_UNAUTHORIZED, login(unit, "", "", HERE));
    FAILS(STL_UNAUTHORIZED, login(unit, "group:x", "secret", HERE));
    FAILS(STL_UNAUTHORIZED, login(unit, "alice", "stl_", HERE));
    OK(stl_users_change(&unit->registry, "alice", "stl_password",
                        &err)); /* it looks like a token, but is none */
    OK(login(unit, "alice", "stl_password", HERE));
    assert_false(who.is_robot);
}

static void tokens_that_end(void **state)
{
    struct unit *unit = *state;
    char token[STL_ROBOT_TOKEN];
    struct stl_robot robot = {.user = "alice", .repository = "lib/*", .actions = 1};
    for (int left = -1; left <= 1; left++) { /* it has ended, has no end, or lives on */
        robot.expires = left ? time(NULL) + left * 1000 : 0;
        OK(stl_robot_create(&unit->registry, &robot, token, &err));
        if (left < 0)
            FAILS(STL_UNAUTHORIZED, login(unit, "alice", token, HERE));
        else
            OK(login(unit, "alice", token, HERE));
        assert_int_equal(who.is_robot, left >= 0);
    }
}

/* The one file that counts, moved back by some seconds. */
static int age_file(void *context, const char *name, unsigned char type, struct stl_error *unused)
{
    const int *at = context;
    (void)type;
    (void)unused;
    struct stat st;
    assert_int_equal(fstatat(at[0], name, &st, 0), 0);
    struct timespec times[] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = st.st_mtime - at[1]}};
    assert_int_equal(utimensat(at[0], name, times, 0), 0);
    return 0;
}

static int age_slot(void *context, const char *name, unsigned char type, struct stl_error *unused)
{
    const int *at = context;
    (void)type;
    (void)unused;
    STL_AUTO_CLOSE int slot = stl_dir_open(at[0], name, &err);
    int below[] = {slot, at[1]};
    OK(stl_dir_each(slot, ".", age_file, below, &err));
    return 0;
}

static void age(const struct unit *unit, int seconds)
{
    STL_AUTO_CLOSE int failures = stl_dir_open(unit->registry.root.fd, "auth/failures", &err);
    int at[] = {failures, seconds};
    OK(stl_dir_each(failures, ".", age_slot, at, &err));
}

/* The failures move ahead in time: until then, no wait ends, however slow the machine is. */
enum { AHEAD = 600 };

/* What is left of a wait of `delay` seconds. */
static void check_wait(const struct unit *unit, int64_t delay)
{
    age(unit, -AHEAD);
    FAILS(STL_TOO_MANY_REQUESTS, login(unit, "alice", "wrong", HERE));
    assert_in_range(wait_seconds, delay + 1, delay + AHEAD);
}

static void guessing_becomes_slow(void **state)
{
    struct unit *unit = *state;
    OK(stl_users_add(&unit->registry, "alice", "secret", &err));
    for (int i = 0; i < STL_LOGIN_FREE_FAILURES; i++)
        FAILS(STL_UNAUTHORIZED, login(unit, "alice", "wrong", HERE));
    check_wait(unit, 2);
    FAILS(STL_TOO_MANY_REQUESTS,
          login(unit, "alice", "secret", HERE));                /* the right one has to wait as well */
    OK(login(unit, "alice", "secret", "192.0.2.2"));            /* from elsewhere it has not */
    FAILS(STL_UNAUTHORIZED, login(unit, "bob", "wrong", HERE)); /* others are others */
    int64_t delay = 2;
    for (int i = 0; i < 12; i++) {
        age(unit, (int)delay + AHEAD + 1);
        FAILS(STL_UNAUTHORIZED, login(unit, "alice", "wrong", HERE));
        delay = delay * 2 < STL_LOGIN_DELAY_MAX ? delay * 2 : STL_LOGIN_DELAY_MAX;
        check_wait(unit, delay);
    }
    age(unit, STL_LOGIN_DELAY_MAX + AHEAD);
    OK(login(unit, "alice", "secret", HERE));
    FAILS(STL_UNAUTHORIZED, login(unit, "alice", "wrong", HERE)); /* and all is forgotten */
    FAILS(STL_UNAUTHORIZED, login(unit, "alice", "wrong", HERE));
}

/* Somebody with IPv6 has a whole network of addresses; behind one server for both, IPv4 looks like IPv6. */
static void a_network_is_one_address(void **state)
{
    struct unit *unit = *state;
    for (int i = 0; i < STL_LOGIN_FREE_FAILURES; i++) {
        STL_AUTO_FREE char *address = stl_sprintf("2001:db8:1:2:%x::%x", i, i * 7);
        FAILS(STL_UNAUTHORIZED, login(unit, "alice", "wrong", address));
        STL_AUTO_FREE char *mapped = stl_sprintf("::ffff:192.0.2.%d", i);
        FAILS(STL_UNAUTHORIZED, login(unit, "alice", "wrong", mapped));
    }
    age(unit, -AHEAD);
    FAILS(STL_TOO_MANY_REQUESTS, login(unit, "alice", "wrong", "2001:db8:1:2::1"));
    FAILS(STL_UNAUTHORIZED, login(unit, "alice", "wrong", "2001:db8:1:3::1"));
    FAILS(STL_UNAUTHORIZED, login(unit, "alice", "wrong", "::ffff:192.0.2.200"));
}

/* Whoever does not stop guessing keeps themselves out, and nobody else; and while they wait, nothing is
 * counted. */
static void nobody_is_locked_out_by_others(void **state)
{
    struct unit *unit = *state;
    OK(stl_users_add(&unit->registry, "alice", "secret", &err));
    for (int i = 0; i < STL_LOGIN_FREE_FAILURES; i++)
        FAILS(STL_UNAUTHORIZED, login(unit, "alice", "wrong", HERE));
    check_wait(unit, 2);
    for (int i = 0; i < 1000; i++)
        FAILS(STL_TOO_MANY_REQUESTS, login(unit, "alice", "wrong", HERE));
    OK(login(unit, "alice", "secret", "198.51.100.1"));
    FAILS(STL_TOO_MANY_REQUESTS, login(unit, "alice", "secret", HERE)); /* which forgives nothing here */
    assert_in_range(wait_seconds, 2 + 1, 2 + AHEAD);
    age(unit, 2 + AHEAD);
    OK(login(unit, "alice", "secret", HERE));
}

static void names_that_do_not_exist_count_as_well(void **state)
{
    struct unit *unit = *state;
    for (int i = 0; i < STL_LOGIN_FREE_FAILURES; i++)
        FAILS(STL_UNAUTHORIZED, login(unit, "nobody", "wrong", HERE));
    age(unit, -AHEAD);
    FAILS(STL_TOO_MANY_REQUESTS, login(unit, "nobody", "wrong", HERE));
}

/* Failures of the hour before count; those of the hour before that are removed with the next one. */
static void old_failures_are_forgotten(void **state)
{
    struct unit *unit = *state;
    int root = unit->registry.root.fd;
    long long hour = (long long)time(NULL) / 3600;
    FAILS(STL_UNAUTHORIZED, login(unit, "alice", "wrong", HERE));
    STL_AUTO_FREE char *old = stl_sprintf("auth/failures/%lld", hour - 2);
    STL_AUTO_FREE char *last = stl_sprintf("auth/failures/%lld", hour - 1);
    STL_AUTO_FREE char *now = stl_sprintf("auth/failures/%lld", hour);
    assert_int_equal(renameat(root, now, root, last), 0);
    assert_int_equal(mkdirat(root, old, 0700), 0);
    for (int i = 1; i < STL_LOGIN_FREE_FAILURES; i++)
        FAILS(STL_UNAUTHORIZED, login(unit, "alice", "wrong", HERE));
    age(unit, -AHEAD);
    FAILS(STL_TOO_MANY_REQUESTS, login(unit, "alice", "wrong", HERE));
    assert_false(unit_exists(root, old));
    unit_remove(root, last);
    FAILS(STL_UNAUTHORIZED, login(unit, "alice", "wrong", HERE));
}

/* --- many at once --------------------------------------------------------------------------------------- */

enum { AT_ONCE = 40 };

struct attempt {
    const struct unit *unit;
    const char *password;
    enum stl_code code;
};

static void *attempt(void *context)
{
    struct attempt *attempt = context;
    struct stl_identity found = STL_IDENTITY_ANONYMOUS;
    struct stl_error why = STL_ERROR_INIT;
    int64_t wait = 0;
    stl_login(&attempt->unit->registry, "alice", attempt->password, HERE, &found, &wait, &why);
    attempt->code = why.code;
    return NULL;
}

/* How many of so many attempts at the same time end with that code. */
static int attempts(const struct unit *unit, int count, const char *password, enum stl_code code)
{
    pthread_t threads[AT_ONCE];
    struct attempt all[AT_ONCE];
    int n = 0;
    for (int i = 0; i < count; i++) {
        all[i] = (struct attempt){unit, password, STL_OK};
        assert_int_equal(pthread_create(&threads[i], NULL, attempt, &all[i]), 0);
    }
    for (int i = 0; i < count; i++) {
        pthread_join(threads[i], NULL);
        n += all[i].code == code;
    }
    return n;
}

static void guesses_at_once_are_no_more_than_one_by_one(void **state)
{
    struct unit *unit = *state;
    OK(stl_users_add(&unit->registry, "alice", "secret", &err));
    time_t begin = time(NULL);
    int logged_in = attempts(unit, 12, "secret", STL_OK);
    assert_true(logged_in == 12 || time(NULL) - begin >= STL_LOGIN_PATIENCE);
    begin = time(NULL);
    int looked_at = attempts(unit, AT_ONCE, "wrong", STL_UNAUTHORIZED);
    /* A slow machine may sit out the waits of 2, 4, ... seconds that follow. */
    assert_in_range(looked_at, 1, STL_LOGIN_FREE_FAILURES + (time(NULL) - begin) / 2);
    age(unit, -AHEAD);
    FAILS(STL_TOO_MANY_REQUESTS, login(unit, "alice", "secret", HERE));
}

static void a_token_is_never_slowed_down(void **state)
{
    struct unit *unit = *state;
    char token[STL_ROBOT_TOKEN];
    struct stl_robot robot = {.user = "ci", .repository = "**", .actions = 1};
    OK(stl_robot_create(&unit->registry, &robot, token, &err));
    for (int i = 0; i < STL_LOGIN_FREE_FAILURES; i++)
        FAILS(STL_UNAUTHORIZED, login(unit, "ci", "stl_wrong", HERE));
    age(unit, -AHEAD);
    FAILS(STL_TOO_MANY_REQUESTS, login(unit, "ci", "stl_wrong", HERE));
    OK(login(unit, "ci", token, HERE));
}

static int count_name(void *context, const char *name, unsigned char type, struct stl_error *unused)
{
    int *count = context;
    (void)name;
    (void)type;
    (void)unused;
    ++*count;
    return 0;
}

/* Names that nobody can have take no hash, one file together, and are slowed down in the end. */
static void impossible_names_cost_nothing(void **state)
{
    struct unit *unit = *state;
    int files = 0;
    OK(stl_users_add(&unit->registry, "alice", "secret", &err));
    for (int i = 0; i < STL_LOGIN_FREE_OF_NETWORK; i++) {
        STL_AUTO_FREE char *name = stl_sprintf("!%d", i);
        FAILS(STL_UNAUTHORIZED, login(unit, name, "x", HERE));
    }
    STL_AUTO_FREE char *slot = stl_sprintf("auth/failures/%lld", (long long)time(NULL) / 3600);
    OK(stl_dir_each(unit->registry.root.fd, slot, count_name, &files, &err));
    assert_int_equal(files, 1);
    age(unit, -AHEAD);
    FAILS(STL_TOO_MANY_REQUESTS, login(unit, "!", "x", HERE));
    FAILS(STL_TOO_MANY_REQUESTS, login(unit, "alice", "secret", HERE));
    assert_in_range(wait_seconds, 2 + 1, 2 + AHEAD);
    age(unit, 2 + AHEAD);
    OK(login(unit, "alice", "secret", HERE)); /* one by one they are looked at */
    OK(login(unit, "alice", "secret", "192.0.2.2"));
}

/* Whoever knows the password may come as often as they like, also one from their network. */
static void right_passwords_count_for_nothing(void **state)
{
    struct unit *unit = *state;
    OK(stl_users_add(&unit->registry, "alice", "secret", &err));
    for (int i = 0; i < STL_LOGIN_FREE_OF_NETWORK - 1; i++) {
        STL_AUTO_FREE char *name = stl_sprintf("!%d", i);
        FAILS(STL_UNAUTHORIZED, login(unit, name, "x", HERE));
    }
    OK(login(unit, "alice", "secret", HERE));
    OK(login(unit, "alice", "secret", HERE));
}

/* What the registry cannot do is nobody's failure. */
static void trouble_counts_for_nothing(void **state)
{
    struct unit *unit = *state;
    assert_int_equal(symlinkat("htpasswd", unit->registry.root.fd, "auth/htpasswd"), 0);
    for (int i = 0; i < STL_LOGIN_FREE_OF_NETWORK + 1; i++)
        FAILS(STL_SYSTEM, login(unit, "alice", "secret", HERE));
    unit_remove(unit->registry.root.fd, "auth/htpasswd");
    OK(stl_users_add(&unit->registry, "alice", "secret", &err));
    OK(login(unit, "alice", "secret", HERE));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        registry_test(passwords_and_tokens),
        registry_test(tokens_that_end),
        registry_test(guessing_becomes_slow),
        registry_test(a_network_is_one_address),
        registry_test(nobody_is_locked_out_by_others),
        registry_test(names_that_do_not_exist_count_as_well),
        registry_test(old_failures_are_forgotten),
        registry_test(guesses_at_once_are_no_more_than_one_by_one),
        registry_test(a_token_is_never_slowed_down),
        registry_test(impossible_names_cost_nothing),
        registry_test(right_passwords_count_for_nothing),
        registry_test(trouble_counts_for_nothing),
    };
    return unit_run(tests);
}
