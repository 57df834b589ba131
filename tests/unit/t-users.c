#include "unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "users.h"

#define FILE_NAME "auth/htpasswd"

static mode_t mode_of(int at, const char *path)
{
    struct stat st;
    assert_int_equal(fstatat(at, path, &st, AT_SYMLINK_NOFOLLOW), 0);
    return st.st_mode & 07777;
}

static void add_check_change_remove(void **state)
{
    struct unit *unit = *state;
    const struct stl_registry *registry = &unit->registry;
    assert_false(stl_users_exist(registry));
    assert_int_equal(stl_users_check(registry, "alice", "secret", &err), 0);
    OK(stl_users_add(registry, "alice", "secret", &err));
    OK(stl_users_add(registry, "bob", "other", &err));
    assert_true(stl_users_exist(registry) && stl_users_has(registry, "alice") &&
                stl_users_has(registry, "bob"));
    assert_false(stl_users_has(registry, "alic") || stl_users_has(registry, "alicee") ||
                 stl_users_has(registry, ""));
    assert_int_equal(stl_users_check(registry, "alice", "secret", &err), 1);
    assert_int_equal(stl_users_check(registry, "alice", "other", &err), 0);
    assert_int_equal(stl_users_check(registry, "alice", "", &err), 0);
    assert_int_equal(stl_users_check(registry, "bob", "secret", &err), 0);
    assert_int_equal(stl_users_check(registry, "carol", "secret", &err), 0);
    FAILS(STL_CONFLICT, stl_users_add(registry, "alice", "new", &err));
    OK(stl_users_change(registry, "alice", "new", &err));
    assert_int_equal(stl_users_check(registry, "alice", "secret", &err), 0);
    assert_int_equal(stl_users_check(registry, "alice", "new", &err), 1);
    OK(stl_users_remove(registry, "alice", &err));
    assert_int_equal(stl_users_check(registry, "alice", "new", &err), 0);
    assert_int_equal(stl_users_check(registry, "bob", "other", &err), 1);
    FAILS(STL_INVALID, stl_users_remove(registry, "alice", &err));
    FAILS(STL_INVALID, stl_users_change(registry, "alice", "x", &err));
    OK(stl_users_remove(registry, "bob", &err));
    assert_true(stl_users_exist(registry)); /* the last one who goes does not leave the door open */
}

/* A name that begins like another is another. */
static void names_that_begin_alike(void **state)
{
    struct unit *unit = *state;
    int root = unit->registry.root.fd;
    const char *const orders[] = {"alice2:x\nal:x\nalice:x\n", "al:x\nalice:x\nalice2:x\n"};
    const char *const rests[] = {"alice2:x\nal:x\n", "al:x\nalice2:x\n"};
    for (size_t i = 0; i < 2; i++) {
        unit_write(root, FILE_NAME, orders[i]);
        OK(stl_users_remove(&unit->registry, "alice", &err));
        unit_check_text(root, FILE_NAME, rests[i]);
        assert_false(stl_users_has(&unit->registry, "alice") || stl_users_has(&unit->registry, "alice22"));
        assert_true(stl_users_has(&unit->registry, "al") && stl_users_has(&unit->registry, "alice2"));
        FAILS(STL_INVALID, stl_users_remove(&unit->registry, "alice", &err));
        FAILS(STL_INVALID, stl_users_remove(&unit->registry, "a", &err));
        OK(stl_users_remove(&unit->registry, "al", &err));
        unit_check_text(root, FILE_NAME, "alice2:x\n");
    }
}

/* Only the first line of a name counts: what is behind it may not come to life when that goes or changes. */
static void a_second_line_of_the_same_name_goes_too(void **state)
{
    struct unit *unit = *state;
    int root = unit->registry.root.fd;
    unit_write(root, FILE_NAME, "# ours\nbob:old\nalice:x\nbob:older\nbob:oldest");
    OK(stl_users_remove(&unit->registry, "bob", &err));
    unit_check_text(root, FILE_NAME, "# ours\nalice:x\n");
    unit_write(root, FILE_NAME, "bob:old\nalice:x\nbob:older");
    OK(stl_users_change(&unit->registry, "bob", "new", &err));
    OK(stl_users_remove(&unit->registry, "bob", &err));
    unit_check_text(root, FILE_NAME, "alice:x\n");
}

static void impossible_names_and_passwords(void **state)
{
    struct unit *unit = *state;
    char password[STL_PASSWORD_MAX + 2];
    memset(password, 'p', sizeof password);
    password[STL_PASSWORD_MAX + 1] = '\0';
    FAILS(STL_INVALID, stl_users_add(&unit->registry, "a:b", "x", &err));
    FAILS(STL_INVALID, stl_users_add(&unit->registry, "a\nroot", "x", &err));
    FAILS(STL_INVALID, stl_users_add(&unit->registry, "anonymous", "x", &err));
    FAILS(STL_INVALID, stl_users_add(&unit->registry, "alice", "", &err));
    FAILS(STL_INVALID, stl_users_add(&unit->registry, "alice", password, &err));
    password[STL_PASSWORD_MAX] = '\0';
    OK(stl_users_add(&unit->registry, "alice", password, &err));
    assert_int_equal(stl_users_check(&unit->registry, "alice", password, &err), 1);
    password[STL_PASSWORD_MAX] = 'x'; /* bcrypt alone would take it for the same */
    assert_int_equal(stl_users_check(&unit->registry, "alice", password, &err), 0);
}

