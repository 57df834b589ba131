/*
 * Whether a file system keeps the promises that a registry depends on: each is tried, in a folder of its own,
 * through one mount or through two mounts of the same file system, as several front ends have it.
 */
#ifndef STL_PROMISES_H
#define STL_PROMISES_H

#include <stdbool.h>

#include "err.h"

/* One promise, valid during the call. */
struct stl_promise {
    const char *what; /* "symbolic links, replaced in one step" */
    const char *why;  /* what breaks without it */
    bool needed;      /* else the registry does without */
    bool kept;
    const char *found; /* what was seen instead; "" if kept */
};

typedef void stl_promise_visit(void *context, const struct stl_promise *promise);

/* Tries every promise in a new folder in `here`, a directory; the folder is removed at the end. `there`
 * is the same directory by another mount, or -1. Sets *broken to the number of needed promises that are
 * not kept. Returns 0, or -1 with err set if nothing could be tried: `here` cannot be written to, or
 * `there` is another directory. Takes a few milliseconds on a local disk. */
int stl_promises_check(int here, int there, stl_promise_visit *visit, void *context, unsigned *broken,
                       struct stl_error *err);

#endif
