/*
 * A set of digests in memory, which numbers them 0, 1, 2, ... in the order of insertion: the caller uses the
 * numbers as indices into arrays of its own.
 */
#ifndef STL_DIGESTSET_H
#define STL_DIGESTSET_H

#include "digest.h"

/* Initialise with {0}. */
struct stl_digestset {
    struct stl_digest *items;
    size_t count;
    uint32_t *slots; /* number + 1; 0: free */
    size_t capacity;
    uint64_t seed;
};

void stl_digestset_clear(struct stl_digestset *set);
/* Whether the digest is in the set; sets *number if so. */
bool stl_digestset_find(const struct stl_digestset *set, const struct stl_digest *digest, size_t *number);
/* Returns true if the digest is new. Sets *number in any case. At most 2^32 - 2 digests. */
bool stl_digestset_add(struct stl_digestset *set, const struct stl_digest *digest, size_t *number);

#endif
