/*
 * Robots of projects (lib/access/project-robots.h), by a form at the address of bearer tokens, as for members
 * (project-members.h): with username and password, project=NAME, and
 *
 *   token=create   name, role, expires "90d" (unless given; up to a year); answers with the token, once
 *   token=ls       answers with a list of them, without their secrets
 *   token=rm       id; whoever is logged in with it is logged out
 */
#ifndef PROJECT_TOKENS_H
#define PROJECT_TOKENS_H

#include "projects.h"
#include "user-tokens.h"

/* For an admin of the project, who has just logged in. */
int manage_robots(struct exchange *exchange, const struct stl_project *project,
                  const struct user_token_form *form, const char *role, struct stl_error *err);

#endif
