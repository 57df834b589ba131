#include "unit.h"

#include <string.h>

#include "nesting.h"
#include "repo-make.h"

static void make_repository(const struct unit *unit, struct stl_repo *repo, const char *name)
{
    struct stl_name parsed = unit_name(name);
    OK(stl_repo_make(repo, &unit->registry, &parsed, &err));
}

static void in_whose_folders_a_name_lies(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"a", ""},
        {"a/b", ""},
        {"manifests/b", ""},
        {"a/manifests", "a "},
        {"a/manifests/b", "a "},
        {"a/b/tags/list", "a/b "},
        {"a/manifests/blobs/c", "a a/manifests "},
        {"a/blobs/b/referrers/c/tags", "a a/blobs/b a/blobs/b/referrers/c "},
        {"a/manifest/b", ""},
        {"a/manifestss/b", ""},
        {"ab/xtags/b", ""}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        STL_AUTO_BUF struct stl_buf found = STL_BUF_INIT;
        struct stl_name name = unit_name(cases[i][0]), outer;
        stl_buf_puts(&found, "");
        for (const char *from = NULL; (from = stl_nesting_next(&name, from, &outer)) != NULL;)
            stl_buf_printf(&found, "%s ", outer.text);
        assert_string_equal(found.data, cases[i][1]);
    }
}

/* A tag and the list of tags are in the way of whatever has their path, and of nothing that begins alike. */
static void names_that_are_taken(void **state)
{
    struct unit *unit = *state;
    static const struct {
        const char *name, *why; /* NULL: it is free */
    } cases[] = {{"a/manifests/pod", "the tag 'pod' of repository 'a' is in its way"},
                 {"a/manifests/pod/x", "the tag 'pod' of repository 'a' is in its way"},
                 {"a/manifests/po", NULL},
                 {"a/manifests/pods", NULL},
                 {"ab/manifests/pod", NULL},
                 {"b/manifests/pod", NULL},
                 {"a/blobs/pod", NULL},
                 {"a/tags/list", "the list of tags of repository 'a' is in its way"},
                 {"a/tags/list/x", "the list of tags of repository 'a' is in its way"},
                 {"a/tags/lis", NULL},
                 {"a/tags/lists", NULL},
                 {"a/tags/lost", NULL},
                 {"a/blobs/list", NULL},
                 {"b/tags/list", NULL},
                 {"a/manifests", "the tag 'blobs' of repository 'a' is in its way"},
                 {"b/manifests", NULL},
                 {"a/manifests/b/manifests/pod", NULL},
                 {"c", "repository 'c/tags/list', or one below it, has the path of its list"}};
    STL_AUTO_REPO struct stl_repo a = STL_REPO_INIT, b = STL_REPO_INIT, deep = STL_REPO_INIT;
    make_repository(unit, &a, "a");
    make_repository(unit, &b, "ab");
    make_repository(unit, &deep, "c/tags/list/d");
    unit_push(&a, "one", "pod");
    unit_push(&a, "one", "blobs");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct stl_name name = unit_name(cases[i].name);
        stl_error_clear(&err);
        int result = stl_nesting_check_name(&unit->registry, &name, &err);
        if (result != (cases[i].why ? -1 : 0) || (cases[i].why && !strstr(err.message, cases[i].why)))
            fail_msg("%s: %d %s", cases[i].name, result, err.message);
        if (result)
            assert_int_equal(err.code, STL_NAME_INVALID);
    }
}

static void tags_that_are_taken(void **state)
{
    struct unit *unit = *state;
    STL_AUTO_REPO struct stl_repo a = STL_REPO_INIT, deep = STL_REPO_INIT;
    struct stl_tag pod = unit_tag("pod"), pods = unit_tag("pods"), po = unit_tag("po");
    make_repository(unit, &a, "a");
    assert_false(stl_nesting_has_nested(a.fd, "manifests"));
    make_repository(unit, &deep, "a/manifests/pod/x");
    FAILS(STL_TAG_INVALID, stl_nesting_check_tag(a.fd, &a.name, &pod, &err));
    OK(stl_nesting_check_tag(a.fd, &a.name, &pods, &err));
    OK(stl_nesting_check_tag(a.fd, &a.name, &po, &err));
    OK(stl_nesting_check_list(a.fd, &a.name, &err));
    assert_true(stl_nesting_has_nested(a.fd, "manifests"));
    assert_false(stl_nesting_has_nested(a.fd, "blobs") || stl_nesting_has_nested(a.fd, "none"));
    unit_push(&a, "one", "v1"); /* a file, and no folder */
    assert_false(stl_nesting_has_nested(a.fd, "tags"));
    assert_true(stl_nesting_is_in_use(&unit->registry, "www/v2/a/manifests"));
    assert_false(stl_nesting_is_in_use(&unit->registry, "www/v2/a/manifests/pod"));
    assert_false(stl_nesting_is_in_use(&unit->registry, "www/v2/b/manifests"));
    assert_false(stl_nesting_is_in_use(&unit->registry, "www/v2/manifests"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(in_whose_folders_a_name_lies),
                                       registry_test(names_that_are_taken),
                                       registry_test(tags_that_are_taken)};
    return unit_run(tests);
}
