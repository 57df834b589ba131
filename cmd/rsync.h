/*
 * Runs rsync, for `stillage replicate`.
 */
#ifndef CMD_RSYNC_H
#define CMD_RSYNC_H

#include <stddef.h>

#include "err.h"

enum { CMD_RSYNC_ARGUMENTS_MAX = 48, CMD_RSYNC_HELD = 2 };

struct cmd_rsync {
    const char *directory; /* the working directory: relative paths begin there */
    int held
        [CMD_RSYNC_HELD]; /* descriptors that it keeps open: if we are killed, what they lock stays locked */
    const char *arguments[CMD_RSYNC_ARGUMENTS_MAX + 1]; /* borrowed; the first is "rsync" */
    size_t count;
    void (*line)(void *context, const char *line); /* called with each line that it prints */
    void *context;
};

/* Adds an argument; aborts where there are too many. */
void cmd_rsync_add(struct cmd_rsync *rsync, const char *argument);

/* Returns its exit status, with the first line of its complaints in `complaint`, or -1 if it could not be
 * run, or was killed. It ends when we do. */
enum { CMD_RSYNC_COMPLAINT_MAX = 400 };
int cmd_rsync_run(const struct cmd_rsync *rsync, char complaint[CMD_RSYNC_COMPLAINT_MAX],
                  struct stl_error *err);

#endif
