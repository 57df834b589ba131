#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "file-extent.h"
#include "io.h"

/* --- signals -------------------------------------------------------------------------------------------- */

static volatile sig_atomic_t signals;
static int ends[2], other;
static char many[1 << 16]; /* bytes: as much as a pipe holds */

/* Each call waits for something that the second signal brings about; the first only interrupts it. */
static void (*bring)(void);

static void on_signal(int number)
{
    int before = errno;
    (void)number;
    if (++signals == 2)
        bring();
    errno = before;
}

static void interrupted(void (*what)(void))
{
    const struct sigaction action = {.sa_handler = on_signal}; /* no SA_RESTART */
    const struct itimerval often = {{0, 2000}, {0, 2000}};
    bring = what;
    signals = 0;
    assert_int_equal(sigaction(SIGALRM, &action, NULL), 0);
    assert_int_equal(setitimer(ITIMER_REAL, &often, NULL), 0);
}

static void undisturbed(void)
{
    const struct itimerval never = {0};
    assert_int_equal(setitimer(ITIMER_REAL, &never, NULL), 0);
    assert_true(signals >= 2);
}

static void write_a_byte(void)
{
    assert_int_equal(write(ends[1], "x", 1), 1);
}

static void read_much(void)
{
    assert_int_equal(read(ends[0], many, sizeof many), sizeof many);
}

static void give_the_lock_back(void)
{
    assert_int_equal(flock(other, LOCK_UN), 0);
}

static void begin_pipe(bool full)
{
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    if (full)
        assert_int_equal(write(ends[1], many, sizeof many), sizeof many);
}

static void end_pipe(void)
{
    close(ends[0]);
    close(ends[1]);
}

static void reading_and_writing_go_on(void **state)
{
    (void)state;
    char byte = 0;
    begin_pipe(false);
    interrupted(write_a_byte);
    ssize_t got = stl_read_some(ends[0], &byte, 1);
    undisturbed();
    assert_int_equal(got, 1);
    assert_int_equal(byte, 'x');
    interrupted(write_a_byte);
    got = stl_read_full(ends[0], &byte, 1);
    undisturbed();
    assert_int_equal(got, 1);
    end_pipe();
    begin_pipe(true);
    interrupted(read_much);
    ssize_t written = stl_write_some(ends[1], "y", 1);
    undisturbed();
    assert_int_equal(written, 1);
    end_pipe();
    begin_pipe(true);
    interrupted(read_much);
    int result = stl_write_all(ends[1], many, 10, &err);
    undisturbed();
    OK(result);
    end_pipe();
}

static void locks_and_children_are_waited_for(void **state)
{
    struct unit *unit = *state;
    unit_write(unit->fd, "lock", "");
    other = openat(unit->fd, "lock", O_RDONLY | O_CLOEXEC);
    STL_AUTO_CLOSE int own = openat(unit->fd, "lock", O_RDONLY | O_CLOEXEC);
    assert_int_equal(flock(other, LOCK_EX), 0);
    interrupted(give_the_lock_back);
    int result = stl_flock(own, LOCK_EX);
    undisturbed();
    assert_int_equal(result, 0);
    close(other);
    begin_pipe(false);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        char byte;
        _exit(read(ends[0], &byte, 1) == 1 ? 7 : 1);
    }
    int status = 0;
    interrupted(write_a_byte);
    result = stl_wait(child, &status);
    undisturbed();
    assert_int_equal(result, 0);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 7);
    end_pipe();
}

/* --- errors and ends ------------------------------------------------------------------------------------ */

#define GIVES(call, expected)                                                                                \
    do {                                                                                                     \
        errno = EINTR; /* of something before */                                                             \
        assert_int_equal(call, expected);                                                                    \
    } while (0)

#define IS_BAD(call)                                                                                         \
    do {                                                                                                     \
        errno = 0;                                                                                           \
        assert_int_equal(call, -1);                                                                          \
        assert_int_equal(errno, EBADF);                                                                      \
    } while (0)

static void other_errors_are_told(void **state)
{
    (void)state;
    char bytes[4] = "";
    IS_BAD(stl_read_some(-1, bytes, 4));
    IS_BAD(stl_read_full(-1, bytes, 4));
    IS_BAD(stl_pread_full(-1, bytes, 4, 0));
    IS_BAD(stl_write_some(-1, bytes, 4));
    IS_BAD(stl_pwrite_some(-1, bytes, 4, 0));
    IS_BAD(stl_flock(-1, LOCK_EX));
    assert_int_equal(stl_wait(getpid(), NULL), -1);
    assert_int_equal(errno, ECHILD);
    FAILS(STL_SYSTEM, stl_write_all(-1, bytes, 4, &err));
    assert_int_equal(err.sys_errno, EBADF);
}

