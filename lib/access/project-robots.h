/*
 * Robots of a project: members of it without a password, with a token (robot.h). One is called
 * PROJECT+NAME, with `+` for `/`, which no other user is. It has a role (project-roles.h), and its token
 * opens nothing outside the project.
 */
#ifndef STL_PROJECT_ROBOTS_H
#define STL_PROJECT_ROBOTS_H

#include "registry.h"
#include "robot.h"

enum { STL_PROJECT_ROBOTS_MAX = 100 };

/* Makes a robot, or another token for one, and gives it the role: "guest", "developer" or "maintainer".
 * `expires`: seconds since 1970; 0: never. Sets *robot. Durable on return. Fails with STL_INVALID, and with
 * STL_DENIED if there are too many. */
int stl_project_robot_create(const struct stl_registry *registry, const struct stl_project *project,
                             const char *name, const char *role, int64_t expires, struct stl_robot *robot,
                             char token[STL_ROBOT_TOKEN], struct stl_error *err);
/* Whether that is a token of one of the project's robots. */
bool stl_project_robot_belongs(const struct stl_project *project, const struct stl_robot *robot);
/* Removes the token whose id begins with `id`, and with the last token of a robot its role; the robot is
 * logged out. Fails with STL_INVALID unless there is exactly one. */
int stl_project_robot_remove(const struct stl_registry *registry, const struct stl_project *project,
                             const char *id, struct stl_robot *robot, struct stl_error *err);

#endif
