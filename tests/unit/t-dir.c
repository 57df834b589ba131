#include "unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dir.h"

static void make_folder(const struct unit *unit, const char *path)
{
    assert_int_equal(mkdirat(unit->fd, path, 0700), 0);
}

/* a/ with two files, a link, and b/, in which is another file: six names. */
static void make_tree(const struct unit *unit)
{
    make_folder(unit, "a");
    make_folder(unit, "a/b");
    unit_write(unit->fd, "a/one", "1");
    unit_write(unit->fd, "a/two", "2");
    unit_write(unit->fd, "a/b/three", "3");
    assert_int_equal(symlinkat("../reg", unit->fd, "a/link"), 0);
}

static void files_go_and_folders_stay(void **state)
{
    struct unit *unit = *state;
    make_tree(unit);
    OK(stl_dir_remove_files(unit->fd, "a", &err));
    assert_int_equal(unit_count(unit->fd, "a"), 1);
    assert_true(unit_exists(unit->fd, "a/b/three") && unit_exists(unit->fd, "reg/www"));
    OK(stl_dir_remove_files(unit->fd, "a/b", &err));
    assert_false(unit_exists(unit->fd, "a/b"));
    OK(stl_dir_remove_files(unit->fd, "a", &err));
    assert_false(unit_exists(unit->fd, "a"));
    OK(stl_dir_remove_files(unit->fd, "a", &err));
    unit_write(unit->fd, "a", "");
    FAILS(STL_SYSTEM, stl_dir_remove_files(unit->fd, "a", &err));
    unit_remove(unit->fd, "a");
}

/* As many names go as the budget has. */
static void piece_by_piece(void **state)
{
    struct unit *unit = *state;
    for (size_t most = 0; most <= 7; most++) {
        size_t budget = most;
        make_tree(unit);
        assert_int_equal(stl_tree_trim(unit->fd, "a", &budget, &err), most < 6);
        assert_int_equal(budget, most > 6 ? most - 6 : 0);
        assert_int_equal(unit_exists(unit->fd, "a"), most < 6);
        assert_true(unit_exists(unit->fd, "reg/www"));
        OK(stl_tree_remove(unit->fd, "a", &err));
        assert_false(unit_exists(unit->fd, "a"));
    }
    size_t budget = 1;
    OK(stl_tree_trim(unit->fd, "a", &budget, &err)); /* gone already */
    assert_int_equal(budget, 1);
    unit_write(unit->fd, "a", "");
    FAILS(STL_SYSTEM, stl_tree_trim(unit->fd, "a", &budget, &err));
    unit_remove(unit->fd, "a");
}

static void what_is_empty(void **state)
{
    struct unit *unit = *state;
    make_folder(unit, "e");
    assert_true(stl_dir_is_empty(unit->fd, "e") && stl_dir_has_no_file(unit->fd, "e"));
    make_folder(unit, "e/f");
    assert_true(!stl_dir_is_empty(unit->fd, "e") && stl_dir_has_no_file(unit->fd, "e"));
    assert_int_equal(symlinkat("none", unit->fd, "e/link"), 0);
    assert_true(!stl_dir_is_empty(unit->fd, "e") && !stl_dir_has_no_file(unit->fd, "e"));
    assert_true(stl_dir_is_empty(unit->fd, "none") && stl_dir_has_no_file(unit->fd, "none"));
    assert_true(stl_dir_is_empty(unit->fd, "e/link") && stl_dir_is_empty(unit->fd, "e/none"));
    OK(stl_tree_remove(unit->fd, "e", &err));
}

struct visited {
    int count, end, result;
};

static int visit(void *context, const char *name, unsigned char type, struct stl_error *error)
{
    struct visited *visited = context;
    (void)name;
    (void)type;
    (void)error;
    return ++visited->count == visited->end ? visited->result : 0;
}

/* What the visit returns ends it, and comes back. */
static void visits(void **state)
{
    struct unit *unit = *state;
    make_tree(unit);
    for (int end = 1; end <= 5; end++) {
        struct visited all = {.end = end, .result = 7}, files = all;
        assert_int_equal(stl_dir_each(unit->fd, "a", visit, &all, &err), end <= 4 ? 7 : 0);
        assert_int_equal(all.count, end <= 4 ? end : 4);
        assert_int_equal(stl_dir_each_file(unit->fd, "a", visit, &files, &err), end <= 3 ? 7 : 0);
        assert_int_equal(files.count, end <= 3 ? end : 3);
    }
    struct visited none = {.end = 1, .result = 7};
    FAILS(STL_SYSTEM, stl_dir_each(unit->fd, "none", visit, &none, &err));
    FAILS(STL_SYSTEM, stl_dir_each(unit->fd, "a/link", visit, &none, &err));
    OK(stl_dir_each_if_any(unit->fd, "none", visit, &none, &err));
    OK(stl_dir_each_if_any(unit->fd, "a/one", visit, &none, &err));
    OK(stl_dir_each_if_any(unit->fd, "a/link", visit, &none, &err));
    OK(stl_dir_each_file_if_any(unit->fd, "none", visit, &none, &err));
    assert_int_equal(none.count, 0);
    OK(stl_tree_remove(unit->fd, "a", &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {registry_test(files_go_and_folders_stay),
                                       registry_test(piece_by_piece), registry_test(what_is_empty),
                                       registry_test(visits)};
    return unit_run(tests);
}
