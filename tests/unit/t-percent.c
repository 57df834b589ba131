#include "unit.h"

#include <stdio.h>
#include <string.h>

#include "percent.h"

static void encoding(void **state)
{
    (void)state;
    static const struct {
        const char *text, *plain, *expected;
    } cases[] = {{"", "", ""},
                 {"azAZ09-._~", "", "azAZ09-._~"},
                 {"a/b c%", "", "a%2Fb%20c%25"},
                 {"a/b:c", "/", "a/b%3Ac"},
                 {"\xc3\xa9\x01\x7f", "/", "%C3%A9%01%7F"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        STL_AUTO_BUF struct stl_buf buf = STL_BUF_INIT;
        stl_buf_puts(&buf, "=");
        stl_percent_encode(&buf, cases[i].text, cases[i].plain);
        assert_string_equal(buf.data + 1, cases[i].expected);
    }
}

static void decoding(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        char forbidden;
        const char *expected; /* NULL: none */
    } cases[] = {{"", '\0', ""},
                 {"a%2fb%2F", '\0', "a/b/"},
                 {"%c3%A9", '\0', "\xc3\xa9"},
                 {"%09%90%af%FA", '\0', "\x09\x90\xaf\xfa"},
                 {"%2fa", '/', NULL},
                 {"a/b%20", '/', "a/b "},
                 {"%2525", '\0', "%25"},
                 {"a+b", '\0', "a+b"},
                 {"a%00b", '\0', NULL},
                 {"a%", '\0', NULL},
                 {"a%2", '\0', NULL},
                 {"%2g", '\0', NULL},
                 {"%g2", '\0', NULL},
                 {"%%20", '\0', NULL}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[32];
        snprintf(text, sizeof text, "%s", cases[i].text);
        if (stl_percent_decode(text, cases[i].forbidden) != (cases[i].expected != NULL))
            fail_msg("'%s'", cases[i].text);
        if (cases[i].expected)
            assert_string_equal(text, cases[i].expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(encoding), cmocka_unit_test(decoding)};
    return unit_run(tests);
}
