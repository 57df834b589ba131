/*
 * Which tags and manifests `stillage prune` removes: the section `prune:` of registry.yaml.
 *
 *   prune:
 *     - repository: "ci-*"        a pattern (stl_pattern_match); every repository unless given
 *       tags: ["pr-*", "main-*"]  patterns of the tags that the rule is about; every tag unless given
 *       keep: [latest, "v*"]      patterns of tags that stay in any case
 *       keep-newest: 10           of the other tags, those that were pushed last stay
 *       keep-younger: 30d         and those that were pushed within that time
 *       untagged-older: 7d        manifests that no tag leads to go that long after they lost their tag
 *
 * Each tag is decided by the first rule that matches it. A rule without keep-newest and keep-younger removes
 * no tag, one without untagged-older nothing that has no tag.
 */
#ifndef STL_PRUNE_RULES_H
#define STL_PRUNE_RULES_H

#include "policy.h"

struct stl_prune_rule {
    char *repository; /* NULL: all */
    struct stl_words tags, keep;
    int64_t keep_newest;                  /* -1: not given */
    int64_t keep_younger, untagged_older; /* seconds; -1: not given */
};

struct stl_prune_rules {
    struct stl_prune_rule *items;
    size_t count;
};

#define STL_PRUNE_RULE_INIT                                                                                  \
    {                                                                                                        \
        .keep_newest = -1, .keep_younger = -1, .untagged_older = -1                                          \
    }

/* A reader for struct stl_yaml_key; the target is the struct stl_prune_rules. */
int stl_prune_rules_read(struct stl_yaml *yaml, yaml_node_t *node, void *target, struct stl_error *err);
void stl_prune_rule_clear(struct stl_prune_rule *rule);
void stl_prune_rules_clear(struct stl_prune_rules *rules);

bool stl_prune_rule_matches(const struct stl_prune_rule *rule, const struct stl_name *name);

#endif
