#include "prune-rules.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "readers.h"

static int read_rule(struct stl_yaml *yaml, yaml_node_t *node, void *target, struct stl_error *err)
{
    static const struct stl_yaml_key keys[] = {
        {"repository", stl_pattern_read, offsetof(struct stl_prune_rule, repository)},
        {"tags", stl_words_read, offsetof(struct stl_prune_rule, tags)},
        {"keep", stl_words_read, offsetof(struct stl_prune_rule, keep)},
        {"keep-newest", stl_yaml_int, offsetof(struct stl_prune_rule, keep_newest)},
        {"keep-younger", stl_yaml_duration, offsetof(struct stl_prune_rule, keep_younger)},
        {"not-pulled-for", stl_yaml_duration, offsetof(struct stl_prune_rule, not_pulled_for)},
        {"untagged-older", stl_yaml_duration, offsetof(struct stl_prune_rule, untagged_older)},
        {NULL, NULL, 0},
    };
    struct stl_prune_rules *rules = target;
    stl_grow(rules->items, rules->count);
    struct stl_prune_rule *rule = &rules->items[rules->count++];
    *rule = (struct stl_prune_rule)STL_PRUNE_RULE_INIT;
    if (stl_yaml_mapping(yaml, node, keys, rule, err))
        return -1;
    if (!stl_prune_rule_removes_tags(rule) && rule->untagged_older < 0)
        return stl_yaml_error(
            yaml, node, err,
            "the rule removes nothing: it needs keep-newest, keep-younger, not-pulled-for or "
            "untagged-older");
    return 0;
}

int stl_prune_rules_read(struct stl_yaml *yaml, yaml_node_t *node, void *target, struct stl_error *err)
{
    return stl_yaml_sequence(yaml, node, read_rule, target, err);
}

void stl_prune_rule_clear(struct stl_prune_rule *rule)
{
    free(rule->repository);
    free(rule->project);
    stl_words_clear(&rule->tags);
    stl_words_clear(&rule->keep);
}

void stl_prune_rules_clear(struct stl_prune_rules *rules)
{
    for (size_t i = 0; i < rules->count; i++)
        stl_prune_rule_clear(&rules->items[i]);
    free(rules->items);
    *rules = (struct stl_prune_rules){0};
}

bool stl_prune_rule_removes_tags(const struct stl_prune_rule *rule)
{
    return rule->keep_newest >= 0 || rule->keep_younger >= 0 || rule->not_pulled_for >= 0;
}

bool stl_prune_rule_matches(const struct stl_prune_rule *rule, const struct stl_name *name)
{
    return (!rule->project || stl_pattern_below(rule->project, name->text)) &&
           (!rule->repository || stl_pattern_match(rule->repository, name->text));
}
