/*
 * Files that are being written.
 *
 * A file is written under a unique name in tmp/ (begin), then takes its place with one rename (link or
 * replace) or vanishes (abort). The temporary name is locked with flock while its writer lives, so
 * stl_temp_sweep() can recognise what a killed process left behind.
 *
 * Durability: stl_temp_sync() makes the bytes durable, stl_dir_sync() the names of one directory. Before
 * acknowledging a change, a caller syncs the bytes, renames, and then syncs the directory.
 */
#ifndef STL_TEMP_H
#define STL_TEMP_H

#include <stdint.h>

#include "dir.h"

#define STL_TMP "tmp"

/* Makes an unused name in tmp/. */
enum { STL_TEMP_NAME_SIZE = 40 };
void stl_temp_name(char name[STL_TEMP_NAME_SIZE]);

/* A file being written. Initialise with STL_TEMP_INIT; calling stl_temp_abort() at the end of the scope is
 * always safe. */
struct stl_temp {
    const struct stl_root *root;
    int fd;         /* open for reading and writing */
    int folder;     /* the folder that it is in, or -1: go by its whole name */
    char name[320]; /* below the root; "" once the file is in place */
};

#define STL_TEMP_INIT                                                                                        \
    {                                                                                                        \
        NULL, -1, -1, ""                                                                                     \
    }
#define STL_AUTO_TEMP __attribute__((cleanup(stl_temp_abort)))

/* Creates an empty file in tmp/, with the mode and group that published files have. */
int stl_temp_begin(const struct stl_root *root, struct stl_temp *temp, struct stl_error *err);
/* Treats a file that was written elsewhere in the registry like one in tmp/, and gives it the mode and group
 * that published files have. `folder`: as in the structure. The caller closes both descriptors, not
 * stl_temp_abort(). */
int stl_temp_adopt(const struct stl_root *root, struct stl_temp *temp, int fd, int folder, const char *name,
                   struct stl_error *err);
/* Removes the file, unless it is in place, and closes it. */
void stl_temp_abort(struct stl_temp *temp);
int stl_temp_sync(struct stl_temp *temp, struct stl_error *err);
/* Gives the file its place. stl_temp_link() returns 1 if the name exists already: it is left as it is, and
 * the file stays in tmp/. stl_temp_replace() replaces whatever is there. Neither syncs the directory. The
 * file stays open until stl_temp_abort(). */
int stl_temp_link(struct stl_temp *temp, int directory, const char *name, struct stl_error *err);
int stl_temp_replace(struct stl_temp *temp, int directory, const char *name, struct stl_error *err);
/* Whether an open file has two names: where nothing but link and unlink gives it a place, a process that died
 * in between has left its old one. Then it may not be written to. */
bool stl_temp_is_placed(int fd);

/* A file in tmp/ that another process can continue: if its writer is killed, or parks it, a sweep spares it
 * for a day after the last byte was written. `key` says what it is, and has STL_TEMP_KEY digits. If another
 * process holds the file with that key, or has just removed it, this makes an empty one of another name. */
enum { STL_TEMP_KEY = 32, STL_TEMP_KEPT = 24 * 3600 /* seconds */ };
int stl_temp_keep(const struct stl_root *root, const char *key, struct stl_temp *temp, struct stl_error *err);
/* How many bytes the file with that key has, whoever holds it; 0 if there is none. */
int64_t stl_temp_kept_size(const struct stl_root *root, const char *key);
/* Opens one that was parked, by its name, once no other process holds it. Returns 1, 0 if it is gone, or
 * -1. */
int stl_temp_take(const struct stl_root *root, const char *name, struct stl_temp *temp,
                  struct stl_error *err);
/* Removes one that was parked, unless another process holds it now. */
void stl_temp_drop(const struct stl_root *root, const char *name);

/* A folder in tmp/ for files that wait for each other, possibly more than can be open at once: they live as
 * long as the lock of an empty file beside the folder, whose name is that of the folder without the ".d" (a
 * lock on the folder itself would not reach other machines on a shared file system). A file of a stage can be
 * parked, which closes it and leaves it to the stage, and taken out again later. Ending the stage removes
 * every file that was not put in place. */
struct stl_stage {
    const struct stl_root *root;
    int fd;
    struct stl_temp lock;
    char name[STL_TEMP_NAME_SIZE];
};

enum { STL_STAGED_NAME_MAX = 32 }; /* of a file in a stage, with the NUL */

#define STL_STAGE_INIT                                                                                       \
    {                                                                                                        \
        NULL, -1, STL_TEMP_INIT, ""                                                                          \
    }

int stl_stage_begin(const struct stl_root *root, struct stl_stage *stage, struct stl_error *err);
/* Moves a folder of the registry, with what is in it, to tmp/, where ending the stage removes it. This takes
 * no space, so it removes a folder in one step even on a full disk. It has no lock: whoever sweeps tmp/
 * meanwhile helps to remove it. Fails with sys_errno ENOENT if the folder does not exist. Not durable on
 * return. */
int stl_stage_take_away(const struct stl_root *root, int at, const char *path, struct stl_stage *stage,
                        struct stl_error *err);
void stl_stage_end(struct stl_stage *stage);
/* Begins a file, which must not exist yet: stl_temp_abort() removes it, stl_temp_park() keeps it. */
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
    int64_t spared;        /* seconds: files of stl_temp_keep() that were written to since then stay */
    uint64_t count, bytes; /* `count`: files or folders; `bytes`: of their contents */
};

/* Removes what dead writers left in tmp/, but for files of stl_temp_keep(), which it spares for
 * STL_TEMP_KEPT seconds. The second function counts what it removes. */
int stl_temp_sweep(const struct stl_root *root, struct stl_error *err);
int stl_temp_sweep_counted(const struct stl_root *root, struct stl_swept *swept, struct stl_error *err);

#endif
