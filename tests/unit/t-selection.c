#include <stdio.h>
#include <string.h>

#include "selection.h"
#include "unit.h"

static const char hex[] = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

static bool chooses(const char *pattern, const char *name, const char *tag, const struct stl_digest *digest)
{
    STL_AUTO_SELECTION struct stl_selection selection = STL_SELECTION_INIT;
    OK(stl_selection_add(&selection, pattern, &err));
    stl_selection_drop_hosts(&selection);
    bool chosen = stl_selection_matches(&selection, name, tag, digest);
    assert_int_equal(chosen, stl_selection_unmatched(&selection) == NULL);
    return chosen;
}

static void names_and_tags(void **state)
{
    (void)state;
    assert_true(chooses("lib/app:1.0", "lib/app", "1.0", NULL));
    assert_false(chooses("lib/app:1.0", "lib/app", "1.1", NULL));
    assert_false(chooses("lib/app:1.0", "lib/app2", "1.0", NULL));
    assert_true(chooses("lib/app", "lib/app", "anything", NULL));
    assert_false(chooses("lib/app", "lib/app/more", "1", NULL));
    assert_true(chooses("lib/*:v1.*", "lib/app", "v1.2.3", NULL));
    assert_false(chooses("lib/*:v1.*", "lib/app/more", "v1.2", NULL));
    assert_true(chooses("lib/**:v1.*", "lib/app/more", "v1.2", NULL));
    assert_true(chooses("**:latest", "a", "latest", NULL));
    assert_false(chooses("**:latest", "a", "latest2", NULL));
    assert_true(chooses("a:V?", "a", "V1", NULL));
    assert_false(chooses("a:V?", "a", "v1", NULL));
}

/* A name that begins like another is another. */
static void names_that_begin_alike(void **state)
{
    (void)state;
    static const char *const names[] = {"a", "a/b", "ab"}, *const tags[] = {"v1", "v1.0", "v10"};
    for (size_t i = 0; i < 9; i++) {
        STL_AUTO_FREE char *pattern = stl_sprintf("%s:%s", names[i / 3], tags[i % 3]);
        for (size_t k = 0; k < 9; k++)
            assert_int_equal(chooses(pattern, names[k / 3], tags[k % 3], NULL), i == k);
        for (size_t k = 0; k < 3; k++)
            assert_int_equal(chooses(names[i / 3], names[k], "v1", NULL), i / 3 == k);
    }
}

static void without_a_tag_only_digests_choose(void **state)
{
    (void)state;
    struct stl_digest digest = unit_digest(""), other = unit_digest("other");
    char with_name[200];
    snprintf(with_name, sizeof with_name, "lib/*@%s", hex);
    assert_false(chooses("**", "lib/app", NULL, &digest));
    assert_true(chooses(hex, "lib/app", NULL, &digest));
    assert_true(chooses(hex, "lib/app", "1.0", &digest));
    assert_false(chooses(hex, "lib/app", "1.0", &other));
    assert_false(chooses(hex, "lib/app", "1.0", NULL));
    assert_true(chooses(with_name, "lib/app", NULL, &digest));
    assert_false(chooses(with_name, "other", NULL, &digest));
}

static void what_is_no_pattern(void **state)
{
    static const char *const bad[] = {
        "",         ":",       "a:",
        ":b",       "a b",     "App",
        "a:b c",    "a:b/c",   "a/b:",
        "a:b:c",    "a@",      "a@sha256:12",
        "a@latest", "sha256:", "sha256:E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855",
        "a\n",      "[a]",     "a:{b}",
        "../a:x\\", "!",       "!!a",
        "a:1@",     "a:1@b",   "!:x",
        "a.b:x/c",  "a.b:/c",
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        STL_AUTO_SELECTION struct stl_selection selection = STL_SELECTION_INIT;
        FAILS(STL_USAGE, stl_selection_add(&selection, bad[i], &err));
    }
}

static void lines_of_a_file(void **state)
{
    STL_AUTO_SELECTION struct stl_selection selection = STL_SELECTION_INIT;
    (void)state;
    OK(stl_selection_add_lines(&selection, "file", "# one\n\n  a:1 \r\n\tb\n#c:2", &err));
    assert_int_equal(selection.count, 2);
    assert_string_equal(selection.items[0].text, "a:1");
    assert_string_equal(selection.items[1].text, "b");
    assert_int_equal(stl_selection_add_lines(&selection, "file", "", &err), 0);
    FAILS(STL_USAGE, stl_selection_add_lines(&selection, "file", "a\nB\n", &err));
    assert_non_null(strstr(err.message, "file:2: "));
}

static void the_first_that_matched_nothing_is_known(void **state)
{
    STL_AUTO_SELECTION struct stl_selection selection = STL_SELECTION_INIT;
    (void)state;
    assert_null(stl_selection_unmatched(&selection));
    OK(stl_selection_add_lines(&selection, "file", "a\nb\nc", &err));
    assert_true(stl_selection_matches(&selection, "a", "1", NULL));
    assert_true(stl_selection_matches(&selection, "c", "1", NULL));
    assert_string_equal(stl_selection_unmatched(&selection)->text, "b");
}

