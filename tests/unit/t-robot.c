#include "unit.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "robot.h"

static struct stl_robot make(const struct stl_registry *registry, const char *user, const char *repository,
                             unsigned actions, int64_t expires, char token[STL_ROBOT_TOKEN])
{
    struct stl_robot robot = {.actions = actions, .created = time(NULL), .expires = expires};
    strncpy(robot.user, user, sizeof robot.user - 1);
    strncpy(robot.repository, repository, sizeof robot.repository - 1);
    OK(stl_robot_create(registry, &robot, token, &err));
    return robot;
}

static void a_token_is_found(void **state)
{
    struct unit *unit = *state;
    char token[STL_ROBOT_TOKEN], other[STL_ROBOT_TOKEN];
    struct stl_robot found, made = make(&unit->registry, "ci", "team/**", 3, time(NULL) + 1000, token);
    make(&unit->registry, "ci", "a", 1, 0, other);
    assert_string_not_equal(token, other);
    assert_int_equal(strlen(token), STL_ROBOT_TOKEN - 1);
    assert_int_equal(strncmp(token, "stl_", 4), 0);
    assert_int_equal(stl_robot_find(&unit->registry, token, &found, &err), 1);
    assert_string_equal(found.id, made.id);
    assert_string_equal(found.user, "ci");
    assert_string_equal(found.repository, "team/**");
    assert_int_equal(found.actions, 3);
    assert_int_equal(found.expires, made.expires);
    assert_int_equal(stl_robot_find(&unit->registry, other, &found, &err), 1);
    assert_string_equal(found.repository, "a");
    token[10] ^= 1;
    assert_int_equal(stl_robot_find(&unit->registry, token, &found, &err), 0);
    assert_int_equal(stl_robot_find(&unit->registry, "", &found, &err), 0);
    assert_int_equal(stl_robot_find(&unit->registry, made.id, &found, &err), 0);
    assert_int_equal(err.code, STL_OK);
}

static int read_one(void *context, const char *name, unsigned char type, struct stl_error *unused)
{
    char **text = context;
    (void)type;
    (void)unused;
    STL_AUTO_FREE char *path = stl_sprintf("auth/robots/%s", name);
    *text = stl_strdup(path);
    return 0;
}

