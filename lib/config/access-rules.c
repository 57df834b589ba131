#include "access-rules.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "readers.h"

static const char *const action_names[STL_ACTIONS] = {"pull", "push", "delete", "admin"};

const char *stl_action_name(enum stl_action action)
{
    return action_names[action];
}

int stl_action_parse(const char *text, enum stl_action *action, struct stl_error *err)
{
    for (size_t i = 0; i < STL_ACTIONS; i++) {
        if (!strcmp(text, action_names[i])) {
            *action = (enum stl_action)i;
            return 0;
        }
    }
    return stl_error_set(err, STL_USAGE, "'%.40s' is not an action: use pull, push, delete or admin", text);
}

int stl_actions_parse(const char *text, unsigned *actions, struct stl_error *err)
{
    STL_AUTO_FREE char *copy = stl_strdup(text);
    char *rest = copy;
    *actions = 0;
    for (char *word; (word = strsep(&rest, ","));) {
        enum stl_action action = STL_PULL;
        if (stl_action_parse(word, &action, err))
            return -1;
        *actions |= 1u << action;
    }
    return 0;
}

int stl_user_name_check(const char *name, struct stl_error *err)
{
    static const char first[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
    static const char more[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.@+-";
    size_t length = strlen(name);
    if (length == 0 || length > STL_USER_MAX || !strchr(first, name[0]) || strspn(name, more) != length)
        return stl_error_set(err, STL_INVALID,
                             "user name '%.80s' is invalid: use up to %d letters, digits and . _ @ + -, and "
                             "begin with a letter, a digit or '_'",
                             name, STL_USER_MAX);
    if (!strcmp(name, "anonymous") || !strcmp(name, "user"))
        return stl_error_set(err, STL_INVALID,
                             "'%s' cannot be a user name: the rules in registry.yaml use this word", name);
    return 0;
}

/* --- reading -------------------------------------------------------------------------------------------- */

void stl_words_add(struct stl_words *words, const char *text)
{
    stl_grow(words->items, words->count);
    words->items[words->count++] = stl_strdup(text);
}

static int add_name(struct stl_yaml *yaml, yaml_node_t *node, struct stl_words *names,
                    int (*check)(const char *text, struct stl_error *err), struct stl_error *err)
{
    struct stl_error why = STL_ERROR_INIT;
    const char *text = stl_yaml_scalar(node);
    if (!text || !*text)
        return stl_yaml_error(yaml, node, err, "a text is expected here");
    if (check && check(text, &why))
        return stl_yaml_error(yaml, node, err, "%s", why.message);
    stl_words_add(names, text);
    return 0;
}

static int read_words(struct stl_yaml *yaml, yaml_node_t *node, struct stl_words *names,
                      int (*check)(const char *text, struct stl_error *err), struct stl_error *err)
{
    names->line = node->start_mark.line + 1;
    if (node->type == YAML_MAPPING_NODE)
        return stl_yaml_error(yaml, node, err, "a text or a list of texts is expected here");
    if (node->type != YAML_SEQUENCE_NODE)
        return add_name(yaml, node, names, check, err);
    for (yaml_node_item_t *item = node->data.sequence.items.start; item < node->data.sequence.items.top;
         item++)
        if (add_name(yaml, stl_yaml_node(yaml, *item), names, check, err))
            return -1;
    return 0;
}

int stl_words_read(struct stl_yaml *yaml, yaml_node_t *node, void *target, struct stl_error *err)
{
    return read_words(yaml, node, target, NULL, err);
}

int stl_pattern_read(struct stl_yaml *yaml, yaml_node_t *node, void *target, struct stl_error *err)
{
    struct stl_error why = STL_ERROR_INIT;
    if (stl_yaml_string(yaml, node, target, err))
        return -1;
    return stl_pattern_check(*(char **)target, &why) ? stl_yaml_error(yaml, node, err, "%s", why.message) : 0;
}

const char *stl_words_match(const struct stl_words *patterns, const char *text)
{
    for (size_t i = 0; i < patterns->count; i++)
        if (stl_pattern_match(patterns->items[i], text))
            return patterns->items[i];
    return NULL;
}

bool stl_words_choose(const struct stl_words *patterns, const char *text)
{
    return (!patterns->line && !patterns->count) || stl_words_match(patterns, text);
}

void stl_words_clear(struct stl_words *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->items[i]);
    free(names->items);
    *names = (struct stl_words){0};
}

static int check_who(const char *text, struct stl_error *err)
{
    if (!strcmp(text, "anonymous") || !strcmp(text, "user"))
        return 0;
    return stl_user_name_check(strncmp(text, "group:", 6) ? text : text + 6, err);
}

int stl_who_read(struct stl_yaml *yaml, yaml_node_t *node, void *target, struct stl_error *err)
{
    return read_words(yaml, node, target, check_who, err);
}

static int read_rule(struct stl_yaml *yaml, yaml_node_t *node, void *target, struct stl_error *err)
{
    static const struct stl_yaml_key keys[] = {
        {"repository", stl_pattern_read, offsetof(struct stl_rule, pattern)},
        {"pull", stl_who_read, offsetof(struct stl_rule, who[STL_PULL])},
        {"push", stl_who_read, offsetof(struct stl_rule, who[STL_PUSH])},
        {"delete", stl_who_read, offsetof(struct stl_rule, who[STL_DELETE])},
        {"admin", stl_who_read, offsetof(struct stl_rule, who[STL_ADMIN])},
        {NULL, NULL, 0},
    };
    struct stl_access_rules *access = target;
    stl_grow(access->rules, access->count);
    struct stl_rule *rule = &access->rules[access->count++];
    *rule = (struct stl_rule){.line = node->start_mark.line + 1};
    if (stl_yaml_mapping(yaml, node, keys, rule, err))
        return -1;
    if (!rule->pattern)
        return stl_yaml_error(yaml, node, err, "the rule has no 'repository: PATTERN'");
    for (size_t i = 0; i + 1 < access->count; i++)
        if (!strcmp(access->rules[i].pattern, rule->pattern))
            return stl_yaml_error(yaml, node, err, "there are two rules for '%s': make them one",
                                  rule->pattern);
    return 0;
}

int stl_access_rules_read(struct stl_yaml *yaml, yaml_node_t *node, void *target, struct stl_error *err)
{
    struct stl_access_rules *access = target;
    access->given = true;
    return stl_yaml_sequence(yaml, node, read_rule, target, err);
}

int stl_access_rules_read_groups(struct stl_yaml *yaml, yaml_node_t *node, void *target,
                                 struct stl_error *err)
{
    struct stl_access_rules *access = target;
    if (node->type != YAML_MAPPING_NODE)
        return stl_yaml_error(yaml, node, err, "lines 'GROUP: [NAME, ...]' are expected here");
    for (yaml_node_pair_t *pair = node->data.mapping.pairs.start; pair < node->data.mapping.pairs.top;
         pair++) {
        struct stl_error why = STL_ERROR_INIT;
        yaml_node_t *key = stl_yaml_node(yaml, pair->key);
        const char *name = stl_yaml_scalar(key);
        if (!name || stl_user_name_check(name, &why))
            return stl_yaml_error(yaml, key, err, "this is not the name of a group: %s",
                                  name ? why.message : "not a word");
        for (size_t i = 0; i < access->group_count; i++)
            if (!strcmp(access->groups[i].name, name))
                return stl_yaml_error(yaml, key, err, "group '%s' is given twice: make them one", name);
        stl_grow(access->groups, access->group_count);
        struct stl_group *group = &access->groups[access->group_count++];
        *group = (struct stl_group){.name = stl_strdup(name)};
        if (read_words(yaml, stl_yaml_node(yaml, pair->value), &group->members, stl_user_name_check, err))
            return -1;
    }
    return 0;
}

/* --- order ---------------------------------------------------------------------------------------------- */

static int compare_rules(const void *a, const void *b)
{
    const struct stl_rule *first = a, *second = b;
    int order = stl_pattern_compare(first->pattern, second->pattern);
    return order ? order : first->line < second->line ? -1 : first->line > second->line;
}

static const struct stl_group *find_group(const struct stl_access_rules *access, const char *name)
{
    for (size_t i = 0; i < access->group_count; i++)
        if (!strcmp(access->groups[i].name, name))
            return &access->groups[i];
    return NULL;
}

static int check_groups(const struct stl_access_rules *access, const struct stl_words *who, const char *file,
                        struct stl_error *err)
{
    for (size_t i = 0; i < who->count; i++)
        if (!strncmp(who->items[i], "group:", 6) && !find_group(access, who->items[i] + 6))
            return stl_error_set(err, STL_INVALID, "%s:%zu: there is no group '%s': add it to 'groups:'",
                                 file, who->line, who->items[i] + 6);
    return 0;
}

int stl_access_rules_finish(struct stl_access_rules *access, const char *file, struct stl_error *err)
{
    for (size_t i = 0; i < access->count; i++)
        for (size_t action = 0; action < STL_ACTIONS; action++)
            if (check_groups(access, &access->rules[i].who[action], file, err))
                return -1;
    if (access->count)
        qsort(access->rules, access->count, sizeof *access->rules, compare_rules);
    return 0;
}

void stl_access_rules_clear(struct stl_access_rules *access)
{
    for (size_t i = 0; i < access->count; i++) {
        free(access->rules[i].pattern);
        free(access->rules[i].project);
        for (size_t action = 0; action < STL_ACTIONS; action++)
            stl_words_clear(&access->rules[i].who[action]);
    }
    for (size_t i = 0; i < access->group_count; i++) {
        free(access->groups[i].name);
        stl_words_clear(&access->groups[i].members);
    }
    free(access->rules);
    free(access->groups);
    *access = (struct stl_access_rules){0};
}

/* --- deciding ------------------------------------------------------------------------------------------- */

static bool has(const struct stl_words *names, const char *name)
{
    for (size_t i = 0; i < names->count; i++)
        if (!strcmp(names->items[i], name))
            return true;
    return false;
}

static bool includes(const struct stl_access_rules *access, const struct stl_words *who, const char *user)
{
    if (has(who, "anonymous"))
        return true;
    if (!user)
        return false;
    if (has(who, "user") || has(who, user))
        return true;
    for (size_t i = 0; i < who->count; i++) {
        const struct stl_group *group =
            strncmp(who->items[i], "group:", 6) ? NULL : find_group(access, who->items[i] + 6);
        if (group && has(&group->members, user))
            return true;
    }
    return false;
}

static bool covers(const struct stl_rule *rule, const char *repository)
{
    return rule->project ? stl_pattern_below(rule->project, repository)
                         : stl_pattern_match(rule->pattern, repository);
}

static struct stl_decision decide(const struct stl_access_rules *access, const char *user,
                                  const char *repository, enum stl_action action)
{
    for (size_t i = 0; i < access->count; i++) {
        const struct stl_rule *rule = &access->rules[i];
        if (rule->who[action].line && covers(rule, repository))
            return (struct stl_decision){
                .allowed = includes(access, &rule->who[action], user), .rule = rule, .line = action};
    }
    return (struct stl_decision){.line = action};
}

bool stl_access_rules_allow(const struct stl_access_rules *access, const char *user, const char *repository,
                            enum stl_action action, struct stl_decision *decision)
{
    struct stl_error ignored = STL_ERROR_INIT;
    if (user && stl_user_name_check(user, &ignored))
        user = NULL; /* else "group:g" would be the name of its members */
    struct stl_decision result = decide(access, user, repository, action);
    static const enum stl_action more[] = {STL_PUSH, STL_ADMIN};
    for (size_t i = 0; i < sizeof more / sizeof *more && !result.allowed && action == STL_PULL; i++) {
        struct stl_decision other = decide(access, user, repository, more[i]);
        if (other.allowed)
            result = other;
    }
    if (decision)
        *decision = result;
    return result.allowed;
}

bool stl_access_rules_of_project(const struct stl_access_rules *access, const char *project, const char *user,
                                 enum stl_action action)
{
    for (size_t i = 0; i < access->count; i++)
        if (access->rules[i].project && !strcmp(access->rules[i].project, project))
            return includes(access, &access->rules[i].who[action], user);
    return false;
}

bool stl_access_rules_know(const struct stl_access_rules *access, const char *user)
{
    for (size_t i = 0; i < access->count; i++)
        for (size_t action = 0; action < STL_ACTIONS; action++)
            if (!has(&access->rules[i].who[action], "anonymous") &&
                includes(access, &access->rules[i].who[action], user))
                return true;
    return false;
}

void stl_access_rules_patterns(const struct stl_access_rules *access, const char *user,
                               enum stl_action action, struct stl_words *patterns)
{
    for (size_t i = 0; i < access->count; i++)
        if (includes(access, &access->rules[i].who[action], user))
            stl_words_add(patterns, access->rules[i].pattern);
}
