#include "unit.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "message.h"

/* What is open arrives open, and in order; a program that is started does not get it. */
static void bytes_and_descriptors(void **state)
{
    struct unit *unit = *state;
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    for (size_t many = 0; many <= STL_MESSAGE_FDS_MAX; many++) {
        int fds[STL_MESSAGE_FDS_MAX], got[STL_MESSAGE_FDS_MAX];
        char text[8];
        size_t count = 99;
        struct stat sent, received;
        for (size_t i = 0; i < many; i++) {
            STL_AUTO_FREE char *name = stl_sprintf("file%zu", i);
            fds[i] = openat(unit->fd, name, O_RDWR | O_CREAT, 0600);
        }
        assert_int_equal(stl_message_send(pair[0], NULL, "hello", 5, fds, many), 0);
        assert_int_equal(stl_message_receive(pair[1], 0, text, sizeof text, got, &count), 5);
        assert_memory_equal(text, "hello", 5);
        assert_int_equal(count, many);
        for (size_t i = 0; i < many; i++) {
            assert_int_equal(fstat(fds[i], &sent) | fstat(got[i], &received), 0);
            assert_int_equal(sent.st_ino, received.st_ino);
            assert_true(fcntl(got[i], F_GETFD) & FD_CLOEXEC);
            close(fds[i]);
            close(got[i]);
        }
    }
    int none[STL_MESSAGE_FDS_MAX];
    size_t count = 99;
    assert_int_equal(stl_message_receive(pair[1], MSG_DONTWAIT, (char[1]){0}, 1, none, &count), -1);
    assert_int_equal(count, 0);
    close(pair[1]);
    assert_int_equal(stl_message_send(pair[0], NULL, "x", 1, none, 0), -1); /* and no signal */
    close(pair[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {registry_test(bytes_and_descriptors)};
    return unit_run(tests);
}
