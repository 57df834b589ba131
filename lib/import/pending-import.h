/*
 * A pending import: what has arrived of a bundle that is not complete yet, in imports/<bundle id>/
 * (lib/LAYOUT.md).
 *
 * It holds blobs as a repository does, by links in its folder blobs/, so that garbage collection leaves them
 * alone. One process at a time works on it: the file `lock` in it is locked.
 */
#ifndef STL_PENDING_IMPORT_H
#define STL_PENDING_IMPORT_H

#include "mem.h"
#include "repo.h"

/* `holder` is for the functions of lib/store/repo.h that put, link and find blobs. Not to be copied while
 * it is open. */
struct stl_pending {
    struct stl_registry registry; /* borrowed, without the limits, which do not apply to blobs that only
                                     wait here */
    struct stl_repo holder;       /* fd: the folder; lock: its lock */
    struct stl_digest id;         /* of the bundle */
};

#define STL_PENDING_INIT                                                                                     \
    {                                                                                                        \
        .holder = STL_REPO_INIT                                                                              \
    }
#define STL_AUTO_PENDING __attribute__((cleanup(stl_pending_close)))

enum stl_pending_mode {
    STL_PENDING_LOOK, /* for reading only, without the lock */
    STL_PENDING_TAKE, /* waits for the lock */
    STL_PENDING_MAKE, /* the same, and makes the folder if there is none */
};

/* Opens the folder of a bundle. Returns 1, 0 if there is none, or -1. */
int stl_pending_open(struct stl_pending *pending, const struct stl_registry *registry,
                     const struct stl_digest *id, enum stl_pending_mode mode, struct stl_error *err);
void stl_pending_close(struct stl_pending *pending);
/* Removes the folder when everything has been imported or is no longer wanted. */
int stl_pending_remove(struct stl_pending *pending, struct stl_error *err);

/* Small files of the folder. stl_pending_read() returns 1, 0 if there is no such file, or -1. Files are
 * written atomically and are durable after stl_pending_sync(). */
int stl_pending_read(const struct stl_pending *pending, const char *name, struct stl_buf *bytes,
                     struct stl_error *err);
int stl_pending_write(const struct stl_pending *pending, const char *name, const void *bytes, size_t length,
                      struct stl_error *err);
int stl_pending_drop(const struct stl_pending *pending, const char *name,
                     struct stl_error *err); /* may be missing */
int stl_pending_sync(const struct stl_pending *pending, struct stl_error *err);

/* Calls `visit` for each bundle that is pending, in the order of their digests. */
typedef int stl_pending_visit(void *context, const struct stl_digest *id, struct stl_error *err);
int stl_pending_each(const struct stl_registry *registry, stl_pending_visit *visit, void *context,
                     struct stl_error *err);

#endif
