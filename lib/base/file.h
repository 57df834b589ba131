/*
 * Whole files and links: reading them, and replacing them in one step. Together with dir.h and temp.h, this
 * is all the code that creates, replaces and syncs files of a registry.
 */
#ifndef STL_FILE_H
#define STL_FILE_H

#include "io.h"
#include "mem.h"
#include "temp.h"

/* Fails with STL_NO_SPACE if the file system of `fd` has less than `needed` bytes left; a file system that
 * does not report its free space is assumed to have enough. */
int stl_space_check(int fd, uint64_t needed, struct stl_error *err);

/* Replaces the file `name` in one step; durable but for the directory entry. */
int stl_file_put(const struct stl_root *root, int directory, const char *name, const void *bytes,
                 size_t length, struct stl_error *err);
/* The same for a symbolic link. */
int stl_link_put(const struct stl_root *root, int directory, const char *name, const char *target,
                 struct stl_error *err);
/* Makes `name` another name of the file `from`, both in `directory`, in one step. If `name` exists, it must
 * be a different file. */
int stl_file_link(const struct stl_root *root, int directory, const char *from, const char *name,
                  struct stl_error *err);

/* Appends a whole regular file to `buf`, whose ceiling is the limit. It is an error if the file is missing
 * (err->sys_errno is ENOENT), is not a regular file or is too large. A symbolic link is followed only if
 * `follow`. */
int stl_file_read(int at, const char *path, bool follow, struct stl_buf *buf, struct stl_error *err);

/* Reads the target of a symbolic link. Returns 0, or -1 with errno (ENOENT; EINVAL if it is not a link). */
int stl_link_read(int at, const char *path, char *target, size_t size);

#endif
