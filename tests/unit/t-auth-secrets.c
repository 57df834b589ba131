#include "unit.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "auth-secrets.h"

/* 256 bits in base64url: 42 places may have any digit, the last any of sixteen. */
static void every_bit_is_random(void **state)
{
    (void)state;
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    uint64_t seen[STL_SECRET_TEXT - 1] = {0};
    for (int n = 0; n < 3000; n++) { /* one in 10^16 misses a digit */
        char text[STL_SECRET_TEXT];
        assert_ptr_equal(stl_secret_random(text), text);
        assert_int_equal(strlen(text), 43);
        for (size_t i = 0; i < 43; i++) {
            const char *digit = strchr(digits, text[i]);
            assert_non_null(digit);
            seen[i] |= UINT64_C(1) << (digit - digits);
        }
    }
    for (size_t i = 0; i < 43; i++)
        assert_true(seen[i] == (i < 42 ? UINT64_MAX : UINT64_C(0x1111111111111111)));
}

static mode_t mode_of(int at, const char *path)
{
    struct stat st = {0};
    assert_int_equal(fstatat(at, path, &st, AT_SYMLINK_NOFOLLOW), 0);
    return st.st_mode & 07777;
}

/* Each folder on the way is made, and one that is there is left as it is. */
static void folders(void **state)
{
    struct unit *unit = *state;
    struct stl_root open = stl_secret_searchable(&unit->registry), own = stl_secret_private(&unit->registry);
    int root = unit->registry.root.fd;
    OK(stl_secret_folders(&own, root, "auth/x", &err));
    OK(stl_secret_folders(&open, root, "auth/x/y/z", &err));
    assert_int_equal(mode_of(root, "auth/x"), 0700);
    assert_int_equal(mode_of(root, "auth/x/y"), 0711);
    assert_int_equal(mode_of(root, "auth/x/y/z"), 0711);
    OK(stl_secret_folders(&own, root, "auth/x/y/z", &err));
    assert_int_equal(mode_of(root, "auth/x/y/z"), 0711);
    unit_write(root, "auth/x/file", "");
    FAILS(STL_SYSTEM, stl_secret_folders(&open, root, "auth/x/file/z", &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_bit_is_random), registry_test(folders)};
    return unit_run(tests);
}
