#include "projects.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "readers.h"

static const char *const role_names[STL_PROJECT_ROLES] = {"guest", "developer", "maintainer", "admin"};

static const char *const amount_names[STL_PROJECT_AMOUNTS] = {"size", "tags", "repositories"};

const char *stl_project_role_name(enum stl_project_role role)
{
    return role_names[role];
}

int stl_project_role_parse(const char *text, enum stl_project_role *role, struct stl_error *err)
{
    for (size_t i = 0; i < STL_PROJECT_ROLES; i++) {
        if (!strcmp(text, role_names[i])) {
            *role = (enum stl_project_role)i;
            return 0;
        }
    }
    return stl_error_set(err, STL_INVALID, "'%.40s' is not a role: use guest, developer, maintainer or admin",
                         text);
}

enum stl_project_role stl_project_least_role(enum stl_action action)
{
    static const enum stl_project_role least[STL_ACTIONS] = {
        [STL_PULL] = STL_PROJECT_GUEST,
        [STL_PUSH] = STL_PROJECT_DEVELOPER,
        [STL_DELETE] = STL_PROJECT_MAINTAINER,
        [STL_ADMIN] = STL_PROJECT_ADMIN,
    };
    return least[action];
}

const char *stl_project_amount_name(enum stl_project_amount amount)
{
    return amount_names[amount];
}

bool stl_project_has_quota(const struct stl_project *project)
{
    for (size_t i = 0; i < STL_PROJECT_AMOUNTS; i++)
        if (project->quota[i] >= 0)
            return true;
    return false;
}

void stl_projects_lift_quotas(struct stl_projects *projects)
{
    for (size_t i = 0; i < projects->count; i++)
        for (size_t amount = 0; amount < STL_PROJECT_AMOUNTS; amount++)
            if (projects->items[i].quota[amount] >= 0)
                projects->items[i].quota[amount] = INT64_MAX;
}

/* --- reading -------------------------------------------------------------------------------------------- */

static int read_name(struct stl_yaml *yaml, yaml_node_t *node, void *target, struct stl_error *err)
{
    struct stl_error why = STL_ERROR_INIT;
    struct stl_name name;
    if (stl_yaml_string(yaml, node, target, err))
        return -1;
    return stl_name_parse(*(char **)target, &name, &why) ? stl_yaml_error(yaml, node, err, "%s", why.message)
                                                         : 0;
}

static int read_visibility(struct stl_yaml *yaml, yaml_node_t *node, void *target, struct stl_error *err)
{
    const char *text = stl_yaml_scalar(node);
    if (!text || (strcmp(text, "public") && strcmp(text, "private")))
        return stl_yaml_error(yaml, node, err, "public or private is expected here");
    *(bool *)target = !strcmp(text, "public");
    return 0;
}

static int read_quota(struct stl_yaml *yaml, yaml_node_t *node, void *target, struct stl_error *err)
{
    static const struct stl_yaml_key keys[] = {
        {"size", stl_yaml_size, STL_PROJECT_SIZE * sizeof(int64_t)},
        {"tags", stl_yaml_int, STL_PROJECT_TAGS * sizeof(int64_t)},
        {"repositories", stl_yaml_int, STL_PROJECT_REPOSITORIES * sizeof(int64_t)},
        {NULL, NULL, 0},
    };
    return stl_yaml_mapping(yaml, node, keys, target, err);
}

static int read_project(struct stl_yaml *yaml, yaml_node_t *node, void *target, struct stl_error *err)
{
    static const struct stl_yaml_key keys[] = {
        {"name", read_name, offsetof(struct stl_project, name)},
        {"visibility", read_visibility, offsetof(struct stl_project, is_public)},
        {"admin", stl_who_read, offsetof(struct stl_project, members[STL_PROJECT_ADMIN])},
        {"maintainer", stl_who_read, offsetof(struct stl_project, members[STL_PROJECT_MAINTAINER])},
        {"developer", stl_who_read, offsetof(struct stl_project, members[STL_PROJECT_DEVELOPER])},
        {"guest", stl_who_read, offsetof(struct stl_project, members[STL_PROJECT_GUEST])},
        {"quota", read_quota, offsetof(struct stl_project, quota)},
        {"immutable", stl_words_read, offsetof(struct stl_project, immutable)},
        {"prune", stl_prune_rules_read, offsetof(struct stl_project, prune)},
        {"hooks", stl_hooks_read, offsetof(struct stl_project, hooks)},
        {NULL, NULL, 0},
    };
    struct stl_projects *projects = target;
    stl_grow(projects->items, projects->count);
    struct stl_project *project = &projects->items[projects->count++];
    *project = (struct stl_project){.line = node->start_mark.line + 1, .quota = {-1, -1, -1}};
    stl_hooks_init(&project->hooks);
    if (stl_yaml_mapping(yaml, node, keys, project, err))
        return -1;
    if (!project->name)
        return stl_yaml_error(yaml, node, err, "the project has no 'name: NAME'");
    for (size_t i = 0; i + 1 < projects->count; i++)
        if (!strcmp(projects->items[i].name, project->name))
            return stl_yaml_error(yaml, node, err, "there are two projects '%s': make them one",
                                  project->name);
    for (size_t i = 0; i < project->prune.count; i++)
        if (project->prune.items[i].repository &&
            !stl_pattern_below(project->name, project->prune.items[i].repository))
            return stl_yaml_error(yaml, node, err,
                                  "prune: '%s' is not in the project '%s': begin it with '%s/'",
                                  project->prune.items[i].repository, project->name, project->name);
    return 0;
}

