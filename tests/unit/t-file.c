#include "unit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"

static const struct stl_root *root_of(void **state)
{
    struct unit *unit = *state;
    return &unit->registry.root;
}

static mode_t mode_of(int at, const char *path)
{
    struct stat st;
    assert_int_equal(fstatat(at, path, &st, AT_SYMLINK_NOFOLLOW), 0);
    return st.st_mode & 07777;
}

/* --- directories ---------------------------------------------------------------------------------------- */

static void open_walks_directories(void **state)
{
    const struct stl_root *root = root_of(state);
    STL_AUTO_CLOSE int made = stl_dir_make(root, root->fd, "log/a/b", &err);
    assert_true(made >= 0);
    unit_write(root->fd, "log/a/b/file", "x");
    static const char *const paths[] = {"log/a/b", "log//a/b/", "log/a/b///"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        STL_AUTO_CLOSE int fd = stl_dir_open(root->fd, paths[i], &err);
        assert_true(fd >= 0);
        assert_true(unit_exists(fd, "file"));
        assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    }
    STL_AUTO_CLOSE int same = stl_dir_open(root->fd, "", &err);
    assert_true(same >= 0 && same != root->fd && unit_exists(same, "registry.yaml"));
    FAILS(STL_SYSTEM, stl_dir_open(root->fd, "log/a/c", &err));
    assert_int_equal(err.sys_errno, ENOENT);
    FAILS(STL_SYSTEM, stl_dir_open(root->fd, "log/a/b/file", &err));
    assert_int_equal(err.sys_errno, ENOTDIR);
}

static void links_are_not_followed(void **state)
{
    const struct stl_root *root = root_of(state);
    STL_AUTO_CLOSE int made = stl_dir_make(root, root->fd, "log/real/inner", &err);
    assert_int_equal(symlinkat("real", root->fd, "log/link"), 0);
    FAILS(STL_SYSTEM, stl_dir_open(root->fd, "log/link", &err));
    FAILS(STL_SYSTEM, stl_dir_open(root->fd, "log/link/inner", &err));
    FAILS(STL_SYSTEM, stl_dir_make(root, root->fd, "log/link/new", &err));
    assert_false(unit_exists(root->fd, "log/real/new"));
    assert_int_equal(symlinkat("nowhere", root->fd, "log/dangling"), 0);
    FAILS(STL_SYSTEM, stl_dir_make(root, root->fd, "log/dangling/new", &err));
    assert_false(unit_exists(root->fd, "log/nowhere"));
}

static void make_makes_what_is_missing(void **state)
{
    struct stl_root root = *root_of(state);
    for (int round = 0; round < 2; round++) {
        STL_AUTO_CLOSE int fd = stl_dir_make(&root, root.fd, "log/x/y/z", &err);
        assert_true(fd >= 0);
        unit_write(fd, "file", "x");
        assert_true(unit_exists(root.fd, "log/x/y/z/file"));
    }
    root.directory_mode = 0750;
    mode_t mask = umask(077);
    STL_AUTO_CLOSE int fd = stl_dir_make(&root, root.fd, "log/x/private", &err);
    umask(mask);
    assert_int_equal(mode_of(root.fd, "log/x/private"), 0750);
    assert_int_equal(mode_of(root.fd, "log/x"), 0755);
    unit_write(root.fd, "log/x/file", "x");
    FAILS(STL_SYSTEM, stl_dir_make(&root, root.fd, "log/x/file", &err));
    FAILS(STL_SYSTEM, stl_dir_make(&root, root.fd, "log/x/file/y", &err));
}

static void a_component_that_is_too_long_makes_nothing(void **state)
{
    const struct stl_root *root = root_of(state);
    char path[400] = "log/";
    memset(path + 4, 'x', 255);
    STL_AUTO_CLOSE int fd = stl_dir_make(root, root->fd, path, &err);
    assert_true(fd >= 0);
    unit_remove(root->fd, path);
    for (size_t length = 256; length < 300; length += 20) {
        memset(path + 4, 'x', length);
        FAILS(STL_SYSTEM, stl_dir_make(root, root->fd, path, &err));
        assert_int_equal(err.sys_errno, ENAMETOOLONG);
        assert_int_equal(unit_count(root->fd, "log"), 0);
    }
}