static bool all_choose(const char *lines, const char *name, const char *tag)
{
    STL_AUTO_SELECTION struct stl_selection selection = STL_SELECTION_INIT;
    struct stl_digest digest = unit_digest("");
    OK(stl_selection_add_lines(&selection, "file", lines, &err));
    stl_selection_drop_hosts(&selection);
    bool chosen = stl_selection_matches_tag(&selection, name, tag, &digest);
    assert_true(!chosen || stl_selection_enters(&selection, name));
    return chosen;
}

static void what_excludes_wins_in_any_order(void **state)
{
    (void)state;
    assert_true(all_choose("team/**\n!team/*:*-rc*", "team/a", "1.0"));
    assert_false(all_choose("team/**\n!team/*:*-rc*", "team/a", "1.0-rc1"));
    assert_false(all_choose("!team/*:*-rc*\nteam/a:1.0-rc1", "team/a", "1.0-rc1"));
    assert_true(all_choose("!team/*:*-rc*\nteam/**", "team/a/b", "1.0-rc1"));
    assert_true(all_choose("!team/**", "lib/app", "1"));
    assert_false(all_choose("!team/**", "team/app", "1"));
    assert_false(
        all_choose("**\n!sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "a", "1"));
}

static bool covers(const char *lines, const char *name)
{
    STL_AUTO_SELECTION struct stl_selection selection = STL_SELECTION_INIT;
    OK(stl_selection_add_lines(&selection, "file", lines, &err));
    return stl_selection_covers(&selection, name);
}

static void whole_repositories_are_known(void **state)
{
    (void)state;
    assert_true(covers("lib/*", "lib/app"));
    assert_true(covers("x\nlib/*:**", "lib/app"));
    assert_false(covers("lib/*:v*", "lib/app"));
    assert_false(covers("lib/*\n!lib/app:rc*", "lib/app"));
    assert_true(covers("lib/*\n!lib/app:rc*", "lib/other"));
    assert_true(covers("!lib/app", "lib/other"));
}

static void a_tag_with_a_digest_means_both(void **state)
{
    struct stl_digest digest = unit_digest(""), other = unit_digest("other");
    char pattern[200];
    (void)state;
    snprintf(pattern, sizeof pattern, "lib/app:1.0@%s", hex);
    assert_true(chooses(pattern, "lib/app", "1.0", &digest));
    assert_false(chooses(pattern, "lib/app", "1.0", &other));
    assert_false(chooses(pattern, "lib/app", "1.1", &digest));
    assert_true(chooses(pattern, "lib/app", NULL, &digest));
}

static void registry_hosts_are_dropped_unless_a_name_has_them(void **state)
{
    STL_AUTO_SELECTION struct stl_selection selection = STL_SELECTION_INIT;
    (void)state;
    assert_true(chooses("docker.io/library/nginx:1.25", "library/nginx", "1.25", NULL));
    assert_true(chooses("localhost:5000/app", "app", "1", NULL));
    assert_true(chooses("localhost/app:1", "app", "1", NULL));
    assert_true(chooses("Registry.Example.org:5000/team/*:1", "team/app", "1", NULL));
    assert_false(chooses("library/nginx", "nginx", "1", NULL));
    assert_false(all_choose("**\n!docker.io/library/*", "library/nginx", "1"));
    OK(stl_selection_add_lines(&selection, "file", "my.host/app:1\nother.host/app:2", &err));
    stl_selection_note_name(&selection, "my.host/app");
    stl_selection_drop_hosts(&selection);
    assert_string_equal(selection.items[0].text, "my.host/app:1");
    assert_true(stl_selection_matches(&selection, "my.host/app", "1", NULL));
    assert_false(stl_selection_matches(&selection, "app", "1", NULL));
    assert_true(selection.items[1].host_dropped);
    assert_string_equal(selection.items[1].host, "other.host");
    assert_string_equal(selection.items[1].text, "app:2");
}

static void lists_of_other_tools_are_read(void **state)
{
    STL_AUTO_SELECTION struct stl_selection selection = STL_SELECTION_INIT;
    (void)state;
    OK(stl_selection_add_lines(&selection, "file",
                               "\xef\xbb\xbf"
                               "a:1 # the first\r\n\r\n\t# none\r\nb:2\t#x\r\n!c",
                               &err));
    assert_int_equal(selection.count, 3);
    assert_string_equal(selection.items[0].text, "a:1");
    assert_string_equal(selection.items[1].text, "b:2");
    assert_string_equal(selection.items[2].text, "!c");
    assert_int_equal(selection.chooser_count, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_tags),
        cmocka_unit_test(names_that_begin_alike),
        cmocka_unit_test(without_a_tag_only_digests_choose),
        cmocka_unit_test(what_is_no_pattern),
        cmocka_unit_test(lines_of_a_file),
        cmocka_unit_test(what_excludes_wins_in_any_order),
        cmocka_unit_test(whole_repositories_are_known),
        cmocka_unit_test(a_tag_with_a_digest_means_both),
        cmocka_unit_test(registry_hosts_are_dropped_unless_a_name_has_them),
        cmocka_unit_test(lists_of_other_tools_are_read),
        cmocka_unit_test(the_first_that_matched_nothing_is_known),
    };
    return unit_run(tests);
}
