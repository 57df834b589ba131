#include "unit.h"

#include <string.h>

#include "base64url.h"

static void what_is_decoded(void **state)
{
    (void)state;
    static const struct {
        const char *text, *bytes; /* NULL: none */
    } cases[] = {
        {"", ""},
        {"Zg", "f"},
        {"Zm8", "fo"},
        {"Zm9v", "foo"},
        {"Zm9vYg", "foob"},
        {"Zm9vYmE", "fooba"},
        {"Zm9vYmFy", "foobar"},
        {"_-_-", "\xff\xef\xfe"},
        {"-_-_", "\xfb\xff\xbf"},
        {"AAAA", "\0\0\0"},
        {"9w", "\xf7"},
        {"99", NULL},
        {"Z", NULL},
        {"Zm9vY", NULL},
        {"Zh", NULL},
        {"Zm9", NULL},
        {"Zg==", NULL},
        {"Zm+v", NULL},
        {"Zm/v", NULL},
        {"Zm v", NULL},
        {"Zm9v\n", NULL},
        {"Zm9=", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char bytes[8];
        size_t length = strlen(cases[i].text);
        ssize_t count = stl_base64url_decode(cases[i].text, length, bytes, sizeof bytes);
        if (count != (cases[i].bytes ? (ssize_t)(length * 3 / 4) : -1))
            fail_msg("'%s': %zd bytes", cases[i].text, count);
        if (count > 0)
            assert_memory_equal(bytes, cases[i].bytes, (size_t)count);
    }
    assert_int_equal(stl_base64url_decode("Zm\0v", 4, (char[3]){0}, 3), -1);
}

static void there_has_to_be_room(void **state)
{
    (void)state;
    char bytes[] = "....";
    for (size_t size = 0; size < 4; size++)
        assert_int_equal(stl_base64url_decode("Zm9vYg", 6, bytes, size), -1);
    assert_string_equal(bytes, "....");
    assert_int_equal(stl_base64url_decode("Zm9vYg", 6, bytes, 4), 4);
    assert_string_equal(bytes, "foob");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_is_decoded),
                                       cmocka_unit_test(there_has_to_be_room)};
    return unit_run(tests);
}
