/*
 * Tokens that users make for themselves (robot.h), by a form at the address of bearer tokens: with
 * username and password as for grant_type=password, and
 *
 *   token=create   name, scope "repository:PATTERN:ACTION,...", expires "90d"; answers with the token, once
 *   token=ls       answers with a list of the user's tokens, without their secrets
 *   token=rm       id; whoever is logged in with it is logged out
 *
 * Only a password gives access to this: not another token, nor an ID token. A token can do no more than its
 * user.
 */
#ifndef USER_TOKENS_H
#define USER_TOKENS_H

#include "robot.h"
#include "route.h"

enum { USER_TOKENS_MAX = 100 }; /* of one user */

struct user_token_form {
    const char *verb, *id, *name, *expires, *scope; /* NULL: not given */
};
/* Whether users make tokens here, and the client is one of them: nobody anonymous, no robot, no ID token. */
bool may_have_user_tokens(const struct exchange *exchange);
/* What a token is, without its secret. */
struct json_object *describe_token(const struct stl_robot *robot);
/* For a client that has just logged in. */
int manage_user_tokens(struct exchange *exchange, const struct user_token_form *form, struct stl_error *err);

#endif
