/*
 * Directories of a registry: walked one component at a time and without following symbolic links.
 *
 * stl_dir_make() returns only when every directory on the way is durable; an entry that is put into a
 * directory is durable once the directory is synced.
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
    gid_t group;     /* (gid_t)-1: leave as it is */
    bool threadless; /* this process may start no threads */
    bool shared;     /* other machines may write there, too, and RENAME_NOREPLACE need not be tried */
};

/* Opens the directory `path` below `at`; "" is a duplicate of `at`. Returns a descriptor or -1 with errno
 * kept in err->sys_errno (ENOENT: it does not exist). */
int stl_dir_open(int at, const char *path, struct stl_error *err);
/* Opens the file `path` below `at` for reading, without blocking on a pipe. Symbolic links are followed as
 * long as they stay below `at`; where the kernel cannot guarantee that, no link is followed. Returns a
 * descriptor, or -1 with errno: EXDEV where a link leads out. */
int stl_dir_open_file(int at, const char *path);
/* Like stl_dir_open(), but creates missing directories. A directory that is being made has the sticky bit
 * until its name is durable; any process that finds it in that state completes it. */
int stl_dir_make(const struct stl_root *root, int at, const char *path, struct stl_error *err);
/* Makes the entries of a directory durable. */
int stl_dir_sync(int fd, struct stl_error *err);
bool stl_dir_is_durable(const struct stat *st); /* whether the directory's own name is durable */

/* Calls `visit` for each entry but "." and ".." until it returns non-zero, which is returned; -1 with err set
 * if the directory cannot be read. The order is that of the directory. `type` is a DT_ constant of dirent.h,
 * always DT_UNKNOWN on some file systems. */
typedef int stl_dir_visit(void *context, const char *name, unsigned char type, struct stl_error *err);
int stl_dir_each(int at, const char *path, stl_dir_visit *visit, void *context, struct stl_error *err);
/* The same, but returns 0 without visiting anything if the directory is missing or is not a directory. */
int stl_dir_each_if_any(int at, const char *path, stl_dir_visit *visit, void *context, struct stl_error *err);
/* The same for a directory that has just been opened, and that is not read otherwise. */
int stl_dir_each_here(int directory, stl_dir_visit *visit, void *context, struct stl_error *err);
/* The same two, for the entries that are not directories. */
int stl_dir_each_file(int at, const char *path, stl_dir_visit *visit, void *context, struct stl_error *err);
int stl_dir_each_file_if_any(int at, const char *path, stl_dir_visit *visit, void *context,
                             struct stl_error *err);
/* Whether the directory is missing or has no entry; false if it cannot be read. */
bool stl_dir_is_empty(int at, const char *path);
/* The same, ignoring directories in it. */
bool stl_dir_has_no_file(int at, const char *path);

/* Removes a directory and everything in it, without following links. A missing directory is not an error. */
int stl_tree_remove(int at, const char *path, struct stl_error *err);
/* The same piece by piece: removes at most *budget names and subtracts them from it. Returns 0 when the
 * directory is gone, 1 if something is left, or -1. Several processes may do this at the same time. */
int stl_tree_trim(int at, const char *path, size_t *budget, struct stl_error *err);

/* Removes everything in a directory except directories, and the directory itself if that leaves it empty;
 * otherwise the removal is durable. */
int stl_dir_remove_files(int at, const char *path, struct stl_error *err);

#endif
