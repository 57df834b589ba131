/*
 * The plan of one repository, for lib/care/prune*.c only.
 */
#ifndef STL_PRUNE_INTERNAL_H
#define STL_PRUNE_INTERNAL_H

#include <time.h>

#include "contents.h"
#include "prune.h"

struct prune_tag {
    size_t manifest; /* its number, or STL_NOT_HELD */
    size_t subject;  /* the manifest whose digest the tag's name gives, or STL_NOT_HELD */
    bool remove, undecided;
    char *why;
};

struct prune_plan {
    const struct stl_prune_options *options;
    const struct stl_repo *repo;
    time_t now;
    struct stl_contents contents;
    struct prune_tag *tags; /* beside contents.tags */
    bool *kept;             /* for each manifest: something that stays needs it */
    bool *gone;             /* a tag that goes led to it */
    bool *fresh;            /* it, or something it leads to, was pushed within the grace period */
    char **why;             /* for each manifest that goes, or that no tag leads to */
};

/* Reads the repository and decides; changes nothing. On success the caller clears. */
int stl_prune_plan(struct prune_plan *plan, const struct stl_repo *repo,
                   const struct stl_prune_options *options, struct stl_error *err);
void stl_prune_plan_clear(struct prune_plan *plan);

#endif
