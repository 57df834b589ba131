/*
 * Whole files and links: read, and replaced in one step. With dir.h and temp.h, all that creates, replaces
 * and syncs files of a registry.
 */
#ifndef STL_FILE_H
#define STL_FILE_H

#include "mem.h"
#include "temp.h"

/* Fails with STL_NO_SPACE if the file system of `fd` has less than `needed` bytes left; one that does not
 * tell is trusted. */
int stl_space_check(int fd, uint64_t needed, struct stl_error *err);

/* Writes all of it where the descriptor stands, however often that takes. */
int stl_write_all(int fd, const void *bytes, size_t length, struct stl_error *err);

/* Replaces the file `name` in one step; durable but for the directory entry. */
int stl_file_put(const struct stl_root *root, int directory, const char *name, const void *bytes,
                 size_t length, struct stl_error *err);
/* The same for a symbolic link. */
int stl_link_put(const struct stl_root *root, int directory, const char *name, const char *target,
                 struct stl_error *err);
/* Makes `name` another name of the file `from`, both in `directory`, in one step. If it is there, it must be
 * another file. */
int stl_file_link(const struct stl_root *root, int directory, const char *from, const char *name,
                  struct stl_error *err);

/* Adds the whole regular file to `buf`, whose ceiling is the limit. A file that is missing, is no regular
 * file or is too large is an error; err->sys_errno tells ENOENT. A symbolic link is followed only if
 * `follow`. */
int stl_file_read(int at, const char *path, bool follow, struct stl_buf *buf, struct stl_error *err);

/* The target of a symbolic link: 0, or -1 with errno (ENOENT, EINVAL when it is no link). */
int stl_link_read(int at, const char *path, char *target, size_t size);

#endif
