/*
 * The parts of stl_gc(), for lib/care/gc*.c only.
 */
#ifndef STL_GC_INTERNAL_H
#define STL_GC_INTERNAL_H

#include <sys/stat.h>
#include <time.h>

#include "digestset.h"
#include "gc.h"
#include "marks.h"
#include "repo.h"
#include "repos.h"

/* How long a repository is waited for, and, when all others have been cleaned, once more. */
enum { GC_LOCK_MILLISECONDS = 2000, GC_LAST_LOCK_MILLISECONDS = 10000 };

/* What this run has done to a blob. */
struct gc_touch {
    struct timespec left; /* its ctime when we had moved or unlinked it */
    nlink_t unlinked;     /* links that are gone, or would be */
};

struct gc {
    const struct stl_registry *registry;
    const struct stl_gc_options *options;
    struct stl_gc_result *result;
    time_t now;
    unsigned patience; /* milliseconds */
    struct stl_digestset touched;
    struct gc_touch *touches; /* beside it */
};

/* Whether nobody has linked the blob for the grace period, but for this run. */
bool stl_gc_is_old(const struct gc *gc, const struct stl_digest *digest, const struct stat *st);
/* The record of a blob that is about to be touched. Valid until the next call. */
struct gc_touch *stl_gc_touch(struct gc *gc, const struct stl_digest *digest);

/* What the manifests of a repository name, with those in the trash, in snapshots and in pictures. */
struct gc_marks {
    struct stl_marks all;
    size_t own;       /* manifest files in the repository itself, at the last look */
    size_t own_blobs; /* so many of all.blobs come first, and are what those of the first look name */
};

/* Reads the manifests that were not read before. Fails if one is damaged: then nothing is known. */
int stl_gc_mark(const struct gc *gc, const struct stl_name *name, struct gc_marks *marks,
                struct stl_error *err);

/* Counts and tells why something was not cleaned; clears the error. */
void stl_gc_report(const struct gc *gc, const char *path, struct stl_error *why);

/* One repository's turn. Fails with STL_UNAVAILABLE if pushes leave no gap in which it could be locked. */
int stl_gc_repository(struct gc *gc, const struct stl_name *name, struct stl_error *err);
/* Files of the store that are linked nowhere else. */
int stl_gc_store(struct gc *gc, struct stl_error *err);

#endif
