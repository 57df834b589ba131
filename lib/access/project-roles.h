/*
 * Members of projects (projects.h) besides those that registry.yaml names: what 'stillage project' and the
 * admins of a project change.
 *
 *   auth/projects/<project>   {"NAME":"developer",...}; <project> with `~` for `/`
 *
 * They count where the project's rule decides, and not where a narrower rule of `access:` does. A file that
 * cannot be read gives nobody any right. Projects that registry.yaml no longer has keep theirs, unused.
 */
#ifndef STL_PROJECT_ROLES_H
#define STL_PROJECT_ROLES_H

#include "json.h"
#include "registry.h"

/* Whether the user is a member of the project whose role lets them do that. */
bool stl_project_members_allow(const struct stl_registry *registry, const char *project, const char *user,
                               enum stl_action action);
/* All of them, for the caller to put: NAME to role. NULL on error. */
struct json_object *stl_project_members_read(const struct stl_registry *registry,
                                             const struct stl_project *project, struct stl_error *err);
/* Gives a user a role, "guest" to "admin", or (NULL) takes it away; durable on return. Fails with STL_INVALID,
 * and with STL_NOT_FOUND if there is nothing to take away. */
int stl_project_members_set(const struct stl_registry *registry, const struct stl_project *project,
                            const char *user, const char *role, struct stl_error *err);

#endif
