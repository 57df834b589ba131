#include "unit.h"

#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "freeze.h"

static void writes_are_refused_while_frozen(void **state)
{
    struct unit *unit = *state;
    int fd = stl_write_begin(&unit->registry, &err);
    assert_true(fd >= 0);
    close(fd);
    OK(stl_freeze(&unit->registry, "moving", &err));
    FAILS(STL_UNAVAILABLE, stl_write_begin(&unit->registry, &err));
    assert_non_null(strstr(err.message, "moving"));
    assert_int_equal(stl_code_http_status(err.code), 503);
    OK(stl_freeze(&unit->registry, "", &err));
    FAILS(STL_UNAVAILABLE, stl_write_begin(&unit->registry, &err));
    stl_error_clear(&err);
    assert_int_equal(stl_thaw(&unit->registry, &err), 1);
    assert_int_equal(stl_thaw(&unit->registry, &err), 0);
    fd = stl_write_begin(&unit->registry, &err);
    assert_true(fd >= 0);
    close(fd);
}

/* The process that freezes waits for the one that writes: seen from outside by the file, which is there, and
 * the lock, which is still to come. */
static void freezing_waits_for_writes(void **state)
{
    struct unit *unit = *state;
    int status, writing = stl_write_begin(&unit->registry, &err);
    assert_true(writing >= 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(writing);
        _exit(stl_freeze(&unit->registry, "x", &err) ? 1 : 0);
    }
    while (!unit_exists(unit->registry.root.fd, "frozen"))
        usleep(1000);
    FAILS(STL_UNAVAILABLE, stl_write_begin(&unit->registry, &err));
    assert_int_equal(waitpid(pid, &status, WNOHANG), 0);
    close(writing);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void what_cannot_be_read_is_frozen(void **state)
{
    struct unit *unit = *state;
    assert_int_equal(mkdirat(unit->registry.root.fd, "frozen", 0755), 0);
    FAILS(STL_INVALID, stl_check_frozen(&unit->registry, &err));
    FAILS(STL_INVALID, stl_write_begin(&unit->registry, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        registry_test(writes_are_refused_while_frozen),
        registry_test(freezing_waits_for_writes),
        registry_test(what_cannot_be_read_is_frozen),
    };
    return unit_run(tests);
}
