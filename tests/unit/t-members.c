#include <stdlib.h>
#include <string.h>

#include "members.h"
#include "unit.h"

static void check_name(const char *text, const char *expected)
{
    char name[STL_MEMBER_NAME_MAX];
    assert_int_equal(stl_member_name(text, name, &err), 1);
    assert_string_equal(name, expected);
}

static void names_become_plain(void **state)
{
    (void)state;
    check_name("a", "a");
    check_name("./a", "a");
    check_name("././a//b/./c/", "a/b/c");
    check_name("...", "...");
    check_name("..a/b..", "..a/b..");
    check_name(".hidden", ".hidden");
}

static void top_folder_is_no_name(void **state)
{
    char name[STL_MEMBER_NAME_MAX];
    (void)state;
    assert_int_equal(stl_member_name("", name, &err), 0);
    assert_int_equal(stl_member_name(".", name, &err), 0);
    assert_int_equal(stl_member_name("././", name, &err), 0);
}

static void names_that_lead_out_are_refused(void **state)
{
    static const char *const bad[] = {"/",      "/a",        "..",   "../a",   "a/..",
                                      "a/../b", "a/../../b", "./..", "a//../b"};
    char name[STL_MEMBER_NAME_MAX], text[STL_MEMBER_NAME_MAX + 2];
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        FAILS(STL_INVALID, stl_member_name(bad[i], name, &err));
    memset(text, 'a', sizeof text);
    text[STL_MEMBER_NAME_MAX - 2] = '\0';
    OK(stl_member_name(text, name, &err));
    text[STL_MEMBER_NAME_MAX - 2] = 'a';
    text[STL_MEMBER_NAME_MAX] = '\0';
    FAILS(STL_INVALID, stl_member_name(text, name, &err));
}

static void add(struct stl_members *members, const char *name, const char *target, bool hard)
{
    enum stl_member_kind link = hard ? STL_MEMBER_HARD_LINK : STL_MEMBER_SYMBOLIC_LINK;
    stl_members_add(members, name, target, (struct stl_member){.kind = target ? link : STL_MEMBER_IN_PLACE});
}

static const char *resolve(const struct stl_members *members, const char *name)
{
    ssize_t found = stl_members_resolve(members, name);
    return found < 0 ? "" : members->items[found].name;
}

static void links_are_followed_inside(void **state)
{
    struct stl_members members = {0};
    (void)state;
    add(&members, "z/layer.tar", "../a/layer.tar", false);
    add(&members, "a/layer.tar", NULL, false);
    add(&members, "hard", "./z/layer.tar", true);
    add(&members, "twice", "hard", false);
    add(&members, "top", "a/layer.tar", false);
    OK(stl_members_finish(&members, NULL, NULL, &err));
    assert_string_equal(resolve(&members, "a/layer.tar"), "a/layer.tar");
    assert_string_equal(resolve(&members, "z/layer.tar"), "a/layer.tar");
    assert_string_equal(resolve(&members, "hard"), "a/layer.tar");
    assert_string_equal(resolve(&members, "twice"), "a/layer.tar");
    assert_string_equal(resolve(&members, "top"), "a/layer.tar");
    assert_string_equal(resolve(&members, "./top"), "a/layer.tar");
    assert_string_equal(resolve(&members, "none"), "");
    stl_members_clear(&members);
}

static void folders_may_be_links(void **state)
{
    struct stl_members members = {0};
    (void)state;
    add(&members, "real/blobs/x", NULL, false);
    add(&members, "blobs", "cache/blobs", false);
    add(&members, "cache", "./real", false);
    add(&members, "out", "..", false);
    add(&members, "round", "round/x", false);
    OK(stl_members_finish(&members, NULL, NULL, &err));
    assert_string_equal(resolve(&members, "blobs/x"), "real/blobs/x");
    assert_string_equal(resolve(&members, "cache/blobs/x"), "real/blobs/x");
    assert_string_equal(resolve(&members, "blobs/y"), "");
    assert_string_equal(resolve(&members, "blobs"), "");
    assert_string_equal(resolve(&members, "out/real/blobs/x"), "");
    assert_string_equal(resolve(&members, "round/x"), "");
    stl_members_clear(&members);
}

