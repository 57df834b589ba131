#include "faults.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/types.h>
#include <unistd.h>

static enum fault fault;
static atomic_int left;

void fault_set(enum fault what, int at)
{
    atomic_store(&left, at);
    fault = what;
}

int fault_was_reached(void)
{
    return fault != FAULT_NONE && atomic_load(&left) <= 0;
}

/* Whether this call is to fail; does not return if it is to be the end. */
static int strike(int number)
{
    if (fault == FAULT_NONE || atomic_fetch_sub(&left, 1) != 1)
        return 0;
    if (fault == FAULT_KILL)
        _exit(FAULT_KILLED);
    errno = number;
    return 1;
}

#define WRAP(type, name, number, parameters, arguments)                                                      \
    type __real_##name parameters;                                                                           \
    type __wrap_##name parameters;                                                                           \
    type __wrap_##name parameters                                                                            \
    {                                                                                                        \
        return strike(number) ? -1 : __real_##name arguments;                                                \
    }

WRAP(int, fsync, EIO, (int fd), (fd))
WRAP(int, fdatasync, EIO, (int fd), (fd))
WRAP(int, fchmod, EIO, (int fd, mode_t mode), (fd, mode))
WRAP(int, fchown, EIO, (int fd, uid_t user, gid_t group), (fd, user, group))
WRAP(int, ftruncate, EIO, (int fd, off_t length), (fd, length))
WRAP(ssize_t, write, ENOSPC, (int fd, const void *bytes, size_t length), (fd, bytes, length))
WRAP(ssize_t, copy_file_range, ENOSPC, (int in, off_t *at, int out, off_t *to, size_t length, unsigned flags),
     (in, at, out, to, length, flags))
WRAP(int, mkdirat, ENOSPC, (int at, const char *path, mode_t mode), (at, path, mode))
WRAP(int, symlinkat, ENOSPC, (const char *target, int at, const char *path), (target, at, path))
WRAP(int, linkat, ENOSPC, (int from, const char *old, int to, const char *name, int flags), (from, old, to, name, flags))
WRAP(int, unlinkat, EIO, (int at, const char *path, int flags), (at, path, flags))
WRAP(int, renameat, EIO, (int from, const char *old, int to, const char *name), (from, old, to, name))
WRAP(int, renameat2, EIO, (int from, const char *old, int to, const char *name, unsigned flags), (from, old, to, name, flags))

int __real_openat(int at, const char *path, int flags, mode_t mode);
int __wrap_openat(int at, const char *path, int flags, ...);

/* Only what makes a file. */
int __wrap_openat(int at, const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    mode_t mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;
    va_end(args);
    return flags & O_CREAT && strike(ENOSPC) ? -1 : __real_openat(at, path, flags, mode);
}
