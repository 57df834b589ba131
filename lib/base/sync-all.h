/*
 * Several files and folders that become durable in one wait.
 *
 * Each is synced by a thread of its own, all at the same time: a journal then writes them together, and the
 * disk empties its cache once. One after the other, each would wait for the disk again. Nothing is promised
 * of their order: what has to be durable first is for the caller to sync first.
 */
#ifndef STL_SYNC_ALL_H
#define STL_SYNC_ALL_H

#include <stddef.h>

#include "dir.h"

struct stl_sync {
    int at;           /* the caller's */
    const char *path; /* a folder below `at`; NULL: the file `at` itself */
};

/* Where there can be no threads, they are synced one after the other. */
int stl_sync_all(const struct stl_root *root, const struct stl_sync *what, size_t count,
                 struct stl_error *err);

#endif
