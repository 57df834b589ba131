/*
 * `stillage prune`: removes tags, and manifests that no tag leads to, by rule (prune-rules.h).
 *
 * What belongs together stays together: the manifests of an index and what refers to an image are removed
 * with the last tag that leads to them, and never while something that is kept needs them. Tags that name a
 * digest, as cosign makes them (sha256-<hex>.sig), follow that manifest. Immutable tags are kept.
 *
 * Nothing that was pushed within the grace period of `gc:` is removed, nor what leads to it: a push in
 * progress may be about to use it. Whatever is removed goes to the trash. Each repository is locked while it
 * is planned and pruned.
 *
 * A rule with not-pulled-for removes nothing by that unless the pulls of all that time are known, up to a
 * week ago (pulls.h). A pull of a manifest is one of each tag that leads to it, also by way of an index.
 */
#ifndef STL_PRUNE_H
#define STL_PRUNE_H

#include "prune-rules.h"
#include "pulls.h"
#include "registry.h"

/* The decision on a tag or, if `tag` is NULL, on a manifest that is removed or to which no tag leads. */
struct stl_prune_item {
    const char *name, *tag;
    const struct stl_digest *digest;
    bool remove;
    const char *why;
};

struct stl_prune_options {
    const struct stl_prune_rules *rules;
    const struct stl_name *names; /* only these repositories; none: all */
    size_t name_count;
    const struct stl_pulls *pulls; /* what is known of pulls, for rules with not-pulled-for */
    int64_t grace;                 /* seconds */
    bool apply;                    /* else nothing changes */
    void (*item)(void *context, const struct stl_prune_item *item);
    /* Called for a repository that could not be pruned because it is busy or damaged. */
    void (*problem)(void *context, const char *name, const struct stl_error *why);
    void *context;
};

struct stl_prune_result {
    uint64_t repositories; /* to which a rule applies */
    uint64_t tags_removed, tags_kept, manifests_removed;
    uint64_t problems;
};

int stl_prune(const struct stl_registry *registry, const struct stl_prune_options *options,
              struct stl_prune_result *result, struct stl_error *err);

#endif
