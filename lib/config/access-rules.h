/*
 * Who may do what: the sections `access:` and `groups:` of registry.yaml.
 *
 *   access:
 *     - repository: "team-*"             a pattern (stl_pattern_match)
 *       pull: [anonymous]                anonymous: everybody; user: whoever is logged in; NAME; group:NAME
 *       push: [alice, group:release]
 *       delete: []                       nobody
 *       admin: [alice]                   may create the repository, change what it says of itself, delete it
 *   groups:
 *     release: [bob, carol]
 *
 * Each action is decided by one rule: of those that match the repository and have a line for the action, the
 * most specific (stl_pattern_compare; of equals, the first in the file). Whoever may push or administer may
 * also pull. Without a rule, nobody may do anything; but where none says who may pull, the repository itself
 * may be public (access.h).
 *
 * This module does not look at files: whether a registry has access control at all is
 * stl_access_controlled().
 */
#ifndef STL_ACCESS_RULES_H
#define STL_ACCESS_RULES_H

#include <stdbool.h>
#include <stddef.h>

#include "name.h"
#include "pattern.h"

enum stl_action { STL_PULL, STL_PUSH, STL_DELETE, STL_ADMIN, STL_ACTIONS };

const char *stl_action_name(enum stl_action action);
/* "pull", "push", "delete" or "admin"; fails with STL_USAGE. */
int stl_action_parse(const char *text, enum stl_action *action, struct stl_error *err);
/* "pull,push" to a set: 1 << STL_PULL | 1 << STL_PUSH. Fails with STL_USAGE. */
int stl_actions_parse(const char *text, unsigned *actions, struct stl_error *err);

enum { STL_USER_MAX = 64 };

/* Letters, digits and . _ @ + -, beginning with a letter, a digit or '_'; and not a word with a meaning in
 * the rules. Fails with STL_INVALID. */
int stl_user_name_check(const char *name, struct stl_error *err);

/* Names or patterns, as written in a rule or a group. */
struct stl_words {
    char **items;
    size_t count;
    size_t line; /* in registry.yaml; 0: there is no such line */
};

struct stl_rule {
    char *pattern;
    char *project; /* if it is one: its name; the rule is about that repository, too (projects.h) */
    size_t line;   /* of registry.yaml */
    struct stl_words who[STL_ACTIONS];
};

struct stl_group {
    char *name;
    struct stl_words members;
};

struct stl_access_rules {
    bool given;             /* there is a list, perhaps an empty one: what no rule allows is denied */
    struct stl_rule *rules; /* the most specific first */
    size_t count;
    struct stl_group *groups;
    size_t group_count;
};

/* To be called once rules and groups are read: sorts the rules and checks that the groups exist. `file` is
 * for messages. */
int stl_access_rules_finish(struct stl_access_rules *access, const char *file, struct stl_error *err);
void stl_access_rules_clear(struct stl_access_rules *access);

struct stl_decision {
    bool allowed;
    const struct stl_rule *rule; /* the rule that decided; NULL: none matches */
    enum stl_action line;        /* the deciding line of that rule: a pull may be allowed by the line for
                                    STL_PUSH or STL_ADMIN */
    bool member;                 /* not the rule, but the members of its project (project-roles.h) */
    bool own; /* no rule says who may pull, and the repository itself is public: stl_access_decide() */
};

/* Whether a user may do something. `user` is NULL for a client that is not logged in; `decision` may be
 * NULL. */
bool stl_access_rules_allow(const struct stl_access_rules *access, const char *user, const char *repository,
                            enum stl_action action, struct stl_decision *decision);

/* Whether a rule with this list of patterns applies to the text: always if the file has no such list, never
 * if the list is empty. */
bool stl_words_choose(const struct stl_words *patterns, const char *text);
/* The first of these patterns (stl_pattern_match) that matches, or NULL. */
const char *stl_words_match(const struct stl_words *patterns, const char *text);
void stl_words_add(struct stl_words *words, const char *text);
void stl_words_clear(struct stl_words *words);
/* Adds the patterns of the rules whose line for the action includes the user; NULL: a client that is not
 * logged in. */
void stl_access_rules_patterns(const struct stl_access_rules *access, const char *user,
                               enum stl_action action, struct stl_words *patterns);
/* Whether the rule that stands for a project lets this user do that. */
bool stl_access_rules_of_project(const struct stl_access_rules *access, const char *project, const char *user,
                                 enum stl_action action);
/* Whether a rule lets this user do anything that not everybody may do. */
bool stl_access_rules_know(const struct stl_access_rules *access, const char *user);

#endif
