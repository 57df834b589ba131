#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "reserve.h"

static bool use(const struct unit *unit, int number)
{
    errno = number;
    stl_error_errno(&err, "something failed");
    bool again = stl_reserve_use(&unit->registry, &err);
    assert_int_equal(err.code == STL_OK, again);
    stl_error_clear(&err);
    return again;
}

static void lack_of_space_uses_it_up(void **state)
{
    const struct unit *unit = *state;
    int root = unit->registry.root.fd;
    stl_reserve_fill(&unit->registry);
    assert_int_equal(unit_count(root, "reserve"), STL_RESERVE_FILES);
    assert_false(use(unit, EIO));
    assert_false(use(unit, EROFS));
    assert_int_equal(unit_count(root, "reserve"), STL_RESERVE_FILES);
    for (int left = STL_RESERVE_FILES; left > 0; left--) {
        assert_int_equal(unit_count(root, "reserve"), left);
        assert_true(use(unit, left % 2 ? ENOSPC : EDQUOT));
    }
    assert_false(use(unit, ENOSPC));
    assert_false(
        stl_reserve_use(&unit->registry, &err)); /* what failed without a reason is not tried again */
}

/* What can be done without leaves the rest alone. */
static void nobody_else_uses_it_up(void **state)
{
    const struct unit *unit = *state;
    int root = unit->registry.root.fd;
    static bool (*const users[])(const struct stl_registry *, struct stl_error *) = {stl_reserve_spare,
                                                                                     stl_reserve_login};
    stl_reserve_fill(&unit->registry);
    for (int i = 0; i < 2; i++) {
        do {
            errno = ENOSPC;
            stl_error_errno(&err, "something failed");
        } while (users[i](&unit->registry, &err));
        stl_error_clear(&err);
        assert_int_equal(unit_count(root, "reserve"), STL_RESERVE_FILES - STL_RESERVE_SMALL / (2 - i));
    }
    assert_true(use(unit, ENOSPC));
}

/* One file has its space, one was cut short, the rest are gone. */
static void what_is_missing_is_made(void **state)
{
    const struct unit *unit = *state;
    struct stat st;
    int root = unit->registry.root.fd;
    stl_reserve_fill(&unit->registry);
    while (unit_count(root, "reserve") > 2)
        assert_true(use(unit, ENOSPC));
    STL_AUTO_CLOSE int cut = openat(root, "reserve/63", O_WRONLY | O_TRUNC | O_CLOEXEC);
    assert_true(cut >= 0);
    stl_reserve_fill(&unit->registry);
    for (int i = 0; i < STL_RESERVE_FILES; i++) {
        STL_AUTO_FREE char *name = stl_sprintf("reserve/%d", i);
        assert_int_equal(fstatat(root, name, &st, AT_SYMLINK_NOFOLLOW), 0);
        assert_int_equal(st.st_size, STL_RESERVE_SIZE(i));
        assert_true(st.st_blocks * 512 >= STL_RESERVE_SIZE(i));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        registry_test(lack_of_space_uses_it_up),
        registry_test(nobody_else_uses_it_up),
        registry_test(what_is_missing_is_made),
    };
    return unit_run(tests);
}
