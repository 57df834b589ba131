/*
 * System calls that a signal does not interrupt.
 */
#ifndef STL_IO_H
#define STL_IO_H

#include <stddef.h>
#include <sys/types.h>

#include "err.h"

/* read(2), called again after EINTR: what there is, 0 at the end, or -1 with errno. */
ssize_t stl_read_some(int fd, void *bytes, size_t length);
/* `length` bytes, fewer only at the end; or -1 with errno. */
ssize_t stl_read_full(int fd, void *bytes, size_t length);
ssize_t stl_pread_full(int fd, void *bytes, size_t length, off_t position);

/* write(2) and pwrite(2), called again after EINTR: at least one byte, or -1 with errno. */
ssize_t stl_write_some(int fd, const void *bytes, size_t length);
ssize_t stl_pwrite_some(int fd, const void *bytes, size_t length, off_t position);
/* Writes all bytes at the file offset of the descriptor, however many write(2) calls that takes. */
int stl_write_all(int fd, const void *bytes, size_t length, struct stl_error *err);

/* Opens those of the descriptors 0 to 2 that are closed, as /dev/null, for reading only. Otherwise a file of
 * the registry could become standard output or standard error, and messages would be written into it.
 * Programs call this before they open anything. */
void stl_fill_standard_descriptors(void);

/* flock(2), waiting as long as it takes. Returns 0, or -1 with errno. */
int stl_flock(int fd, int operation);
/* Waits for the end of a child process. Returns 0, or -1 with errno. */
int stl_wait(pid_t pid, int *status);

#endif
