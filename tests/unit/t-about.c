#include "unit.h"

#include <string.h>

#include "about.h"

static void write_about(const struct unit *unit, const char *text)
{
    unit_write(unit->repo.fd, "tags/_about", text);
}

static void what_is_written_is_read(void **state)
{
    struct unit *unit = *state;
    const struct stl_repo *repo = &unit->repo;
    struct stl_about about = {.created = 1700000000, .is_public = true, .description = "d\"é"}, found;
    assert_int_equal(stl_about_read(repo->fd, &found, &err), 0);
    assert_int_equal(stl_about_find(repo->fd, &err), 0);
    assert_false(stl_about_exists(repo->fd));
    OK(stl_about_write(&unit->registry.root, repo->fd, &about, &err));
    unit_check_text(repo->fd, "tags/_about",
                    "{\"created\":1700000000,\"visibility\":\"public\",\"description\":\"d\\\"é\"}\n");
    assert_int_equal(stl_about_read(repo->fd, &found, &err), 1);
    assert_int_equal(found.created, 1700000000);
    assert_true(found.is_public);
    assert_string_equal(found.description, "d\"é");
    assert_int_equal(stl_about_find(repo->fd, &err), 1);
    assert_true(stl_about_exists(repo->fd));
    about.is_public = false;
    OK(stl_about_write(&unit->registry.root, repo->fd, &about, &err));
    assert_int_equal(stl_about_read(repo->fd, &found, &err), 1);
    assert_false(found.is_public);
    for (int i = 0; i < 2; i++) /* again, it is gone already */
        OK(stl_about_write(&unit->registry.root, repo->fd, NULL, &err));
    assert_false(stl_about_exists(repo->fd));
    unit_remove(repo->fd, "tags");
    FAILS(STL_SYSTEM, stl_about_write(&unit->registry.root, repo->fd, &about, &err));
}

static void what_is_missing_or_damaged(void **state)
{
    struct unit *unit = *state;
    static const struct {
        const char *text;
        bool good, is_public;
    } cases[] = {{"{}", true, false},
                 {"{\"visibility\":\"public\"}", true, true},
                 {"{\"visibility\":\"publicly\"}", true, false},
                 {"{\"visibility\":\"pub\"}", true, false},
                 {"{\"created\":1,\"description\":\"d\",\"more\":[]}", true, false},
                 {"", false, false},
                 {"[]", false, false},
                 {"{\"created\":\"1\"}", false, false},
                 {"{\"created\":1,\"visibility\":true}", false, false},
                 {"{\"created\":1,\"visibility\":\"public\",\"description\":7}", false, false},
                 {"{\"created\":1,\"visibility\":\"public\",\"description\":\"a\\tb\"}", false, false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct stl_about about;
        write_about(unit, cases[i].text);
        if (cases[i].good)
            OK(stl_about_read(unit->repo.fd, &about, &err));
        else
            FAILS(STL_DAMAGED, stl_about_read(unit->repo.fd, &about, &err));
        assert_int_equal(about.is_public, cases[i].is_public);
        assert_true(cases[i].good || (!about.created && !about.description[0]));
    }
    assert_true(stl_about_exists(unit->repo.fd)); /* whatever it says */
}

static void descriptions(void **state)
{
    (void)state;
    static const char *const bad[] = {"a\nb", "\x7f", "\x80", "a\x1b[1m", "\xc2\x85"};
    char longest[STL_DESCRIPTION_MAX + 2] = "";
    memset(longest, 'd', STL_DESCRIPTION_MAX + 1);
    OK(stl_description_check("", &err));
    OK(stl_description_check("é ~", &err));
    OK(stl_description_check(longest + 1, &err));
    FAILS(STL_INVALID, stl_description_check(longest, &err));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        FAILS(STL_INVALID, stl_description_check(bad[i], &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {repository_test(what_is_written_is_read),
                                       repository_test(what_is_missing_or_damaged),
                                       cmocka_unit_test(descriptions)};
    return unit_run(tests);
}
