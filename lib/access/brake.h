/*
 * Brakes (rate limits): how often something has happened within the last hour or two, and how long to wait
 * before it may happen again.
 *
 * The counts are kept in files, so they apply to all processes: each occurrence is one byte in a file of
 * auth/failures/<hour>/ whose name is a hash of what is counted. An attempt is counted before it is made,
 * under a lock, and the count is taken back if it succeeds: many attempts at once get no further than the
 * same attempts one after the other. The files are not durable. Those of past hours that no longer count are
 * removed piece by piece.
 */
#ifndef STL_BRAKE_H
#define STL_BRAKE_H

#include "registry.h"

/* The first `free` occurrences are free. After that, the wait between two of them is `first` seconds and
 * doubles each time, up to `longest`. */
struct stl_brake_rule {
    int64_t free, first, longest;
};

enum { STL_BRAKE_PATH = 96 };

/* Counts of this hour and of the previous one. */
struct stl_brake {
    struct stl_brake_rule rule;
    char path[2][STL_BRAKE_PATH];
};

/* `what` identifies what is counted; it is only stored as a hash. */
void stl_brake_init(struct stl_brake *brake, struct stl_brake_rule rule, const char *what, int64_t now);
/* How many seconds from `now` it may not happen; 0 if it may happen now. */
int64_t stl_brake_wait(const struct stl_registry *registry, const struct stl_brake *brake, int64_t now);
/* Counts one occurrence: returns 1, 0 if it may not happen before *wait seconds have passed, or -1 on
 * error. */
int stl_brake_count(const struct stl_registry *registry, const struct stl_brake *brake, int64_t now,
                    int64_t *wait, struct stl_error *err);
/* Takes back one occurrence. */
void stl_brake_return(const struct stl_registry *registry, const struct stl_brake *brake);
/* Forgets all occurrences. */
void stl_brake_forget(const struct stl_registry *registry, const struct stl_brake *brake);

/* Removes up to `budget` files that no longer count, of all brakes. */
int stl_brake_sweep(const struct stl_registry *registry, size_t budget, struct stl_error *err);

#endif
