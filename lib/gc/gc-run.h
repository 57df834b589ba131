/*
 * One run of stl_gc() (gc.h), and its steps. Only lib/gc uses this.
 */
#ifndef STL_GC_RUN_H
#define STL_GC_RUN_H

#include <sys/stat.h>
#include <time.h>

#include "digestset.h"
#include "reachable.h"
#include "repo.h"
#include "repos.h"

struct stl_gc_options;
struct stl_gc_result;

/* How long to wait for a repository, and again once all others have been cleaned. */
enum { GC_LOCK_MILLISECONDS = 2000, GC_LAST_LOCK_MILLISECONDS = 10000 };

/* What this run has done to a blob. */
struct gc_touch {
    struct timespec left; /* its ctime after we moved or unlinked it */
    nlink_t unlinked;     /* links that we removed, or would have removed */
};

struct gc {
    const struct stl_registry *registry;
    const struct stl_gc_options *options;
    struct stl_gc_result *result;
    time_t now;
    unsigned patience; /* milliseconds */
    struct stl_digestset touched;
    struct gc_touch *touches; /* touches[i] belongs to touched.items[i] */
};

/* Whether nobody except this run has linked the blob within the grace period. */
bool stl_gc_is_old(const struct gc *gc, const struct stl_digest *digest, const struct stat *st);
/* The record of a blob that is about to be touched. Valid until the next call. */
struct gc_touch *stl_gc_touch(struct gc *gc, const struct stl_digest *digest);

/* The digests named by the manifests of a repository, including those in the trash, in snapshots and in
 * replicas. */
struct gc_marks {
    struct stl_reachable all;
    size_t own;       /* manifest files in the repository itself, at the last look */
    size_t own_blobs; /* the first `own_blobs` of all.blobs are named by the manifests of the first look */
};

/* Reads the manifests that were not read before. Fails if one is damaged: then something is missing. */
int stl_gc_mark(const struct gc *gc, const struct stl_name *name, struct gc_marks *reachable,
                struct stl_error *err);

/* Counts and reports why something was not cleaned; clears the error. */
void stl_gc_report(const struct gc *gc, const char *path, struct stl_error *why);

/* Cleans one repository. Fails with STL_UNAVAILABLE if pushes leave no gap in which it could be locked. */
int stl_gc_repository(struct gc *gc, const struct stl_name *name, struct stl_error *err);
/* Removes files of the store that are not linked anywhere else. */
int stl_gc_store(struct gc *gc, struct stl_error *err);

#endif
