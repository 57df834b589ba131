/*
 * Members of projects (project-roles.h), by a form at the address of bearer tokens: with username and
 * password as for grant_type=password, and
 *
 *   project=NAME                             answers with the members that were added: {"alice":"developer"}
 *   project=NAME member=USER role=ROLE       gives a user a role: guest, developer, maintainer, admin
 *   project=NAME member=USER role=none       takes it away; whoever is logged in is logged out
 *
 * Only the password of an admin of the project gives access to this. Nobody else learns whether the project
 * exists.
 */
#ifndef PROJECT_MEMBERS_H
#define PROJECT_MEMBERS_H

#include "user-tokens.h"

struct member_form {
    const char *project, *user, *role; /* NULL: not given */
};
/* For a client that has just logged in. With `own->verb`, it is about robots (project-tokens.h). */
int manage_members(struct exchange *exchange, const struct member_form *form,
                   const struct user_token_form *own, struct stl_error *err);

#endif
