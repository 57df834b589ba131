/*
 * What stl_prune() (prune.h) is going to do to one repository. Only lib/maintain uses this.
 */
#ifndef STL_PRUNE_PLAN_H
#define STL_PRUNE_PLAN_H

#include <time.h>

#include "prune-rules.h"
#include "pulls.h"
#include "repo-contents.h"

struct prune_tag {
    size_t manifest; /* its index, or STL_NOT_HELD */
    size_t subject;  /* the manifest whose digest is in the tag's name, or STL_NOT_HELD */
    bool remove, undecided;
    char *why;
};

struct prune_plan {
    const struct stl_prune_rules *rules;
    const struct stl_repo *repo;
    const struct stl_pulls *pulls; /* what is known of pulls */
    int64_t grace;                 /* seconds */
    time_t now;
    struct stl_contents contents;
    struct prune_tag *tags; /* tags[i] belongs to contents.tags[i] */
    bool *kept;             /* for each manifest: something that is kept needs it */
    bool *fresh;            /* it, or something it leads to, was pushed within the grace period */
    char **why;             /* for each manifest that is removed, and perhaps for others */
};

/* Reads the repository and decides; changes nothing. On success the caller clears `plan`. */
int stl_prune_plan(struct prune_plan *plan, const struct stl_repo *repo, const struct stl_prune_rules *rules,
                   const struct stl_pulls *pulls, int64_t grace, struct stl_error *err);
void stl_prune_plan_clear(struct prune_plan *plan);

#endif
