#include "io.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

ssize_t stl_read_some(int fd, void *bytes, size_t length)
{
    ssize_t n;
    do
        n = read(fd, bytes, length);
    while (n < 0 && errno == EINTR);
    return n;
}

/* `position` -1: from where the file is. */
static ssize_t read_full(int fd, char *bytes, size_t length, off_t position)
{
    size_t done = 0;
    while (done < length) {
        ssize_t n = position < 0 ? read(fd, bytes + done, length - done)
                                 : pread(fd, bytes + done, length - done, position + (off_t)done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        done += (size_t)n;
    }
    return (ssize_t)done;
}

ssize_t stl_read_full(int fd, void *bytes, size_t length)
{
    return read_full(fd, bytes, length, -1);
}

ssize_t stl_pread_full(int fd, void *bytes, size_t length, off_t position)
{
    return read_full(fd, bytes, length, position);
}

ssize_t stl_write_some(int fd, const void *bytes, size_t length)
{
    ssize_t n;
    do
        n = write(fd, bytes, length);
    while (n < 0 && errno == EINTR);
    return n;
}

ssize_t stl_pwrite_some(int fd, const void *bytes, size_t length, off_t position)
{
    ssize_t n;
    do
        n = pwrite(fd, bytes, length, position);
    while (n < 0 && errno == EINTR);
    return n;
}

int stl_write_all(int fd, const void *bytes, size_t length, struct stl_error *err)
{
    for (const char *p = bytes; length > 0;) {
        ssize_t n = stl_write_some(fd, p, length);
        if (n < 0)
            return stl_error_errno(err, "cannot write");
        p += n;
        length -= (size_t)n;
    }
    return 0;
}

int stl_flock(int fd, int operation)
{
    int result;
    do
        result = flock(fd, operation);
    while (result && errno == EINTR);
    return result;
}

int stl_wait(pid_t pid, int *status)
{
    pid_t ended;
    do
        ended = waitpid(pid, status, 0);
    while (ended < 0 && errno == EINTR);
    return ended < 0 ? -1 : 0;
}

void stl_fill_standard_descriptors(void)
{
    int fd;
    do
        fd = open("/dev/null", O_RDONLY);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        close(fd);
}
