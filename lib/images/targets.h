/*
 * Which images of a source are to be added, and under which names and tags.
 */
#ifndef STL_TARGETS_H
#define STL_TARGETS_H

#include "add.h"

struct stl_target {
    struct stl_name name;
    struct stl_tag tag;
    size_t image; /* index in images->items */
    bool done;    /* the registry has it: `digest`, which leads to `blobs` blobs */
    struct stl_digest digest;
    size_t blobs;
};

struct stl_targets {
    struct stl_target *items; /* sorted by name and tag, each pair once */
    size_t count;
};

/* `is_referrer[i]`: image i has a subject; where it has no name, it is added with its subject and has no
 * target of its own. Fails with STL_INVALID where a name is missing, STL_CONFLICT where two images want one
 * tag. */
int stl_targets_choose(struct stl_targets *targets, const struct stl_images *images, const bool *is_referrer,
                       const struct stl_add_options *options, struct stl_error *err);
void stl_targets_clear(struct stl_targets *targets);

#endif
