#include "project-robots.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "bearer.h"
#include "project-roles.h"
#include "users.h"

/* "team/lib" and "ci": "team+lib+ci" */
static int make_user(const struct stl_project *project, const char *name, char user[STL_USER_MAX + 1],
                     struct stl_error *err)
{
    STL_AUTO_FREE char *all = stl_sprintf("%s+%s", project->name, name);
    for (char *p = all; *p; p++)
        if (*p == '/')
            *p = '+';
    if (!*name || strpbrk(name, "+/"))
        return stl_error_set(err, STL_INVALID, "a robot needs a name, without '+' and '/'");
    if (stl_user_name_check(all, err))
        return -1;
    memcpy(user, all, strlen(all) + 1);
    return 0;
}

bool stl_project_robot_belongs(const struct stl_project *project, const struct stl_robot *robot)
{
    const char *name = project->name, *user = robot->user;
    for (; *name; name++, user++)
        if (*user != (*name == '/' ? '+' : *name))
            return false;
    return *user == '+' && !strchr(user + 1, '+') && stl_pattern_below(project->name, robot->repository);
}

struct search {
    const struct stl_project *project;
    const char *id, *user;  /* or NULL: any */
    struct stl_robot found; /* the last match */
    size_t count;
};

static int match(void *context, const struct stl_robot *robot, struct stl_error *err)
{
    struct search *search = context;
    (void)err;
    if (stl_project_robot_belongs(search->project, robot) &&
        (!search->id || !strncmp(robot->id, search->id, strlen(search->id))) &&
        (!search->user || !strcmp(robot->user, search->user))) {
        search->found = *robot;
        search->count++;
    }
    return 0;
}

static unsigned actions_of(enum stl_project_role role)
{
    unsigned actions = 0;
    for (unsigned action = 0; action < STL_ACTIONS; action++)
        if (stl_project_least_role((enum stl_action)action) <= role)
            actions |= 1u << action;
    return actions;
}

int stl_project_robot_create(const struct stl_registry *registry, const struct stl_project *project,
                             const char *name, const char *role, int64_t expires, struct stl_robot *robot,
                             char token[STL_ROBOT_TOKEN], struct stl_error *err)
{
    struct search search = {.project = project};
    enum stl_project_role parsed;
    *robot = (struct stl_robot){.created = time(NULL), .expires = expires};
    if (make_user(project, name, robot->user, err) || stl_project_role_parse(role, &parsed, err))
        return -1;
    if (parsed == STL_PROJECT_ADMIN)
        return stl_error_set(err, STL_INVALID, "a robot is no admin: use guest, developer or maintainer");
    if (stl_users_has(registry, robot->user))
        return stl_error_set(err, STL_INVALID, "'%s' is a user with a password: give the robot another name",
                             robot->user);
    snprintf(robot->name, sizeof robot->name, "%s", name);
    snprintf(robot->repository, sizeof robot->repository, "%s/**", project->name);
    robot->actions = actions_of(parsed);
    if (stl_robot_each(registry, match, &search, err))
        return -1;
    if (search.count >= STL_PROJECT_ROBOTS_MAX)
        return stl_error_set(err, STL_DENIED, "project '%s' has %zu tokens of robots: remove some first",
                             project->name, search.count);
    return stl_project_members_set(registry, project, robot->user, role, err) ||
                   stl_bearer_revoke(registry, robot->user, err)
               ? -1
               : stl_robot_create(registry, robot, token, err);
}

int stl_project_robot_remove(const struct stl_registry *registry, const struct stl_project *project,
                             const char *id, struct stl_robot *robot, struct stl_error *err)
{
    struct search search = {.project = project, .id = id}, others = {.project = project};
    struct stl_error ignored = STL_ERROR_INIT;
    if (stl_robot_each(registry, match, &search, err))
        return -1;
    if (!*id || search.count != 1)
        return stl_error_set(err, STL_INVALID,
                             search.count > 1
                                 ? "several robots of '%s' have a token '%.20s': give more digits"
                                 : "no robot of '%s' has a token '%.20s'",
                             project->name, id);
    if (stl_robot_remove(registry, search.found.id, robot, err))
        return -1;
    others.user = search.found.user;
    if (stl_robot_each(registry, match, &others, err))
        return -1;
    if (!others.count) /* an error is ignored: the role may be gone already */
        stl_project_members_set(registry, project, others.user, NULL, &ignored);
    return stl_bearer_revoke(registry, others.user, err);
}