/* What is stored does not help anybody who reads it, and nobody else may. */
static void only_the_hash_is_stored(void **state)
{
    struct unit *unit = *state;
    int root = unit->registry.root.fd;
    char token[STL_ROBOT_TOKEN];
    STL_AUTO_FREE char *path = NULL;
    struct stat st;
    make(&unit->registry, "ci", "**", 7, 0, token);
    OK(stl_dir_each(root, "auth/robots", read_one, &path, &err));
    STL_AUTO_FREE char *text = unit_read(root, path);
    assert_null(strstr(text, token + 4));
    struct stl_digest digest = unit_digest(token);
    assert_string_equal(strrchr(path, '/') + 1, unit_digest_text(&digest) + 7);
    assert_int_equal(fstatat(root, path, &st, 0), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(fstatat(root, "auth/robots", &st, 0), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
}

static void an_expired_token_is_none(void **state)
{
    struct unit *unit = *state;
    char token[STL_ROBOT_TOKEN];
    struct stl_robot found;
    make(&unit->registry, "ci", "a", 1, time(NULL), token);
    assert_int_equal(stl_robot_find(&unit->registry, token, &found, &err), 0);
    make(&unit->registry, "ci", "a", 1, time(NULL) - 1, token);
    assert_int_equal(stl_robot_find(&unit->registry, token, &found, &err), 0);
}

static void impossible_tokens(void **state)
{
    struct unit *unit = *state;
    char token[STL_ROBOT_TOKEN];
    struct stl_robot robot = {.user = "a b", .repository = "**", .actions = 1};
    FAILS(STL_INVALID, stl_robot_create(&unit->registry, &robot, token, &err));
    robot = (struct stl_robot){.user = "ci", .repository = "Lib", .actions = 1};
    FAILS(STL_INVALID, stl_robot_create(&unit->registry, &robot, token, &err));
    robot = (struct stl_robot){.user = "ci", .repository = "**"};
    FAILS(STL_INVALID, stl_robot_create(&unit->registry, &robot, token, &err));
    assert_false(unit_exists(unit->registry.root.fd, "auth/robots"));
}

static int count(void *context, const struct stl_robot *robot, struct stl_error *unused)
{
    (void)robot;
    (void)unused;
    ++*(int *)context;
    return 0;
}

static int robots(const struct stl_registry *registry)
{
    int number = 0;
    OK(stl_robot_each(registry, count, &number, &err));
    return number;
}

static void removing(void **state)
{
    struct unit *unit = *state;
    char a[STL_ROBOT_TOKEN], b[STL_ROBOT_TOKEN], c[STL_ROBOT_TOKEN];
    struct stl_robot removed, first;
    size_t number;
    assert_int_equal(robots(&unit->registry), 0);
    first = make(&unit->registry, "ci", "a", 1, 0, a);
    make(&unit->registry, "ci", "b", 1, time(NULL) - 5, b);
    make(&unit->registry, "bot", "c", 1, 0, c);
    assert_int_equal(robots(&unit->registry), 3);
    FAILS(STL_INVALID, stl_robot_remove(&unit->registry, "", &removed, &err));
    FAILS(STL_INVALID, stl_robot_remove(&unit->registry, "zz", &removed, &err));
    OK(stl_robot_remove(&unit->registry, first.id, &removed, &err));
    assert_string_equal(removed.repository, "a");
    assert_int_equal(stl_robot_find(&unit->registry, a, &removed, &err), 0);
    assert_int_equal(robots(&unit->registry), 2);
    OK(stl_robot_remove_user(&unit->registry, "ci", &number, &err));
    assert_int_equal(number, 1);
    assert_int_equal(robots(&unit->registry), 1);
    assert_int_equal(stl_robot_find(&unit->registry, c, &removed, &err), 1);
    FAILS(STL_INVALID, stl_robot_remove(&unit->registry, first.id, &removed, &err));
    FAILS(STL_INVALID,
          stl_robot_remove(&unit->registry, "", &removed, &err)); /* not even if there is just one */
    assert_int_equal(robots(&unit->registry), 1);
}

/* A name that begins like another is another. */
static void of_one_user_only(void **state)
{
    struct unit *unit = *state;
    static const char *const users[] = {"al", "alice", "alice2"};
    char tokens[3][STL_ROBOT_TOKEN];
    struct stl_robot found;
    size_t number;
    for (size_t i = 0; i < 3; i++)
        make(&unit->registry, users[i], "a", 1, 0, tokens[i]);
    OK(stl_robot_remove_user(&unit->registry, "alice", &number, &err));
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(stl_robot_find(&unit->registry, tokens[i], &found, &err), i != 1);
}

/* One file that cannot be read keeps no other from being listed or removed. */
static void beside_a_damaged_file(void **state)
{
    struct unit *unit = *state;
    char token[STL_ROBOT_TOKEN];
    static const char damaged[] =
        "auth/robots/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    struct stl_robot removed;
    size_t number;
    int listed = 0;
    for (int i = 0; i < 8; i++)
        make(&unit->registry, i % 2 ? "ci" : "bot", "a", 1, 0, token);
    unit_write(unit->registry.root.fd, damaged, "{");
    FAILS(STL_DAMAGED, stl_robot_each(&unit->registry, count, &listed, &err));
    assert_int_equal(listed, 8);
    FAILS(STL_DAMAGED, stl_robot_remove_user(&unit->registry, "ci", &number, &err));
    assert_non_null(strstr(err.message, damaged));
    assert_int_equal(number, 4);
    OK(stl_robot_remove(&unit->registry, "0123456789ab", &removed, &err));
    assert_string_equal(removed.user, "");
    assert_string_equal(removed.id, "0123456789ab");
    assert_int_equal(robots(&unit->registry), 4);
    OK(stl_robot_remove_user(&unit->registry, "ci", &number, &err));
    assert_int_equal(number, 0);
}

static void set_mtime(int root, const char *path, int64_t seconds)
{
    const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = (time_t)seconds}};
    assert_int_equal(utimensat(root, path, times, 0), 0);
}

