/*
 * Throttles (rate limits): how often something has happened within the last hour or two, and how long to wait
 * before it may happen again.
 *
 * The counts are kept in files, so they apply to all processes: each occurrence is one byte in a file of
 * auth/failures/<hour>/ whose name is a hash of what is counted. An attempt is counted before it is made,
 * under a lock, and the count is taken back if it succeeds: many attempts at once get no further than the
 * same attempts one after the other. The files are not durable. Those of past hours that no longer count are
 * removed piece by piece.
 */
#ifndef STL_THROTTLE_H
#define STL_THROTTLE_H

#include "registry.h"

/* The first `free` occurrences are free. After that, the wait between two of them is `first` seconds and
 * doubles each time, up to `longest`. */
struct stl_throttle_rule {
    int64_t free, first, longest;
};

enum { STL_THROTTLE_PATH = 96 };

/* Counts of this hour and of the previous one. */
struct stl_throttle {
    struct stl_throttle_rule rule;
    char path[2][STL_THROTTLE_PATH];
};

/* `what` identifies what is counted; it is only stored as a hash. */
void stl_throttle_init(struct stl_throttle *throttle, struct stl_throttle_rule rule, const char *what,
                       int64_t now);
/* How many seconds from `now` it may not happen; 0 if it may happen now. */
int64_t stl_throttle_wait(const struct stl_registry *registry, const struct stl_throttle *throttle,
                          int64_t now);
/* Counts one occurrence: returns 1, 0 if it may not happen before *wait seconds have passed, or -1 on
 * error. */
int stl_throttle_count(const struct stl_registry *registry, const struct stl_throttle *throttle, int64_t now,
                       int64_t *wait, struct stl_error *err);
/* Takes back one occurrence. */
void stl_throttle_return(const struct stl_registry *registry, const struct stl_throttle *throttle);
/* Forgets all occurrences. */
void stl_throttle_forget(const struct stl_registry *registry, const struct stl_throttle *throttle);

/* Removes up to `budget` files that no longer count, of all throttles. */
int stl_throttle_sweep(const struct stl_registry *registry, size_t budget, struct stl_error *err);

#endif
