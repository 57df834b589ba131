/*
 * Directories of a registry: walked one component at a time and without following symbolic links.
 *
 * stl_dir_make() returns only when every directory on the way is durable; what is put into one is durable
 * once that is synced.
 */
#ifndef STL_DIR_H
#define STL_DIR_H

#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "err.h"

/* The root of a registry and how its files are owned. Owned by struct stl_registry. */
struct stl_root {
    int fd;
    mode_t file_mode, directory_mode;
    gid_t group; /* (gid_t)-1: leave as it is */
};

/* Opens the directory `path` below `at`; "" is a duplicate of `at`. Returns a descriptor or -1 with errno
 * kept in err->sys_errno (ENOENT: it does not exist). */
int stl_dir_open(int at, const char *path, struct stl_error *err);
/* The same, and makes what is missing. A directory that is being made has the sticky bit until its name is
 * durable; who finds it so finishes it. */
int stl_dir_make(const struct stl_root *root, int at, const char *path, struct stl_error *err);
/* Makes the names in a directory durable. */
int stl_dir_sync(int fd, struct stl_error *err);
bool stl_dir_is_durable(const struct stat *st); /* whether the directory's own name is */

/* Calls `visit` for each entry but "." and ".." until it returns non-zero, which is returned; -1 with err set
 * if the directory cannot be read. The order is that of the directory. `type` is a DT_ constant of dirent.h,
 * on some file systems always DT_UNKNOWN. */
typedef int stl_dir_visit(void *context, const char *name, unsigned char type, struct stl_error *err);
int stl_dir_each(int at, const char *path, stl_dir_visit *visit, void *context, struct stl_error *err);
/* The same, for a directory that may be missing or be something else: then there is nothing to visit, and 0.
 */
int stl_dir_each_if_any(int at, const char *path, stl_dir_visit *visit, void *context, struct stl_error *err);
/* Whether the directory is missing or has no entry; false if it cannot be read. */
bool stl_dir_is_empty(int at, const char *path);

/* Removes a directory with all it holds, without following links. A missing one is no error. */
int stl_tree_remove(int at, const char *path, struct stl_error *err);

#endif
