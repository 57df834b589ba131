/*
 * A pool of threads that runs numbered jobs.
 *
 * Jobs start in the order of their numbers. After a failure no further job starts; the error reported is that
 * of the failed job with the smallest number, whichever failed first.
 */
#ifndef STL_POOL_H
#define STL_POOL_H

#include <stddef.h>

#include "err.h"

/* One job: `index` is its number. Returns 0, or -1 with err set. */
typedef int stl_pool_job(void *context, size_t index, struct stl_error *err);

/* The number of processors this process may use; at least 1. */
size_t stl_pool_cores(void);

/* Runs the jobs 0 ... count-1, at most `workers` at a time; the calling thread is one of them. Returns when
 * all of them have ended. */
int stl_pool_run(size_t workers, size_t count, stl_pool_job *job, void *context, struct stl_error *err);

#endif
