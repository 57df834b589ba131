/*
 * Which images of a remote repository are taken as a source.
 */
#ifndef STL_REMOTE_CHOICE_H
#define STL_REMOTE_CHOICE_H

#include "digestset.h"
#include "lists.h"
#include "platforms.h"

struct stl_remote_choice {
    struct stl_remote *remote;
    struct stl_address address;          /* the one with its tag or digest, or with "latest", unless ... */
    bool all_tags;                       /* ... all tags are meant */
    const struct stl_words *tags;        /* only those that match these patterns; or NULL */
    size_t newest;                       /* only that many, those with the highest versions; 0: all */
    const struct stl_tags *known;        /* these, which have been chosen already; or NULL */
    const struct stl_digestset *digests; /* with `known`: these manifests, too, without a tag; or NULL */
    const struct stl_tags *listed;       /* with `known`: all tags there, sorted; or NULL */
    const struct stl_digestset *known_digests; /* of manifests: all that there are; or NULL */
    bool untagged;  /* those of them that nothing leads to come along without a tag */
    bool referrers; /* signatures and the like come along */
};

#endif
