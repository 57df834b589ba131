/*
 * Which tags and manifests `stillage prune` removes: the section `prune:` of registry.yaml.
 *
 *   prune:
 *     - repository: "ci-*"        a pattern (stl_pattern_match); every repository unless given
 *       tags: ["pr-*", "main-*"]  patterns of the tags that the rule applies to; every tag unless given
 *       keep: [latest, "v*"]      patterns of tags that are always kept
 *       keep-newest: 10           of the other tags, those pushed last are kept
 *       keep-younger: 30d         and those pushed within that time
 *       not-pulled-for: 90d       and those pushed or pulled within that time
 *       untagged-older: 7d        untagged manifests are removed that long after they lost their tag
 *
 * Each tag is decided by the first rule that matches it. A rule without keep-newest, keep-younger and
 * not-pulled-for removes no tags; one without untagged-older removes no untagged manifests.
 */
#ifndef STL_PRUNE_RULES_H
#define STL_PRUNE_RULES_H

#include "access-rules.h"

struct stl_prune_rule {
    char *repository; /* NULL: all */
    char *project;    /* NULL, or only in this one (projects.h) */
    struct stl_words tags, keep;
    int64_t keep_newest;                                  /* -1: not given */
    int64_t keep_younger, not_pulled_for, untagged_older; /* seconds; -1: not given */
};

struct stl_prune_rules {
    struct stl_prune_rule *items;
    size_t count;
};

#define STL_PRUNE_RULE_INIT                                                                                  \
    {                                                                                                        \
        .keep_newest = -1, .keep_younger = -1, .not_pulled_for = -1, .untagged_older = -1                    \
    }

void stl_prune_rule_clear(struct stl_prune_rule *rule);
void stl_prune_rules_clear(struct stl_prune_rules *rules);

/* Whether it can remove tags at all. */
bool stl_prune_rule_removes_tags(const struct stl_prune_rule *rule);
bool stl_prune_rule_matches(const struct stl_prune_rule *rule, const struct stl_name *name);

#endif