static int stop_at_b(void *context, const char *name, unsigned char type, struct stl_error *unused)
{
    (void)unused;
    ++*(int *)context;
    assert_int_equal(type, DT_REG);
    return strcmp(name, "b") ? 0 : 7;
}

static void each_visits_all_or_until_told(void **state)
{
    const struct stl_root *root = root_of(state);
    static const char *const names[] = {"log/a", "log/b", "log/c", "log/.hidden"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unit_write(root->fd, names[i], "x");
    assert_int_equal(unit_count(root->fd, "log"), 4);
    int visited = 0;
    assert_int_equal(stl_dir_each(root->fd, "log", stop_at_b, &visited, &err), 7);
    assert_in_range(visited, 1, 4);
    FAILS(STL_SYSTEM, stl_dir_each(root->fd, "none", stop_at_b, &visited, &err));
    assert_int_equal(err.sys_errno, ENOENT);
    FAILS(STL_SYSTEM, stl_dir_each(root->fd, "log/a", stop_at_b, &visited, &err));
    /* Whether there is one may not be known: what is no folder is none; what cannot be opened is an error. */
    char long_name[NAME_MAX + 2];
    memset(long_name, 'x', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    OK(symlinkat("log", root->fd, "link"));
    assert_int_equal(stl_dir_each_if_any(root->fd, "log", stop_at_b, &visited, &err), 7);
    OK(stl_dir_each_if_any(root->fd, "none", stop_at_b, &visited, &err));
    OK(stl_dir_each_if_any(root->fd, "log/a", stop_at_b, &visited, &err));
    OK(stl_dir_each_if_any(root->fd, "link", stop_at_b, &visited, &err));
    FAILS(STL_SYSTEM, stl_dir_each_if_any(root->fd, long_name, stop_at_b, &visited, &err));
}

static void remove_takes_a_tree_and_follows_no_link(void **state)
{
    const struct stl_root *root = root_of(state);
    STL_AUTO_CLOSE int deep = stl_dir_make(root, root->fd, "log/tree/a/b/c", &err);
    STL_AUTO_CLOSE int kept = stl_dir_make(root, root->fd, "log/kept", &err);
    unit_write(kept, "file", "x");
    unit_write(deep, "file", "x");
    assert_int_equal(symlinkat("../../../../kept", deep, "link"), 0);
    assert_int_equal(symlinkat("nowhere", deep, "dangling"), 0);
    assert_int_equal(mkfifoat(deep, "fifo", 0600), 0);
    OK(stl_tree_remove(root->fd, "log/tree", &err));
    assert_false(unit_exists(root->fd, "log/tree"));
    assert_true(unit_exists(root->fd, "log/kept/file"));
    OK(stl_tree_remove(root->fd, "log/tree", &err));
    assert_int_equal(symlinkat("kept", root->fd, "log/link"), 0);
    FAILS(STL_SYSTEM, stl_tree_remove(root->fd, "log/link", &err));
    assert_true(unit_exists(root->fd, "log/kept/file"));
}

/* --- temporary files ------------------------------------------------------------------------------------ */

static void a_temp_gets_its_place(void **state)
{
    struct stl_root root = *root_of(state);
    STL_AUTO_TEMP struct stl_temp temp = STL_TEMP_INIT;
    root.file_mode = 0640;
    mode_t mask = umask(077);
    OK(stl_temp_begin(&root, &temp, &err));
    umask(mask);
    assert_int_equal(unit_count(root.fd, "tmp"), 1);
    assert_int_equal(mode_of(root.fd, temp.name), 0640);
    OK(stl_write_all(temp.fd, "bytes", 5, &err));
    OK(stl_temp_sync(&temp, &err));
    assert_int_equal(stl_temp_link(&temp, root.fd, "log/one", &err), 0);
    assert_string_equal(temp.name, "");
    assert_int_equal(unit_count(root.fd, "tmp"), 0);
    unit_check_text(root.fd, "log/one", "bytes");
    stl_temp_abort(&temp);
    stl_temp_abort(&temp);
    unit_check_text(root.fd, "log/one", "bytes");
}

static void link_leaves_what_is_there(void **state)
{
    const struct stl_root *root = root_of(state);
    unit_write(root->fd, "log/one", "old");
    assert_int_equal(symlinkat("nowhere", root->fd, "log/dangling"), 0);
    {
        STL_AUTO_TEMP struct stl_temp temp = STL_TEMP_INIT;
        OK(stl_temp_begin(root, &temp, &err));
        OK(stl_write_all(temp.fd, "new", 3, &err));
        assert_int_equal(stl_temp_link(&temp, root->fd, "log/one", &err), 1);
        assert_int_equal(stl_temp_link(&temp, root->fd, "log/dangling", &err), 1);
        assert_int_equal(unit_count(root->fd, "tmp"), 1);
    }
    assert_int_equal(unit_count(root->fd, "tmp"), 0);
    unit_check_text(root->fd, "log/one", "old");
}

static void replace_replaces(void **state)
{
    const struct stl_root *root = root_of(state);
    unit_write(root->fd, "log/one", "old");
    unit_write(root->fd, "log/two", "two");
    assert_int_equal(symlinkat("two", root->fd, "log/link"), 0);
    OK(stl_file_put(root, root->fd, "log/one", "new", 3, &err));
    OK(stl_file_put(root, root->fd, "log/link", "", 0, &err));
    unit_check_text(root->fd, "log/one", "new");
    unit_check_text(root->fd, "log/two", "two");
    unit_check_text(root->fd, "log/link", "");
    assert_int_equal(unit_count(root->fd, "tmp"), 0);
}

static void failures_leave_nothing_behind(void **state)
{
    const struct stl_root *root = root_of(state);
    STL_AUTO_CLOSE int folder = stl_dir_make(root, root->fd, "log/folder", &err);
    FAILS(STL_SYSTEM, stl_file_put(root, root->fd, "log/none/file", "x", 1, &err));
    FAILS(STL_SYSTEM, stl_file_put(root, root->fd, "log/folder", "x", 1, &err));
    FAILS(STL_SYSTEM, stl_link_put(root, root->fd, "log/folder", "x", &err));
    assert_int_equal(unit_count(root->fd, "tmp"), 0);
}

/* No tmp/, as in a registry that was copied without it, or that is read-only. */
static void without_tmp(void **state)
{
    const struct stl_root *root = root_of(state);
    unit_remove(root->fd, "tmp");
    FAILS(STL_SYSTEM, stl_file_put(root, root->fd, "log/file", "x", 1, &err));
    FAILS(STL_SYSTEM, stl_link_put(root, root->fd, "log/link", "x", &err));
    FAILS(STL_SYSTEM, stl_temp_sweep(root, &err));
    STL_AUTO_TEMP struct stl_temp temp = STL_TEMP_INIT;
    FAILS(STL_SYSTEM, stl_temp_begin(root, &temp, &err));
    struct stl_stage stage = STL_STAGE_INIT;
    FAILS(STL_SYSTEM, stl_stage_begin(root, &stage, &err));
    stl_stage_end(&stage);
}

static void sweeping_takes_the_dead_and_spares_the_living(void **state)
{
    const struct stl_root *root = root_of(state);
    STL_AUTO_TEMP struct stl_temp living = STL_TEMP_INIT;
    struct stl_stage stage = STL_STAGE_INIT;
    OK(stl_temp_begin(root, &living, &err));
    OK(stl_stage_begin(root, &stage, &err));
    unit_write(root->fd, "tmp/dead", "x");
    assert_int_equal(symlinkat("x", root->fd, "tmp/deadlink"), 0);
    STL_AUTO_CLOSE int folder = stl_dir_make(root, root->fd, "tmp/deadstage/inner", &err);
    unit_write(folder, "file", "x");
    unit_write(root->fd, "tmp/stage", "");
    STL_AUTO_CLOSE int dead = stl_dir_make(root, root->fd, "tmp/stage.d", &err);
    unit_write(dead, "file", "12345");
    struct stl_swept swept = {.dry_run = true};
    OK(stl_temp_sweep_counted(root, &swept, &err));
    assert_int_equal(swept.count, 3); /* a stage and its lock are one */
    OK(stl_temp_sweep(root, &err));
    assert_int_equal(unit_count(root->fd, "tmp"), 3);
    assert_true(unit_exists(root->fd, living.name));
    assert_true(unit_exists(root->fd, stage.name));
    assert_true(unit_exists(root->fd, stage.lock.name));
    stl_stage_end(&stage);
    assert_int_equal(unit_count(root->fd, "tmp"), 1);
    OK(stl_write_all(living.fd, "x", 1, &err));
    OK(stl_temp_replace(&living, root->fd, "log/file", &err));
    OK(stl_temp_sweep(root, &err));
    unit_check_text(root->fd, "log/file", "x");
}

#define KEY "0123456789abcdef0123456789abcdef"

static void check_size(int fd, off_t size)
{
    struct stat st;
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_size, size);
}

static void what_outlasts_its_writer(void **state)
{
    const struct stl_root *root = root_of(state);
    static const struct timespec old[2] = {{.tv_sec = 1000000000}, {.tv_sec = 1000000000}};
    STL_AUTO_TEMP struct stl_temp temp = STL_TEMP_INIT, other = STL_TEMP_INIT, taken = STL_TEMP_INIT;
    OK(stl_temp_keep(root, KEY, &temp, &err));
    OK(stl_write_all(temp.fd, "half", 4, &err));
    OK(stl_temp_keep(root, KEY, &other, &err)); /* which another process holds */
    assert_string_not_equal(other.name, temp.name);
    check_size(other.fd, 0);
    stl_temp_abort(&other);
    STL_AUTO_FREE char *name = stl_strdup(temp.name);
    stl_temp_park(&temp);
    OK(stl_temp_sweep(root, &err));
    OK(stl_temp_keep(root, KEY, &temp, &err));
    assert_string_equal(temp.name, name);
    check_size(temp.fd, 4);
    assert_int_equal(futimens(temp.fd, old), 0);
    OK(stl_temp_sweep(root, &err)); /* it is old, but being written */
    stl_temp_drop(root, name);      /* nor does that take it away */
    stl_temp_park(&temp);
    assert_int_equal(stl_temp_take(root, name, &taken, &err), 1);
    stl_temp_park(&taken);
    OK(stl_temp_sweep(root, &err));
    assert_int_equal(stl_temp_take(root, name, &taken, &err), 0);
    OK(stl_temp_keep(root, KEY, &temp, &err));
    check_size(temp.fd, 0);
    stl_temp_park(&temp);
    struct stl_swept swept = {.spared = 0};
    OK(stl_temp_sweep_counted(root, &swept, &err));
    assert_int_equal(swept.count, 1);
    OK(stl_temp_keep(root, KEY, &temp, &err));
    stl_temp_park(&temp);
    stl_temp_drop(root, name);
    assert_int_equal(unit_count(root->fd, "tmp"), 0);
}

/* Its writer died when it had its place already, but not only that (stl_temp_link()). */
static void what_has_its_place_is_left_alone(void **state)
{
    const struct stl_root *root = root_of(state);
    STL_AUTO_TEMP struct stl_temp temp = STL_TEMP_INIT;
    OK(stl_temp_keep(root, KEY, &temp, &err));
    assert_false(stl_temp_is_placed(temp.fd));
    OK(stl_write_all(temp.fd, "whole", 5, &err));
    assert_int_equal(linkat(root->fd, temp.name, root->fd, "placed", 0), 0);
    stl_temp_park(&temp);
    OK(stl_temp_keep(root, KEY, &temp, &err));
    assert_false(stl_temp_is_placed(temp.fd));
    check_size(temp.fd, 0);
    stl_temp_abort(&temp);
    assert_int_equal(unit_count(root->fd, "tmp"), 0);
    unit_check_text(root->fd, "placed", "whole");
}

static void write_to_a_full_device(void **state)
{
    (void)state;
    STL_AUTO_CLOSE int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    FAILS(STL_NO_SPACE, stl_write_all(full, "x", 1, &err));
    OK(stl_write_all(full, "", 0, &err));
}

/* --- stages --------------------------------------------------------------------------------------------- */

static void a_stage_keeps_files_until_they_are_taken(void **state)
{
    const struct stl_root *root = root_of(state);
    struct stl_stage stage = STL_STAGE_INIT;
    struct stl_temp temp = STL_TEMP_INIT;
    OK(stl_stage_begin(root, &stage, &err));
    for (int i = 0; i < 3; i++) {
        char name[STL_STAGED_NAME_MAX] = {(char)('a' + i)};
        OK(stl_stage_create(&stage, name, &temp, &err));
        OK(stl_write_all(temp.fd, name, 1, &err));
        stl_temp_park(&temp);
        assert_int_equal(temp.fd, -1);
        FAILS(STL_SYSTEM, stl_stage_create(&stage, name, &temp, &err));
    }
    OK(stl_stage_link(&stage, "b", "second", &err));
    FAILS(STL_SYSTEM, stl_stage_link(&stage, "none", "third", &err));
    assert_int_equal(unit_count(stage.fd, "."), 4);
    STL_AUTO_CLOSE int fd = stl_stage_open(&stage, "c", &err);
    char byte;
    assert_int_equal(read(fd, &byte, 1), 1);
    assert_int_equal(byte, 'c');
    FAILS(STL_SYSTEM, stl_stage_open(&stage, "none", &err));
    OK(stl_stage_take(&stage, "a", &temp, &err));
    OK(stl_temp_replace(&temp, root->fd, "log/a", &err));
    stl_temp_abort(&temp);
    FAILS(STL_SYSTEM, stl_stage_take(&stage, "a", &temp, &err));
    stl_temp_abort(&temp);
    stl_stage_end(&stage);
    stl_stage_end(&stage);
    assert_int_equal(unit_count(root->fd, "tmp"), 0);
    unit_check_text(root->fd, "log/a", "a");
}

/* --- links and reading ---------------------------------------------------------------------------------- */

static void links_are_put_and_read(void **state)
{
    const struct stl_root *root = root_of(state);
    char target[8];
    OK(stl_link_put(root, root->fd, "log/link", "one", &err));
    OK(stl_link_put(root, root->fd, "log/link", "seven77", &err));
    assert_int_equal(stl_link_read(root->fd, "log/link", target, sizeof target), 0);
    assert_string_equal(target, "seven77");
    OK(stl_link_put(root, root->fd, "log/link", "eight888", &err));
    assert_int_equal(stl_link_read(root->fd, "log/link", target, sizeof target), -1);
    assert_int_equal(errno, ENAMETOOLONG);
    unit_write(root->fd, "log/file", "x");
    assert_int_equal(stl_link_read(root->fd, "log/file", target, sizeof target), -1);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(stl_link_read(root->fd, "log/none", target, sizeof target), -1);
    assert_int_equal(errno, ENOENT);
    OK(stl_link_put(root, root->fd, "log/file", "x", &err));
    assert_int_equal(unit_count(root->fd, "tmp"), 0);
}

/* The folder went away under us: an error, and not another try for ever. */
static void a_link_into_nothing(void **state)
{
    const struct stl_root *root = root_of(state);
    FAILS(STL_SYSTEM, stl_link_put(root, root->fd, "log/none/link", "x", &err));
    STL_AUTO_CLOSE int removed = stl_dir_make(root, root->fd, "log/removed", &err);
    OK(stl_tree_remove(root->fd, "log/removed", &err));
    FAILS(STL_SYSTEM, stl_link_put(root, removed, "link", "x", &err));
    assert_int_equal(err.sys_errno, ENOENT);
    assert_int_equal(unit_count(root->fd, "tmp"), 0);
}

static void read_is_exact_about_what_it_reads(void **state)
{
    const struct stl_root *root = root_of(state);
    STL_AUTO_BUF struct stl_buf buf = {.ceiling = 10};
    unit_write(root->fd, "log/ten", "0123456789");
    unit_write(root->fd, "log/empty", "");
    assert_int_equal(symlinkat("ten", root->fd, "log/link"), 0);
    assert_int_equal(mkfifoat(root->fd, "log/fifo", 0600), 0);
    OK(stl_file_read(root->fd, "log/empty", false, &buf, &err));
    assert_int_equal(buf.length, 0);
    OK(stl_file_read(root->fd, "log/ten", false, &buf, &err));
    assert_string_equal(buf.data, "0123456789");
    FAILS(STL_INVALID, stl_file_read(root->fd, "log/ten", false, &buf, &err));
    stl_buf_clear(&buf);
    OK(stl_file_read(root->fd, "log/link", true, &buf, &err));
    stl_buf_clear(&buf);
    FAILS(STL_SYSTEM, stl_file_read(root->fd, "log/link", false, &buf, &err));
    assert_int_equal(err.sys_errno, ELOOP);
    FAILS(STL_SYSTEM, stl_file_read(root->fd, "log/none", false, &buf, &err));
    assert_int_equal(err.sys_errno, ENOENT);
    FAILS(STL_INVALID, stl_file_read(root->fd, "log/fifo", false, &buf, &err));
    FAILS(STL_INVALID, stl_file_read(root->fd, "log", false, &buf, &err));
    buf.ceiling = 9;
    FAILS(STL_INVALID, stl_file_read(root->fd, "log/ten", false, &buf, &err));
}

/* --- at the same time ----------------------------------------------------------------------------------- */

struct race {
    const struct stl_root *root;
    int number, failures;
};

/* A sweeper removes temporary names between their creation and their rename: nobody notices. */
static void *put_and_sweep(void *context)
{
    struct race *race = context;
    struct stl_error error = STL_ERROR_INIT;
    char text[] = {(char)('0' + race->number), '\0'};
    for (int i = 0; i < 200; i++) {
        bool failed = race->number == 0 ? stl_temp_sweep(race->root, &error)
                      : race->number == 1
                          ? stl_link_put(race->root, race->root->fd, "log/link", text, &error)
                          : stl_file_put(race->root, race->root->fd, "log/file", text, 1, &error);
        race->failures += failed;
    }
    return NULL;
}

static void writers_and_a_sweeper(void **state)
{
    enum { THREADS = 4 };
    const struct stl_root *root = root_of(state);
    struct race races[THREADS];
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        races[i] = (struct race){root, i, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, put_and_sweep, &races[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(races[i].failures, 0);
    }
    STL_AUTO_FREE char *link = unit_link(root->fd, "log/link"), *file = unit_read(root->fd, "log/file");
    assert_string_equal(link, "1");
    assert_true(file && (!strcmp(file, "2") || !strcmp(file, "3")));
    assert_int_equal(unit_count(root->fd, "tmp"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        registry_test(open_walks_directories),
        registry_test(links_are_not_followed),
        registry_test(make_makes_what_is_missing),
        registry_test(a_component_that_is_too_long_makes_nothing),
        registry_test(each_visits_all_or_until_told),
        registry_test(remove_takes_a_tree_and_follows_no_link),
        registry_test(a_temp_gets_its_place),
        registry_test(link_leaves_what_is_there),
        registry_test(replace_replaces),
        registry_test(failures_leave_nothing_behind),
        registry_test(without_tmp),
        registry_test(sweeping_takes_the_dead_and_spares_the_living),
        registry_test(what_outlasts_its_writer),
        registry_test(what_has_its_place_is_left_alone),
        registry_test(write_to_a_full_device),
        registry_test(a_stage_keeps_files_until_they_are_taken),
        registry_test(links_are_put_and_read),
        registry_test(a_link_into_nothing),
        registry_test(read_is_exact_about_what_it_reads),
        registry_test(writers_and_a_sweeper),
    };
    return unit_run(tests);
}
