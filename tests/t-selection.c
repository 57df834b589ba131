#include <string.h>

#include "selection.h"
#include "unit.h"

static const char hex[] = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

static bool chooses(const char *pattern, const char *name, const char *tag, const struct stl_digest *digest)
{
    STL_AUTO_SELECTION struct stl_selection selection = STL_SELECTION_INIT;
    OK(stl_selection_add(&selection, pattern, &err));
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
        "../a:x\\",
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
    OK(stl_selection_add_lines(&selection, "file", "", &err));
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
    assert_string_equal(stl_selection_unmatched(&selection), "b");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_tags),
        cmocka_unit_test(without_a_tag_only_digests_choose),
        cmocka_unit_test(what_is_no_pattern),
        cmocka_unit_test(lines_of_a_file),
        cmocka_unit_test(the_first_that_matched_nothing_is_known),
    };
    return unit_run(tests);
}
