#include "unit.h"

#include <errno.h>
#include <string.h>

#include "sync-all.h"

static void files_and_folders(void **state)
{
    struct unit *unit = *state;
    const int root = unit->registry.root.fd;
    unit_write(root, "tmp/a", "text");
    STL_AUTO_CLOSE int file = stl_dir_open_file(root, "tmp/a"), folder = stl_dir_open(root, "tmp", &err);
    const struct stl_sync what[] = {{file, NULL},    {folder, NULL}, {root, "www/v2"},
                                    {root, "store"}, {folder, ""},   {root, "tmp"}};
    struct stl_root threads = unit->registry.root, none = threads;
    none.threadless = true;
    for (size_t count = 0; count <= sizeof what / sizeof *what; count++) {
        OK(stl_sync_all(&threads, what, count, &err));
        OK(stl_sync_all(&none, what, count, &err));
    }
    unit_remove(root, "tmp/a");
}

static void one_that_cannot_be_synced(void **state)
{
    struct unit *unit = *state;
    const int root = unit->registry.root.fd;
    const struct stl_sync missing[] = {{root, "store"}, {root, "missing"}, {root, "tmp"}};
    const struct stl_sync closed[] = {{root, "store"}, {-1, NULL}};
    FAILS(STL_SYSTEM, stl_sync_all(&unit->registry.root, missing, 3, &err));
    assert_int_equal(err.sys_errno, ENOENT);
    assert_non_null(strstr(err.message, "missing"));
    FAILS(STL_SYSTEM, stl_sync_all(&unit->registry.root, closed, 2, &err));
    assert_int_equal(err.sys_errno, EBADF);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        registry_test(files_and_folders),
        registry_test(one_that_cannot_be_synced),
    };
    return unit_run(tests);
}