/* "$2y$" is what both nginx and Apache read; nobody but the account (and the server's group) may. */
static void the_file(void **state)
{
    struct unit *unit = *state;
    int root = unit->registry.root.fd;
    OK(stl_users_add(&unit->registry, "alice", "secret", &err));
    STL_AUTO_FREE char *text = unit_read(root, FILE_NAME);
    assert_int_equal(strncmp(text, "alice:$2y$10$", 13), 0);
    assert_int_equal(strlen(text), strlen("alice:\n") + 60);
    assert_int_equal(mode_of(root, FILE_NAME), 0600);
    assert_int_equal(mode_of(root, "auth"), 0711);
    unit->registry.root.group = getegid();
    OK(stl_users_change(&unit->registry, "alice", "secret", &err));
    assert_int_equal(mode_of(root, FILE_NAME), 0640);
}

/* Of "x", as htpasswd -B makes it; and a kind that crypt(3) does not know. */
#define BCRYPT "$2y$05$..CA.uOD/eaGAOmJB.yMBurjsh0wsFwy1.jNJbe7RdZhOx/P6uxDC"
#define APR1 "$apr1$8sFt66rZ$MROVU0DSQkYuwJ0rNlEw.."

static int list(void *context, const char *name, bool usable, struct stl_error *unused)
{
    (void)unused;
    char *text = context;
    snprintf(text + strlen(text), 200 - strlen(text), "%s=%d ", name, usable);
    return 0;
}

static void lines_of_others_are_kept(void **state)
{
    struct unit *unit = *state;
    int root = unit->registry.root.fd;
    char names[200] = "";
    const char *text = "# ours\nold:" APR1 "\n\nnew:" BCRYPT ":a comment\r\nno entry\nlast:" BCRYPT;
    unit_write(root, FILE_NAME, text);
    assert_int_equal(stl_users_check(&unit->registry, "old", "x", &err), 0);
    assert_int_equal(stl_users_check(&unit->registry, "new", "x", &err), 1);
    assert_int_equal(stl_users_check(&unit->registry, "last", "x", &err), 1);
    assert_int_equal(stl_users_check(&unit->registry, "# ours\nold", "x", &err), 0);
    assert_int_equal(stl_users_check(&unit->registry, "no entry", "x", &err), 0);
    OK(stl_users_each(&unit->registry, list, names, &err));
    assert_string_equal(names, "old=0 new=1 last=1 ");
    OK(stl_users_add(&unit->registry, "alice", "secret", &err));
    STL_AUTO_FREE char *more = unit_read(root, FILE_NAME);
    assert_int_equal(strncmp(more, text, strlen(text)), 0);
    assert_int_equal(strncmp(more + strlen(text), "\nalice:$2y$", 11), 0);
    OK(stl_users_remove(&unit->registry, "new", &err));
    OK(stl_users_remove(&unit->registry, "alice", &err));
    unit_check_text(root, FILE_NAME, "# ours\nold:" APR1 "\n\nno entry\nlast:" BCRYPT "\n");
}

static void a_file_that_cannot_be_read_is_no_open_door(void **state)
{
    struct unit *unit = *state;
    int root = unit->registry.root.fd;
    assert_int_equal(symlinkat("htpasswd", root, FILE_NAME), 0);
    assert_true(stl_users_exist(&unit->registry));
    assert_true(stl_users_check(&unit->registry, "alice", "x", &err) < 0);
    stl_error_clear(&err);
}

static double seconds_of_check(const struct stl_registry *registry, const char *name)
{
    struct timespec begin, end;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begin);
    assert_int_equal(stl_users_check(registry, name, "wrong", &err), 0);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
    return (double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) / 1e9;
}

/* The time that a check takes does not tell whether there is such a user. */
static void everybody_takes_the_same_time(void **state)
{
    struct unit *unit = *state;
    OK(stl_users_add(&unit->registry, "alice", "secret", &err));
    double known = 0, unknown = 0;
    for (int i = 0; i < 5; i++) {
        known += seconds_of_check(&unit->registry, "alice");
        unknown += seconds_of_check(&unit->registry, "nobody");
    }
    assert_true(known > 0.05 && known / unknown > 0.7 && known / unknown < 1.4);
    /* Somebody whose hash is of no known kind, too. */
    unit_write(unit->registry.root.fd, FILE_NAME, "old:" APR1 "\n");
    assert_true(seconds_of_check(&unit->registry, "old") > 0.01);
}

static void changes_at_the_same_time_are_all_made(void **state)
{
    struct unit *unit = *state;
    enum { PROCESSES = 6 };
    for (int i = 0; i < PROCESSES; i++) {
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            char name[] = {'u', (char)('0' + i), '\0'};
            _exit(stl_users_add(&unit->registry, name, "secret", &err) ? 1 : 0);
        }
    }
    for (int i = 0, status; i < PROCESSES; i++) {
        assert_true(wait(&status) > 0);
        assert_int_equal(status, 0);
    }
    for (int i = 0; i < PROCESSES; i++) {
        char name[] = {'u', (char)('0' + i), '\0'};
        assert_true(stl_users_has(&unit->registry, name));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        registry_test(add_check_change_remove),
        registry_test(names_that_begin_alike),
        registry_test(a_second_line_of_the_same_name_goes_too),
        registry_test(impossible_names_and_passwords),
        registry_test(the_file),
        registry_test(lines_of_others_are_kept),
        registry_test(a_file_that_cannot_be_read_is_no_open_door),
        registry_test(everybody_takes_the_same_time),
        registry_test(changes_at_the_same_time_are_all_made),
    };
    return unit_run(tests);
}
