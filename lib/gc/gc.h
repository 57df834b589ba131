/*
 * `stillage gc`: frees what nothing refers to, while pushes, pulls and deletes go on.
 *
 * There is no mark phase over the whole registry. Repositories are cleaned one by one: blobs that are named
 * by none of its manifests, nor by one in the trash or in a snapshot, and that nobody has linked within the
 * grace period, move to trash/blobs/<name>/. A push that saw such a blob just before brings it back
 * (publication.h). After another grace period they are deleted, and with the last of its links the
 * file in the store. Manifests are never deleted, except for referrers whose subject is gone, if
 * registry.yaml says so.
 *
 * A repository is locked against pushes of manifests only when and while something in it is moved. One that
 * is too busy to be locked is tried again after all others, and then reported and left for the next run. If
 * gc is killed at any point, the registry is intact.
 *
 * The age of a blob is taken from its ctime, which every link and unlink sets: this errs on the side of
 * keeping. Changes of the ctime by the run itself do not count, so that one run can remove the same blob from
 * a thousand repositories.
 */
#ifndef STL_GC_H
#define STL_GC_H

#include "registry.h"

struct stl_gc_options {
    int64_t grace; /* seconds; 0: blobs are deleted at once, and a push in progress may have to be repeated */
    bool dry_run;
    /* Called when a repository could not be cleaned; `path` is relative to the registry. */
    void (*problem)(void *context, const char *path, const struct stl_error *why);
    void (*progress)(void *context, uint64_t done, uint64_t total); /* repositories; or NULL */
    void *context, *progress_context;
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

/* Fails only if nothing can be done at all; otherwise the result covers everything that could be done. */
int stl_gc(const struct stl_registry *registry, const struct stl_gc_options *options,
           struct stl_gc_result *result, struct stl_error *err);

#endif
