/*
 * Which blobs the manifests of this registry's repositories name, and how large they are: what the process
 * that fetches has to know of each blob that it is asked for (pull-through.h).
 *
 * Kept in memory, repository by repository. A manifest that has just arrived is noted, so that its blobs are
 * found without a look at the others; these are read when a blob is asked for that is not known, once, and
 * after that only those that are new. So what a blob costs does not grow with its repository. What was not
 * asked about for the longest time is forgotten when it gets too much.
 *
 * May be used by several threads at once.
 */
#ifndef STL_NAMED_BLOBS_H
#define STL_NAMED_BLOBS_H

#include <pthread.h>

#include "manifest.h"
#include "repo.h"

enum { STL_NAMED_REPOS_MAX = 64 };

struct stl_named_repo;

/* Initialise with stl_named_blobs_begin(). */
struct stl_named_blobs {
    pthread_mutex_t lock;
    struct stl_named_repo
        *repos[STL_NAMED_REPOS_MAX]; /* the one that was used last comes first; NULL: none */
    size_t links;                    /* blobs of all of them */
};

void stl_named_blobs_begin(struct stl_named_blobs *named);
void stl_named_blobs_end(struct stl_named_blobs *named);

/* The repository has that manifest now. */
void stl_named_blobs_note(struct stl_named_blobs *named, const struct stl_name *name,
                          const struct stl_manifest *manifest);
/* Finds the size of a blob. Returns 1, 0 if no manifest of the repository names it, or -1. A damaged manifest
 * names nothing. */
int stl_named_blobs_find(struct stl_named_blobs *named, const struct stl_registry *registry,
                         const struct stl_name *name, const struct stl_digest *digest, int64_t *size,
                         struct stl_error *err);

#endif
