/* If-Match and If-None-Match (RFC 9110, 13.1). */
#include "unit.h"

#include <string.h>

#include "../../cgi/conditions.h"

#define IS "D" /* in the lists below: the digest of what is there */

/* The list with the digest in it. */
static char *fill_in(const char *list, const struct stl_digest *digest)
{
    STL_AUTO_BUF struct stl_buf buf = STL_BUF_INIT;
    for (; list && *list; list++) {
        if (*list == *IS)
            stl_buf_puts(&buf, unit_digest_text(digest));
        else
            stl_buf_add(&buf, list, 1);
    }
    stl_buf_puts(&buf, "");
    return list ? stl_strdup(buf.data) : NULL;
}

static const struct {
    const char *list;
    bool strong, weak; /* whether it names what is there */
} lists[] = {{"\"D\"", true, true},
             {"*", true, true},
             {"W/\"D\"", false, true},
             {"\"x\", \"D\"", true, true},
             {"\"x\" ,\t\"D\",", true, true},
             {"\"D\",\"x\"", true, true},
             {"W/\"x\",\"D\"", true, true},
             {"W/\"D\",\"x\"", false, true},
             {"", false, false},
             {"\"x\"", false, false},
             {"D", false, false},
             {"\"D", false, false},
             {"\"Dx\"", false, false},
             {"\"xD\"", false, false},
             {"\"*\"", false, false},
             {"**", false, false},
             {"w/\"D\"", false, false},
             {"x,\"D\"", false, false},
             {"\"x\"D\"", false, false}};

static void what_a_list_names(void **state)
{
    (void)state;
    const struct stl_digest digest = unit_digest("x");
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        STL_AUTO_FREE char *list = fill_in(lists[i].list, &digest);
        const struct request match = {.if_match = list}, none = {.if_none_match = list};
        bool unchanged = true;
        int results[] = {conditions_check(&match, true, "v1", &digest, &err),
                         conditions_check(&none, true, "v1", &digest, &err),
                         conditions_check_read(&match, "v1", &digest, &unchanged, &err)};
        assert_false(unchanged);
        OK(conditions_check_read(&none, "v1", &digest, &unchanged, &err));
        if (results[0] != (lists[i].strong ? 0 : -1) || results[1] != (lists[i].weak ? -1 : 0) ||
            results[2] != results[0] || unchanged != lists[i].weak)
            fail_msg("%s: %d %d %d %d", list, results[0], results[1], results[2], unchanged);
    }
}

/* What does not exist, or has no digest, is named by "*" at most. */
static void what_is_not_there(void **state)
{
    (void)state;
    const struct stl_digest digest = unit_digest("x");
    STL_AUTO_FREE char *tag = fill_in("\"D\"", &digest);
    const struct request any = {.if_match = "*"}, match = {.if_match = tag}, no = {.if_none_match = "*"},
                         none = {.if_none_match = tag}, empty = {.path = ""};
    FAILS(STL_PRECONDITION_FAILED, conditions_check(&any, false, "v1", NULL, &err));
    assert_string_equal(err.message, "If-Match: 'v1' does not exist");
    FAILS(STL_PRECONDITION_FAILED, conditions_check(&match, false, "v1", NULL, &err));
    OK(conditions_check(&no, false, "v1", NULL, &err));
    OK(conditions_check(&none, false, "v1", NULL, &err));
    OK(conditions_check(&any, true, "v1", NULL, &err));
    FAILS(STL_PRECONDITION_FAILED, conditions_check(&match, true, "v1", NULL, &err));
    assert_string_equal(err.message, "If-Match: 'v1' is there");
    FAILS(STL_PRECONDITION_FAILED, conditions_check(&no, true, "v1", NULL, &err));
    OK(conditions_check(&none, true, "v1", NULL, &err));
    OK(conditions_check(&empty, true, "v1", &digest, &err));
    OK(conditions_check(&empty, false, "v1", NULL, &err));
}

static void why(void **state)
{
    (void)state;
    const struct stl_digest digest = unit_digest("x");
    const struct request match = {.if_match = "\"y\""}, none = {.if_none_match = "*"};
    STL_AUTO_FREE char *there = stl_sprintf("If-Match: 'v1' is there, and is %s", unit_digest_text(&digest)),
                       *exists =
                           stl_sprintf("If-None-Match: 'v1' is there, and is %s", unit_digest_text(&digest));
    bool unchanged;
    FAILS(STL_PRECONDITION_FAILED, conditions_check(&match, true, "v1", &digest, &err));
    assert_string_equal(err.message, there);
    FAILS(STL_PRECONDITION_FAILED, conditions_check_read(&match, "v1", &digest, &unchanged, &err));
    assert_string_equal(err.message, there);
    FAILS(STL_PRECONDITION_FAILED, conditions_check(&none, true, "v1", &digest, &err));
    assert_string_equal(err.message, exists);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_a_list_names),
                                       cmocka_unit_test(what_is_not_there), cmocka_unit_test(why)};
    return unit_run(tests);
}