int stl_projects_read(struct stl_yaml *yaml, yaml_node_t *node, void *target, struct stl_error *err)
{
    return stl_yaml_sequence(yaml, node, read_project, target, err);
}

void stl_projects_clear(struct stl_projects *projects)
{
    for (size_t i = 0; i < projects->count; i++) {
        struct stl_project *project = &projects->items[i];
        free(project->name);
        for (size_t role = 0; role < STL_PROJECT_ROLES; role++)
            stl_words_clear(&project->members[role]);
        stl_words_clear(&project->immutable);
        stl_hooks_clear(&project->hooks);
        stl_prune_rules_clear(&project->prune);
    }
    free(projects->items);
    *projects = (struct stl_projects){0};
}

const struct stl_project *stl_projects_find(const struct stl_projects *projects, const char *name)
{
    for (size_t i = 0; i < projects->count; i++)
        if (!strcmp(projects->items[i].name, name))
            return &projects->items[i];
    return NULL;
}

const struct stl_project *stl_projects_of(const struct stl_projects *projects, const char *repository)
{
    const struct stl_project *best = NULL;
    for (size_t i = 0; i < projects->count; i++) {
        const struct stl_project *project = &projects->items[i];
        if (stl_pattern_below(project->name, repository) &&
            (!best || strlen(project->name) > strlen(best->name)))
            best = project;
    }
    return best;
}

/* --- the rules that a project adds ---------------------------------------------------------------------- */

static void add_words(struct stl_words *words, const struct stl_words *more)
{
    for (size_t i = 0; i < more->count; i++)
        stl_words_add(words, more->items[i]);
}

static void add_rule(const struct stl_project *project, struct stl_access_rules *access)
{
    stl_grow(access->rules, access->count);
    struct stl_rule *rule = &access->rules[access->count++];
    *rule = (struct stl_rule){.pattern = stl_sprintf("%s/**", project->name),
                              .project = stl_strdup(project->name),
                              .line = project->line};
    for (size_t action = 0; action < STL_ACTIONS; action++) {
        rule->who[action].line = project->line;
        for (size_t role = stl_project_least_role((enum stl_action)action); role < STL_PROJECT_ROLES; role++)
            add_words(&rule->who[action], &project->members[role]);
    }
    if (project->is_public)
        stl_words_add(&rule->who[STL_PULL], "anonymous");
}

static void add_immutable(const struct stl_project *project, struct stl_limits *limits)
{
    if (!project->immutable.count)
        return;
    stl_grow(limits->immutable, limits->immutable_count);
    struct stl_immutable *immutable = &limits->immutable[limits->immutable_count++];
    *immutable = (struct stl_immutable){.project = stl_strdup(project->name)};
    add_words(&immutable->tags, &project->immutable);
}

/* Puts the project's rules before the existing ones. */
static void add_prune_rules(const struct stl_project *project, struct stl_prune_rules *all)
{
    struct stl_prune_rules before = *all;
    *all = (struct stl_prune_rules){0};
    for (size_t i = 0; i < project->prune.count; i++) {
        const struct stl_prune_rule *from = &project->prune.items[i];
        stl_grow(all->items, all->count);
        struct stl_prune_rule *rule = &all->items[all->count++];
        *rule = *from;
        rule->project = stl_strdup(project->name);
        rule->repository = from->repository ? stl_strdup(from->repository) : NULL;
        rule->tags = rule->keep = (struct stl_words){0};
        rule->tags.line = from->tags.line;
        add_words(&rule->tags, &from->tags);
        add_words(&rule->keep, &from->keep);
    }
    for (size_t i = 0; i < before.count; i++) {
        stl_grow(all->items, all->count);
        all->items[all->count++] = before.items[i];
    }
    free(before.items);
}

static int shorter_first(const void *a, const void *b)
{
    const struct stl_project *const *x = a, *const *y = b;
    size_t left = strlen((*x)->name), right = strlen((*y)->name);
    return left < right ? -1 : left > right;
}

int stl_projects_apply(const struct stl_projects *projects, struct stl_access_rules *access,
                       struct stl_limits *limits, struct stl_prune_rules *prune, const char *file,
                       struct stl_error *err)
{
    STL_AUTO_FREE const struct stl_project **order = stl_alloc(projects->count * sizeof *order);
    for (size_t i = 0; i < projects->count; i++) {
        const struct stl_project *project = order[i] = &projects->items[i];
        for (size_t k = 0; k < access->count; k++)
            if (!access->rules[k].project && stl_pattern_below(project->name, access->rules[k].pattern) &&
                !strcmp(access->rules[k].pattern + strlen(project->name), "/**"))
                return stl_error_set(
                    err, STL_INVALID,
                    "%s:%zu: there is a project '%s', at line %zu: say there who may do what", file,
                    access->rules[k].line, project->name, project->line);
        add_rule(project, access);
        add_immutable(project, limits);
    }
    if (projects->count)
        qsort(order, projects->count, sizeof *order, shorter_first);
    for (size_t i = 0; i < projects->count; i++)
        add_prune_rules(order[i], prune);
    return 0;
}