static void links_never_lead_out_or_round(void **state)
{
    struct stl_members members = {0};
    (void)state;
    add(&members, "file", NULL, false);
    add(&members, "absolute", "/file", false);
    add(&members, "up", "../file", false);
    add(&members, "deep/up", "../../file", false);
    add(&members, "hard-up", "deep/../file", true);
    add(&members, "hard-absolute", "/etc/passwd", true);
    add(&members, "self", "self", false);
    add(&members, "one", "two", false);
    add(&members, "two", "one", true);
    add(&members, "empty", "", false);
    add(&members, "dangling", "nothing", false);
    OK(stl_members_finish(&members, NULL, NULL, &err));
    static const char *const bad[] = {"up",  "deep/up", "hard-up",  "self",    "one",
                                      "two", "empty",   "dangling", "absolute"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_string_equal(resolve(&members, bad[i]), "");
    stl_members_clear(&members);
}

static int same(void *context, const struct stl_member *a, const struct stl_member *b,
                struct stl_error *unused)
{
    (void)unused;
    assert_string_equal(a->name, b->name);
    return *(int *)context;
}

static void the_same_file_may_be_there_twice(void **state)
{
    struct stl_members members = {0};
    int answer = 1;
    (void)state;
    for (int i = 0; i < 3; i++)
        add(&members, "a", NULL, false);
    add(&members, "a", "./a", true);
    add(&members, "b", NULL, false);
    OK(stl_members_finish(&members, same, &answer, &err));
    assert_int_equal(members.count, 2);
    assert_string_equal(resolve(&members, "a"), "a");
    add(&members, "b", NULL, false);
    answer = 0;
    FAILS(STL_INVALID, stl_members_finish(&members, same, &answer, &err));
    assert_non_null(strstr(err.message, "'b' twice"));
    stl_members_clear(&members);
}

static void a_name_is_had_once(void **state)
{
    struct stl_members members = {0};
    (void)state;
    add(&members, "a", NULL, false);
    add(&members, "b", "a", false);
    add(&members, "b", "a", false);
    OK(stl_members_finish(&members, NULL, NULL, &err));
    add(&members, "a", NULL, false);
    FAILS(STL_INVALID, stl_members_finish(&members, NULL, NULL, &err));
    assert_non_null(strstr(err.message, "'a' twice"));
    stl_members_clear(&members);
    add(&members, "b", "a", false);
    add(&members, "b", "c", false);
    FAILS(STL_INVALID, stl_members_finish(&members, NULL, NULL, &err));
    stl_members_clear(&members);
    add(&members, "b", "a", false);
    add(&members, "b", "a", true);
    FAILS(STL_INVALID, stl_members_finish(&members, NULL, NULL, &err));
    stl_members_clear(&members);
}

static void headers_are_counted(void **state)
{
    struct stl_members members = {0};
    char name[STL_MEMBER_NAME_MAX];
    (void)state;
    for (size_t i = 0; i < STL_MEMBERS_MAX; i++)
        OK(stl_members_meet(&members, "folder/", name, &err));
    FAILS(STL_INVALID, stl_members_meet(&members, "folder/", name, &err));
}

static void empty_table_finds_nothing(void **state)
{
    struct stl_members members = {0};
    (void)state;
    OK(stl_members_finish(&members, NULL, NULL, &err));
    assert_int_equal(stl_members_find(&members, "a"), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_become_plain),
        cmocka_unit_test(top_folder_is_no_name),
        cmocka_unit_test(names_that_lead_out_are_refused),
        cmocka_unit_test(links_are_followed_inside),
        cmocka_unit_test(folders_may_be_links),
        cmocka_unit_test(links_never_lead_out_or_round),
        cmocka_unit_test(the_same_file_may_be_there_twice),
        cmocka_unit_test(a_name_is_had_once),
        cmocka_unit_test(headers_are_counted),
        cmocka_unit_test(empty_table_finds_nothing),
    };
    return unit_run(tests);
}
