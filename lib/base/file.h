/*
 * Files of a registry: the one module that creates, replaces and syncs them.
 *
 * A file is written under a unique name in tmp/ (begin), then takes its place with one rename (link or
 * replace) or vanishes (abort). The temporary name is locked with flock while its writer lives, so
 * stl_temp_sweep() can tell what a killed process left behind.
 *
 * Durability: stl_temp_sync() makes the bytes durable, stl_dir_sync() the names of one directory.
 * stl_dir_make() returns only when every directory on the way is durable. A caller that acknowledges a change
 * syncs first the bytes, then renames, then syncs the directory.
 *
 * Directories are walked one component at a time and without following symbolic links.
 */
#ifndef STL_FILE_H
#define STL_FILE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "err.h"
#include "mem.h"

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
int stl_dir_sync(int fd, struct stl_error *err);
bool stl_dir_is_durable(const struct stat *st); /* whether the directory's own name is */

/* A file being written. Initialise with STL_TEMP_INIT; stl_temp_abort() at the end of the scope is always
 * right. */
struct stl_temp {
    const struct stl_root *root;
    int fd;         /* open for reading and writing */
    char name[320]; /* below the root; "" once the file has its place */
};

#define STL_TEMP_INIT                                                                                        \
    {                                                                                                        \
        NULL, -1, ""                                                                                         \
    }
#define STL_AUTO_TEMP __attribute__((cleanup(stl_temp_abort)))

int stl_temp_begin(const struct stl_root *root, struct stl_temp *temp, struct stl_error *err);
/* Treats a file that was written elsewhere in the registry as one of tmp/, and gives it the mode and group
 * that published files have. On error `fd` stays the caller's. */
int stl_temp_adopt(const struct stl_root *root, struct stl_temp *temp, int fd, const char *name,
                   struct stl_error *err);
void stl_temp_abort(struct stl_temp *temp);
int stl_temp_sync(struct stl_temp *temp, struct stl_error *err);
/* Gives the file its place. stl_temp_link() returns 1 if the name exists already: it is left as it is.
 * Neither syncs the directory. */
int stl_temp_link(struct stl_temp *temp, int directory, const char *name, struct stl_error *err);
int stl_temp_replace(struct stl_temp *temp, int directory, const char *name, struct stl_error *err);
/* A folder in tmp/ for files that wait for each other, more of them than can be open at once: the lock of the
 * folder protects them all. A file of a stage can be parked, which closes it and leaves it to the stage, and
 * taken out again later. Ending the stage removes whatever did not get its place. */
struct stl_stage {
    const struct stl_root *root;
    int fd;
    char name[40];
};

enum { STL_STAGED_NAME_MAX = 32 }; /* of a file in a stage, with the NUL */

#define STL_STAGE_INIT                                                                                       \
    {                                                                                                        \
        NULL, -1, ""                                                                                         \
    }

int stl_stage_begin(const struct stl_root *root, struct stl_stage *stage, struct stl_error *err);
void stl_stage_end(struct stl_stage *stage);
/* Begins a file; it may not exist. */
int stl_stage_create(const struct stl_stage *stage, const char *name, struct stl_temp *temp,
                     struct stl_error *err);
void stl_temp_park(struct stl_temp *temp);
/* Opens a parked file again, as it was before. */
int stl_stage_take(const struct stl_stage *stage, const char *name, struct stl_temp *temp,
                   struct stl_error *err);
/* A descriptor for reading a parked file; the caller closes it. */
int stl_stage_open(const struct stl_stage *stage, const char *name, struct stl_error *err);
/* Makes the bytes of a parked file durable. */
int stl_stage_sync(const struct stl_stage *stage, const char *name, struct stl_error *err);
/* Gives a parked file a second name. */
int stl_stage_link(const struct stl_stage *stage, const char *name, const char *second,
                   struct stl_error *err);

/* What a sweep removed, or, if `dry_run` is set, would remove. */
struct stl_swept {
    bool dry_run;
    uint64_t count, bytes;
};

/* Removes what dead writers left in tmp/. The second one counts it. */
int stl_temp_sweep(const struct stl_root *root, struct stl_error *err);
int stl_temp_sweep_counted(const struct stl_root *root, struct stl_swept *swept, struct stl_error *err);

/* Fails with STL_NO_SPACE if the file system of `fd` has less than `needed` bytes left; one that does not
 * tell is trusted. */
int stl_space_check(int fd, uint64_t needed, struct stl_error *err);

int stl_write_all(int fd, const void *bytes, size_t length, struct stl_error *err);

/* Replaces the file `name` in one step; durable but for the directory entry. */
int stl_file_put(const struct stl_root *root, int directory, const char *name, const void *bytes,
                 size_t length, struct stl_error *err);
/* Replaces the symbolic link `name` in one step. */
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

/* Calls `visit` for each entry but "." and ".." until it returns non-zero, which is returned; -1 with err set
 * if the directory cannot be read. The order is that of the directory. */
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
