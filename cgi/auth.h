/*
 * Who sends a request, and whether they may.
 *
 * In a registry with access control somebody is known by a bearer token, by name and password (Basic, for
 * curl), or, if registry.yaml trusts it, by REMOTE_USER. Whoever lacks a right gets 401 with the challenge of
 * a bearer token that would have it (distribution project, "Token Authentication Specification"), and the
 * same whether or not what they asked for exists.
 */
#ifndef AUTH_H
#define AUTH_H

#include "route.h"

#define AUTH_SERVICE "stillage"
#define AUTH_TOKEN_PATH "/v2/_token"

/* Finds out who it is, and brings what the web server knows of the rules up to date: to be called first.
 * Fails with STL_UNAUTHORIZED or STL_TOO_MANY_REQUESTS if a password came that is wrong. The exchange owns
 * the identity. */
int auth_identify(struct exchange *exchange, struct stl_error *err);
void auth_clear(struct exchange *exchange);

/* Whether they may do that with the repository of the request. Fails with STL_UNAUTHORIZED, or STL_NO_ACCESS
 * if they are known, and the challenge is set; with STL_DENIED if no other token could help. A mount needs
 * pull on its source besides: the challenge asks for that, too, and comes as well if that is all that a token
 * lacks. */
int auth_require(struct exchange *exchange, enum stl_action action, struct stl_error *err);
/* The same for the catalog, and for GET /v2/, which only asks for a token, be it that of nobody. */
int auth_require_catalog(struct exchange *exchange, struct stl_error *err);
int auth_require_token(struct exchange *exchange, struct stl_error *err);

/* Writes down that they may not. Whoever lacks a token is not written down: they come back with one, or ask
 * for it. */
void auth_report_denial(const struct exchange *exchange, const char *repository, enum stl_action action);

/* Checks a name and a password; writes down what fails. On success it is exchange->identity. */
int auth_login(struct exchange *exchange, const char *name, const char *password, struct stl_error *err);

#endif
