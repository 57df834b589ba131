/*
 * `stillage gc`: frees what nothing refers to, while pushes, pulls and deletes go on.
 *
 * There is no mark phase over the registry. Each repository has its own turn: blobs that none of its
 * manifests names, nor any in the trash or in a snapshot, and that nobody linked for the grace period, move
 * to trash/blobs/<name>/. A push that saw one there a moment before brings it back (stl_publish_manifest).
 * After another grace period they are deleted, and a file of the store that is linked nowhere any more goes
 * with the last of them. Manifests are never deleted but for referrers whose subject is gone, and only if
 * registry.yaml says so.
 *
 * A repository is only locked, against pushes of manifests, when something in it is to be moved, and only
 * while it is. One that is never left alone long enough to be locked is tried once more when all others have
 * had their turn, and then reported and left for the next run. Killed at any moment, the registry is as good
 * as before.
 *
 * The clock of a blob is its ctime, which every link and unlink sets: it errs towards keeping. What one run
 * does itself to the ctime of a blob does not count, so that a thousand repositories are cleaned of the same
 * blob at once.
 */
#ifndef STL_GC_H
#define STL_GC_H

#include "registry.h"

struct stl_gc_options {
    int64_t grace; /* seconds; 0: blobs are deleted at once, and a push that is going on may have to be
                      repeated */
    bool dry_run;
    /* Told why a repository could not be cleaned; `path` is relative to the registry. */
    void (*problem)(void *context, const char *path, const struct stl_error *why);
    void *context;
};

struct stl_gc_result {
    uint64_t repositories;
    struct stl_swept set_aside; /* blobs moved to the trash */
    struct stl_swept freed;     /* files of the store, and copies in repositories */
    struct stl_swept uploads;   /* expired */
    struct stl_swept temporary; /* what killed processes left in tmp/ */
    struct stl_swept expired;   /* tags, manifests and damaged files in the trash */
    uint64_t referrers;         /* whose subject is gone, deleted */
    uint64_t removed;           /* empty repositories */
    uint64_t busy;              /* repositories, or folders of the store, left for the next run; reported */
    uint64_t problems;
};

/* Fails only if the registry cannot be worked on at all; else the result is that of everything that could be
 * done. */
int stl_gc(const struct stl_registry *registry, const struct stl_gc_options *options,
           struct stl_gc_result *result, struct stl_error *err);

#endif
