/*
 * Which digests manifests name: what has to be kept, or copied with them.
 *
 * Every string that is a digest counts, wherever it stands: manifest types that have yet to be invented may
 * refer to blobs in their own ways.
 */
#ifndef STL_REACHABLE_H
#define STL_REACHABLE_H

#include "digestset.h"

/* Initialise with {0}. */
struct stl_reachable {
    struct stl_digestset manifests; /* those that were read */
    struct stl_digestset blobs;     /* every digest in them */
};

#define STL_AUTO_REACHABLE __attribute__((cleanup(stl_reachable_clear)))

void stl_reachable_clear(struct stl_reachable *reachable);
/* Adds the manifests of `folder` below `at`, a folder of the kind that manifest-files.h walks, which need not
 * exist. Manifests that were read before are not read again. *files, which may be NULL, counts all of them.
 * Fails if one is damaged: then something is missing. */
int stl_reachable_add(struct stl_reachable *reachable, int at, const char *folder, size_t *files,
                      struct stl_error *err);

#endif
