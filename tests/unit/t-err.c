#include "unit.h"

#include <errno.h>
#include <string.h>

static void set_keeps_code_and_message(void **state)
{
    (void)state;
    struct stl_error e = STL_ERROR_INIT;
    assert_int_equal(stl_error_set(&e, STL_CONFLICT, "%s %d", "number", 7), -1);
    assert_int_equal(e.code, STL_CONFLICT);
    assert_int_equal(e.sys_errno, 0);
    assert_string_equal(e.message, "number 7");
    stl_error_clear(&e);
    assert_int_equal(e.code, STL_OK);
    assert_string_equal(e.message, "");
}

static void errno_picks_the_code(void **state)
{
    (void)state;
    static const struct {
        int number;
        enum stl_code code;
    } cases[] = {{ENOSPC, STL_NO_SPACE},  {EDQUOT, STL_NO_SPACE},  {EROFS, STL_READ_ONLY},
                 {EACCES, STL_READ_ONLY}, {EPERM, STL_READ_ONLY},  {EIO, STL_STORAGE},
                 {ESTALE, STL_STORAGE},   {ENOTCONN, STL_STORAGE}, {ENOENT, STL_SYSTEM}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct stl_error e = STL_ERROR_INIT;
        STL_AUTO_FREE char *expected = stl_sprintf("cannot open x: %s", strerror(cases[i].number));
        errno = cases[i].number;
        assert_int_equal(stl_error_errno(&e, "cannot open %s", "x"), -1);
        assert_int_equal(errno, cases[i].number);
        assert_int_equal(e.code, cases[i].code);
        assert_int_equal(e.sys_errno, cases[i].number);
        assert_string_equal(e.message, expected);
    }
}

static void a_later_set_forgets_errno(void **state)
{
    (void)state;
    struct stl_error e = STL_ERROR_INIT;
    errno = ENOENT;
    stl_error_errno(&e, "one");
    stl_error_set(&e, STL_INVALID, "two");
    assert_int_equal(e.sys_errno, 0);
}

static void context_goes_in_front_and_keeps_the_rest(void **state)
{
    (void)state;
    struct stl_error e = STL_ERROR_INIT;
    errno = ENOENT;
    stl_error_errno(&e, "cannot open x");
    assert_int_equal(stl_error_context(&e, "layers[%d]", 3), -1);
    assert_int_equal(stl_error_context(&e, "image"), -1);
    assert_int_equal(e.sys_errno, ENOENT);
    assert_int_equal(e.code, STL_SYSTEM);
    assert_string_equal(e.message, "image: layers[3]: cannot open x: No such file or directory");
}

/* Each part alone fills the message: it is cut, never overrun, and always ends. */
static void long_messages_are_cut(void **state)
{
    (void)state;
    struct stl_error e = STL_ERROR_INIT;
    for (size_t length = sizeof e.message - 3; length <= sizeof e.message + 3; length++) {
        STL_AUTO_FREE char *text = stl_alloc(length + 1);
        memset(text, 'x', length);
        size_t kept = length < sizeof e.message ? length : sizeof e.message - 1;
        stl_error_set(&e, STL_INVALID, "%s", text);
        assert_int_equal(strlen(e.message), kept);
        errno = EIO;
        stl_error_errno(&e, "%s", text);
        assert_true(strlen(e.message) < sizeof e.message);
        stl_error_set(&e, STL_INVALID, "short");
        stl_error_context(&e, "%s", text);
        assert_true(strlen(e.message) < sizeof e.message);
        stl_error_set(&e, STL_INVALID, "%s", text);
        stl_error_context(&e, "front");
        assert_memory_equal(e.message, "front: xxx", 10);
        assert_int_equal(strlen(e.message), sizeof e.message - 1);
    }
}

