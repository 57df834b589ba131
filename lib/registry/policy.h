/*
 * Who may do what: the sections `access:` and `groups:` of registry.yaml.
 *
 *   access:
 *     - repository: "team-*"             a pattern (stl_pattern_match)
 *       pull: [anonymous]                anonymous: everybody; user: whoever is logged in; NAME; group:NAME
 *       push: [alice, group:release]
 *       delete: []                       nobody
 *   groups:
 *     release: [bob, carol]
 *
 * Each action is decided by one rule: of those that match the repository and have a line for the action, the
 * most specific (stl_pattern_compare; of equals, the first in the file). Who may push may also pull. Without
 * a rule, nobody may.
 *
 * This module knows nothing of files: whether a registry has access control at all is
 * stl_access_controlled().
 */
#ifndef STL_POLICY_H
#define STL_POLICY_H

#include <stdbool.h>
#include <stddef.h>

#include "name.h"
#include "pattern.h"
#include "yaml.h"

enum stl_action { STL_PULL, STL_PUSH, STL_DELETE, STL_ACTIONS };

const char *stl_action_name(enum stl_action action);
/* "pull", "push" or "delete"; fails with STL_USAGE. */
int stl_action_parse(const char *text, enum stl_action *action, struct stl_error *err);
/* "pull,push" to a set: 1 << STL_PULL | 1 << STL_PUSH. Fails with STL_USAGE. */
int stl_actions_parse(const char *text, unsigned *actions, struct stl_error *err);

enum { STL_USER_MAX = 64 };

/* Letters, digits and . _ @ + -, beginning with a letter, a digit or '_'; not a word of the rules. Fails with
 * STL_INVALID. */
int stl_user_name_check(const char *name, struct stl_error *err);

/* Names or patterns, as they stand in a rule or a group. */
struct stl_words {
    char **items;
    size_t count;
    size_t line; /* of registry.yaml; 0: there is no such line */
};

struct stl_rule {
    char *pattern;
    size_t line; /* of registry.yaml */
    struct stl_words who[STL_ACTIONS];
};

struct stl_group {
    char *name;
    struct stl_words members;
};

struct stl_policy {
    struct stl_rule *rules; /* the most specific first */
    size_t count;
    struct stl_group *groups;
    size_t group_count;
};

/* Readers for struct stl_yaml_key; the target is the struct stl_policy. */
int stl_policy_read_rules(struct stl_yaml *yaml, yaml_node_t *node, void *target, struct stl_error *err);
int stl_policy_read_groups(struct stl_yaml *yaml, yaml_node_t *node, void *target, struct stl_error *err);
/* Once both are read: sorts, and checks that the groups exist. `file` is for messages. */
int stl_policy_finish(struct stl_policy *policy, const char *file, struct stl_error *err);
void stl_policy_clear(struct stl_policy *policy);

struct stl_decision {
    bool allowed;
    const struct stl_rule *rule; /* that decided; NULL: none matches */
    enum stl_action line;        /* whose line of the rule it was: STL_PUSH may be what allows a pull */
};

/* `user` is NULL for somebody who is not logged in. Returns whether it is allowed; `decision` may be NULL. */
bool stl_policy_allows(const struct stl_policy *policy, const char *user, const char *repository,
                       enum stl_action action, struct stl_decision *decision);

/* Readers for keys of registry.yaml (see stl_yaml_mapping()): a list of texts, or one alone, is added to the
 * struct stl_words; a pattern of repositories goes into a char *. */
int stl_words_read(struct stl_yaml *yaml, yaml_node_t *node, void *target, struct stl_error *err);
int stl_pattern_read(struct stl_yaml *yaml, yaml_node_t *node, void *target, struct stl_error *err);
/* The first of these patterns (stl_pattern_match) that matches, or NULL. */
const char *stl_words_match(const struct stl_words *patterns, const char *text);
void stl_words_clear(struct stl_words *words);

#endif
