/*
 * Projects: repositories that belong together, and the people who work on them; the section `projects:` of
 * registry.yaml.
 *
 *   projects:
 *     - name: team               the repository team, and all below it: team/app, team/lib/x
 *       visibility: private      public: everybody may pull
 *       admin: [alice]           names, group:NAME, user (everybody who has logged in); as in access:
 *       maintainer: [bob]
 *       developer: [group:devs]
 *       guest: [user]
 *       quota:                   of all of it (project-quota.h)
 *         size: 100GB            bytes of blobs, each counted once
 *         tags: 1000
 *         repositories: 50
 *       immutable: ["v*"]        tags that stay, as under immutable:
 *       prune: [...]             rules as under prune:, which go before those
 *       hooks: {...}             as under hooks:, which run first
 *
 *              pull   push   delete   admin (create, describe, delete repositories)
 *   guest       x
 *   developer   x      x
 *   maintainer  x      x       x
 *   admin       x      x       x        x
 *
 * A project acts like one rule of access: that decides all four actions, so wider rules do not apply in it,
 * and narrower ones do. 'stillage project' and the project's admins add members, who are kept elsewhere
 * (project-roles.h). If projects are nested, the innermost counts.
 */
#ifndef STL_PROJECTS_H
#define STL_PROJECTS_H

#include "access-rules.h"
#include "change-limits.h"
#include "hooks.h"
#include "prune-rules.h"

enum stl_project_role {
    STL_PROJECT_GUEST,
    STL_PROJECT_DEVELOPER,
    STL_PROJECT_MAINTAINER,
    STL_PROJECT_ADMIN,
    STL_PROJECT_ROLES
};

/* What a project may hold. */
enum stl_project_amount {
    STL_PROJECT_SIZE, /* bytes of blobs */
    STL_PROJECT_TAGS,
    STL_PROJECT_REPOSITORIES,
    STL_PROJECT_AMOUNTS
};

struct stl_project {
    char *name;
    size_t line; /* of registry.yaml */
    bool is_public;
    struct stl_words members[STL_PROJECT_ROLES];
    int64_t quota[STL_PROJECT_AMOUNTS]; /* -1: no limit */
    struct stl_words immutable;
    struct stl_prune_rules prune;
    struct stl_hooks hooks;
};

struct stl_projects {
    struct stl_project *items;
    size_t count;
};

const char *stl_project_role_name(enum stl_project_role role);
/* Fails with STL_INVALID. */
int stl_project_role_parse(const char *text, enum stl_project_role *role, struct stl_error *err);
/* The least role that may do that. */
enum stl_project_role stl_project_least_role(enum stl_action action);
/* "size", "tags" or "repositories". */
const char *stl_project_amount_name(enum stl_project_amount amount);
bool stl_project_has_quota(const struct stl_project *project);
/* From now on everything is counted, and nothing is refused. */
void stl_projects_lift_quotas(struct stl_projects *projects);
void stl_projects_clear(struct stl_projects *projects);
/* The project of that name, or NULL. */
const struct stl_project *stl_projects_find(const struct stl_projects *projects, const char *name);
/* The project that a repository belongs to, or NULL. */
const struct stl_project *stl_projects_of(const struct stl_projects *projects, const char *repository);

/* Adds what the projects say to the rules, which the caller finishes then. Fails where access: has a rule for
 * the same repositories. `file` is for messages. */
int stl_projects_apply(const struct stl_projects *projects, struct stl_access_rules *access,
                       struct stl_limits *limits, struct stl_prune_rules *prune, const char *file,
                       struct stl_error *err);

#endif
