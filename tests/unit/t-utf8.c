#include "unit.h"

#include <string.h>

#include "utf8.h"

static void ascii_is_one_byte(void **state)
{
    (void)state;
    for (int c = 0; c < 0x80; c++) {
        char text = (char)c;
        assert_int_equal(stl_utf8_length(&text, 1), 1);
    }
    assert_int_equal(stl_utf8_length("a", 0), 0);
}

static void the_first_and_last_of_each_length(void **state)
{
    (void)state;
    static const char *const texts[] = {"\xc2\x80",         "\xdf\xbf",        "\xe0\xa0\x80",
                                        "\xed\x9f\xbf",     "\xee\x80\x80",    "\xef\xbf\xbf",
                                        "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        size_t length = strlen(texts[i]);
        assert_int_equal(stl_utf8_length(texts[i], length), length);
        assert_int_equal(stl_utf8_length(texts[i], length + 1), length);
        for (size_t cut = 0; cut < length; cut++)
            assert_int_equal(stl_utf8_length(texts[i], cut), 0);
    }
}

static void what_is_not_utf8(void **state)
{
    (void)state;
    static const char *const texts[] = {"\x80",
                                        "\xbf",
                                        "\xc0\x80",
                                        "\xc1\xbf",
                                        "\xc2",
                                        "\xc2\x41",
                                        "\xc2\xc2",
                                        "\xe0\x80\x80",
                                        "\xe0\x9f\xbf",
                                        "\xed\xa0\x80",
                                        "\xed\xbf\xbf",
                                        "\xe2\x28\xa1",
                                        "\xe2\x82\x28",
                                        "\xf0\x80\x80\x80",
                                        "\xf0\x8f\xbf\xbf",
                                        "\xf4\x90\x80\x80",
                                        "\xf5\x80\x80\x80",
                                        "\xf8\x88\x80\x80\x80",
                                        "\xfe",
                                        "\xff"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_int_equal(stl_utf8_length(texts[i], strlen(texts[i])), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ascii_is_one_byte),
        cmocka_unit_test(the_first_and_last_of_each_length),
        cmocka_unit_test(what_is_not_utf8),
    };
    return unit_run(tests);
}
