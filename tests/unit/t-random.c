#include "unit.h"

#include <string.h>

#include "random.h"

/* RFC 9562, version 4; every digit that may differ does. */
static void uuids(void **state)
{
    (void)state;
    static const char form[] = "xxxxxxxx-xxxx-4xxx-yxxx-xxxxxxxxxxxx";
    unsigned seen[STL_UUID_LENGTH] = {0};
    for (int n = 0; n < 1000; n++) {
        char uuid[STL_UUID_LENGTH + 1];
        assert_ptr_equal(stl_uuid(uuid), uuid);
        assert_int_equal(strlen(uuid), STL_UUID_LENGTH);
        for (size_t i = 0; i < STL_UUID_LENGTH; i++) {
            const char *digits = "0123456789abcdef", *digit = strchr(digits, uuid[i]);
            if (form[i] == 'x' || form[i] == 'y')
                assert_non_null(digit);
            else
                assert_int_equal(uuid[i], form[i]);
            seen[i] |= digit ? 1u << (digit - digits) : 0;
        }
    }
    for (size_t i = 0; i < STL_UUID_LENGTH; i++)
        assert_int_equal(seen[i], form[i] == 'x'   ? 0xffff
                                  : form[i] == 'y' ? 0xf00
                                  : form[i] == '4' ? 1 << 4
                                                   : 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(uuids)};
    return unit_run(tests);
}