static void what_succeeds_is_done_once(void **state)
{
    struct unit *unit = *state;
    char bytes[8] = "";
    STL_AUTO_CLOSE int fd = openat(unit->fd, "file", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    GIVES(stl_write_some(fd, "abcd", 4), 4);
    GIVES(stl_write_some(fd, "", 0), 0);
    GIVES(stl_write_all(fd, "efgh", 4, &err), 0);
    GIVES(stl_pwrite_some(fd, "BC", 2, 1), 2);
    GIVES(stl_pwrite_some(fd, "", 0, 0), 0);
    GIVES(stl_pread_full(fd, bytes, 3, 0), 3);
    assert_string_equal(bytes, "aBC");
    GIVES(stl_pread_full(fd, bytes, 7, 4), 4); /* fewer at the end */
    assert_string_equal(bytes, "efgh");
    GIVES(stl_pread_full(fd, bytes, 7, 8), 0);
    assert_int_equal(lseek(fd, 6, SEEK_SET), 6);
    GIVES(stl_read_full(fd, bytes, 7), 2);
    GIVES(stl_read_full(fd, bytes, 7), 0);
    GIVES(stl_read_some(fd, bytes, 7), 0);
    GIVES(stl_flock(fd, LOCK_EX), 0);
}

/* All that a pipe gives, however it comes. */
static void full_means_full(void **state)
{
    (void)state;
    char bytes[8] = "";
    begin_pipe(false);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        int queued = 1;
        assert_int_equal(write(ends[1], "abc", 3), 3);
        while (queued > 0) /* until that has been read */
            if (ioctl(ends[0], FIONREAD, &queued))
                _exit(1);
        _exit(write(ends[1], "def", 3) == 3 ? 0 : 1);
    }
    assert_int_equal(stl_read_full(ends[0], bytes, 6), 6);
    assert_string_equal(bytes, "abcdef");
    assert_int_equal(stl_wait(child, NULL), 0);
    end_pipe();
}

/* --- extents -------------------------------------------------------------------------------------------- */

static void extents_are_compared(void **state)
{
    enum { LONG = (64 << 10) + 3 };
    struct unit *unit = *state;
    STL_AUTO_FREE char *bytes = stl_alloc(2 * LONG);
    memset(bytes, 'x', 2 * LONG);
    bytes[2 * LONG - 1] = 'y';
    STL_AUTO_CLOSE int fd = openat(unit->fd, "file", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    OK(stl_write_all(fd, bytes, 2 * LONG, &err));
    const struct stl_extent first = {.fd = fd, .size = LONG},
                            second = {.fd = fd, .offset = LONG, .size = LONG},
                            shifted = {.fd = fd, .offset = 1, .size = LONG},
                            shorter = {.fd = fd, .size = LONG - 1},
                            beyond = {.fd = fd, .offset = LONG + 1, .size = LONG},
                            empty = {.fd = fd, .offset = 5}, bad = {.fd = -1, .size = LONG};
    assert_int_equal(stl_extent_equal(&first, &shifted, &err), 1);
    assert_int_equal(stl_extent_equal(&first, &second, &err), 0); /* in the last byte */
    assert_int_equal(stl_extent_equal(&first, &shorter, &err), 0);
    assert_int_equal(stl_extent_equal(&empty, &empty, &err), 1);
    FAILS(STL_INVALID, stl_extent_equal(&first, &beyond, &err));
    assert_non_null(strstr(err.message, "1 bytes are missing"));
    FAILS(STL_INVALID, stl_extent_equal(&beyond, &first, &err));
    FAILS(STL_SYSTEM, stl_extent_equal(&bad, &first, &err));
    char end[4] = "";
    assert_int_equal(stl_extent_read(&second, LONG - 2, end, 4, &err), 2);
    assert_string_equal(end, "xy");
    assert_int_equal(stl_extent_read(&second, LONG - 1, end, 4, &err), 1);
    assert_int_equal(stl_extent_read(&second, LONG, end, 4, &err), 0);
    assert_int_equal(stl_extent_read(&second, LONG + 1, end, 4, &err), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reading_and_writing_go_on), registry_test(locks_and_children_are_waited_for),
        cmocka_unit_test(other_errors_are_told),     registry_test(what_succeeds_is_done_once),
        cmocka_unit_test(full_means_full),           registry_test(extents_are_compared),
    };
    return unit_run(tests);
}
