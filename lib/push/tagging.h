/*
 * Tags that are to be set, and the caller's own check besides the rules of the registry.
 */
#ifndef STL_TAGGING_H
#define STL_TAGGING_H

#include "repo.h"

struct stl_manifest;

/* A tag and the manifest that it is to point at. */
struct stl_tagging {
    struct stl_tag tag;
    struct stl_digest digest;
    bool repeated; /* it points there already: completing it runs no hook and writes no event */
    bool asked;    /* the hook has been asked and agrees */
    bool existed;  /* it pointed at `old` before it was set */
    struct stl_digest old;
    /* That of the digest, with its bytes, if it comes with the tag; or NULL. */
    const struct stl_manifest *manifest;
    const char *bytes;
};

/* Decides whether a tag may be set or deleted. `current` is NULL when the tag does not exist, `wanted` is
 * NULL when it is to be deleted. Returns 0, or -1 with err set. It is called before anything is written,
 * and again while the tags are locked; the second answer is binding. The other rules of consent.h apply as
 * well. */
typedef int stl_tag_guard(void *context, const struct stl_repo *repo, const struct stl_tag *tag,
                          const struct stl_digest *current, const struct stl_digest *wanted,
                          struct stl_error *err);

#endif