static int64_t mtime_of(int root, const char *path)
{
    struct stat st;
    assert_int_equal(fstatat(root, path, &st, 0), 0);
    return st.st_mtime;
}

/* When it was last used: the time of its file, which is not before it was made, and set once a minute. */
static void use_is_noted(void **state)
{
    struct unit *unit = *state;
    int root = unit->registry.root.fd;
    char token[STL_ROBOT_TOKEN];
    STL_AUTO_FREE char *path = NULL;
    struct stl_robot found;
    int64_t now = time(NULL), created = now - 1000;
    struct stl_robot robot = {.user = "ci", .repository = "a", .actions = 1, .created = created};
    OK(stl_robot_create(&unit->registry, &robot, token, &err));
    OK(stl_dir_each(root, "auth/robots", read_one, &path, &err));
    assert_int_equal(mtime_of(root, path), created);
    assert_int_equal(stl_robot_find(&unit->registry, token, &found, &err), 1);
    assert_int_equal(found.used, 0);
    assert_int_equal(found.created, created);
    assert_true(mtime_of(root, path) >= now);
    set_mtime(root, path, now - 61);
    assert_int_equal(stl_robot_find(&unit->registry, token, &found, &err), 1);
    assert_int_equal(found.used, now - 61);
    assert_true(mtime_of(root, path) >= now);
    set_mtime(root, path, now + 1000); /* a slow machine is not late for this */
    assert_int_equal(stl_robot_find(&unit->registry, token, &found, &err), 1);
    assert_int_equal(mtime_of(root, path), now + 1000);
}

/* The first digits are enough if no other token has them. */
static void named_by_its_first_digits(void **state)
{
    struct unit *unit = *state;
    int root = unit->registry.root.fd;
    char token[STL_ROBOT_TOKEN], more[3] = "";
    struct stl_robot removed, first = make(&unit->registry, "ci", "a", 1, 0, token);
    STL_AUTO_FREE char *path = NULL, *twin = NULL;
    OK(stl_dir_each(root, "auth/robots", read_one, &path, &err));
    twin = stl_strdup(path);
    char *second = strrchr(twin, '/') + 2;
    *second = *second == '0' ? '1' : '0';
    STL_AUTO_FREE char *text = unit_read(root, path);
    unit_write(root, twin, text);
    memcpy(more, first.id, 1);
    FAILS(STL_INVALID, stl_robot_remove(&unit->registry, more, &removed, &err));
    assert_non_null(strstr(err.message, "several tokens"));
    memcpy(more, first.id, 2);
    OK(stl_robot_remove(&unit->registry, more, &removed, &err));
    assert_string_equal(removed.id, first.id);
    assert_true(unit_exists(root, twin));
    assert_false(unit_exists(root, path));
}

/* One line of text that can be shown as it is. */
static void names_of_tokens(void **state)
{
    struct unit *unit = *state;
    char token[STL_ROBOT_TOKEN];
    struct stl_robot found, robot = {.user = "ci", .repository = "a", .actions = 1};
    static const char *const bad[] = {"a\nb", "\x7f", "\x1b[1m", "\xc3"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(robot.name, sizeof robot.name, "%s", bad[i]);
        FAILS(STL_INVALID, stl_robot_create(&unit->registry, &robot, token, &err));
    }
    snprintf(robot.name, sizeof robot.name, "nightly b\xc3\xbcild");
    OK(stl_robot_create(&unit->registry, &robot, token, &err));
    assert_int_equal(stl_robot_find(&unit->registry, token, &found, &err), 1);
    assert_string_equal(found.name, robot.name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        registry_test(a_token_is_found),
        registry_test(only_the_hash_is_stored),
        registry_test(an_expired_token_is_none),
        registry_test(impossible_tokens),
        registry_test(removing),
        registry_test(of_one_user_only),
        registry_test(beside_a_damaged_file),
        registry_test(use_is_noted),
        registry_test(named_by_its_first_digits),
        registry_test(names_of_tokens),
    };
    return unit_run(tests);
}