/* Messages quote what strangers sent: they stay one line of text on a terminal and in JSON. */
static void messages_are_one_line_of_valid_text(void **state)
{
    (void)state;
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"a\nb\rc\td", "a?b?c?d"},
        {"\033[31mred\033[0m", "?[31mred?[0m"},
        {"del\177", "del?"},
        {"gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x93\xa6",
         "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x93\xa6"},
        {"cut \xe2\x82", "cut ??"},
        {"\xff\xfe", "??"},
        {"\xc0\x80 overlong", "?? overlong"},
        {"\xed\xa0\x80 surrogate", "??? surrogate"},
        {"\xf4\x90\x80\x80 too large", "???? too large"},
        {"\xc2\x9b"
         "31m C1 control",
         "?31m C1 control"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct stl_error e = STL_ERROR_INIT;
        stl_error_set(&e, STL_INVALID, "%s", cases[i].in);
        assert_string_equal(e.message, cases[i].out);
        stl_error_set(&e, STL_INVALID, "x");
        stl_error_context(&e, "%s", cases[i].in);
        assert_memory_equal(e.message, cases[i].out, strlen(cases[i].out));
        errno = EIO;
        stl_error_errno(&e, "%s", cases[i].in);
        assert_memory_equal(e.message, cases[i].out, strlen(cases[i].out));
    }
}

/* distribution-spec, "Error Codes": the codes a registry may send. */
static bool is_in_the_specification(const char *code)
{
    static const char *const known[] = {"BLOB_UNKNOWN",     "BLOB_UPLOAD_INVALID",   "BLOB_UPLOAD_UNKNOWN",
                                        "DIGEST_INVALID",   "MANIFEST_BLOB_UNKNOWN", "MANIFEST_INVALID",
                                        "MANIFEST_UNKNOWN", "NAME_INVALID",          "NAME_UNKNOWN",
                                        "SIZE_INVALID",     "UNAUTHORIZED",          "DENIED",
                                        "UNSUPPORTED",      "TOOMANYREQUESTS"};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!strcmp(known[i], code))
            return true;
    return false;
}

static void every_code_has_three_faces(void **state)
{
    (void)state;
    assert_int_equal(stl_code_http_status(STL_OK), 200);
    assert_int_equal(stl_code_exit_status(STL_OK), 0);
    for (int code = STL_OK + 1; code < STL_CODES; code++) {
        int status = stl_code_http_status((enum stl_code)code),
            exit_status = stl_code_exit_status((enum stl_code)code);
        const char *oci = stl_code_oci((enum stl_code)code);
        assert_in_range(status, 400, 599);
        assert_in_range(exit_status, 1, 2);
        assert_non_null(oci);
        if (status < 500 && !is_in_the_specification(oci))
            fail_msg("code %d: '%s' is not in the specification", code, oci);
    }
}

static void codes_have_the_status_of_the_specification(void **state)
{
    (void)state;
    static const struct {
        enum stl_code code;
        int status;
        const char *oci;
    } cases[] = {
        {STL_NAME_INVALID, 400, "NAME_INVALID"},
        {STL_NAME_UNKNOWN, 404, "NAME_UNKNOWN"},
        {STL_DIGEST_INVALID, 400, "DIGEST_INVALID"},
        {STL_DIGEST_UNSUPPORTED, 400, "DIGEST_INVALID"},
        {STL_BLOB_UNKNOWN, 404, "BLOB_UNKNOWN"},
        {STL_BLOB_UPLOAD_UNKNOWN, 404, "BLOB_UPLOAD_UNKNOWN"},
        {STL_RANGE_INVALID, 416, "BLOB_UPLOAD_INVALID"},
        {STL_MANIFEST_INVALID, 400, "MANIFEST_INVALID"},
        {STL_MANIFEST_TOO_LARGE, 413, "MANIFEST_INVALID"},
        {STL_MANIFEST_UNKNOWN, 404, "MANIFEST_UNKNOWN"},
        {STL_UNAUTHORIZED, 401, "UNAUTHORIZED"},
        {STL_DENIED, 403, "DENIED"},
        {STL_UNSUPPORTED, 405, "UNSUPPORTED"},
        {STL_URI_TOO_LONG, 414, "UNSUPPORTED"},
        {STL_TOO_MANY_REQUESTS, 429, "TOOMANYREQUESTS"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(stl_code_http_status(cases[i].code), cases[i].status);
        assert_string_equal(stl_code_oci(cases[i].code), cases[i].oci);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(set_keeps_code_and_message),
        cmocka_unit_test(errno_picks_the_code),
        cmocka_unit_test(a_later_set_forgets_errno),
        cmocka_unit_test(context_goes_in_front_and_keeps_the_rest),
        cmocka_unit_test(long_messages_are_cut),
        cmocka_unit_test(messages_are_one_line_of_valid_text),
        cmocka_unit_test(every_code_has_three_faces),
        cmocka_unit_test(codes_have_the_status_of_the_specification),
    };
    return unit_run(tests);
}
