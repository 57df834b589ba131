/*
 * Who sends a request, and whether they may.
 *
 * In a registry with access control, clients identify themselves by a bearer token, by name and password
 * (Basic, for curl), or, if registry.yaml trusts it, by REMOTE_USER. A client that lacks a right gets 401
 * with a challenge for a bearer token that would have it (distribution project, "Token Authentication
 * Specification"), whether or not what it asked for exists.
 */
#ifndef AUTH_H
#define AUTH_H

#include "route.h"

#define AUTH_SERVICE "stillage"
#define AUTH_TOKEN_PATH "/v2/_token"

/* Identifies the client, and brings what the web server knows of the rules up to date; to be called first.
 * Fails with STL_UNAUTHORIZED or STL_TOO_MANY_REQUESTS if a wrong password was sent. The exchange owns the
 * identity. */
int auth_identify(struct exchange *exchange, struct stl_error *err);
void auth_clear(struct exchange *exchange);

/* Whether the client may do that with the repository of the request. Fails with STL_UNAUTHORIZED, or
 * STL_NO_ACCESS if it is known, and sets the challenge; with STL_DENIED if no other token could help. A mount
 * also needs pull on its source: the challenge asks for that, too, and is sent even if that is all that a
 * token lacks. */
int auth_require(struct exchange *exchange, enum stl_action action, struct stl_error *err);
/* The same for the catalog, and for GET /v2/, which accepts any token, even the anonymous one. */
int auth_require_catalog(struct exchange *exchange, struct stl_error *err);
int auth_require_token(struct exchange *exchange, struct stl_error *err);

/* Logs the denial, within the limits of event.h; denials of clients that have not logged in are not logged.
 * */
void auth_report_denial(const struct exchange *exchange, const char *repository, enum stl_action action);

/* Checks a name and a password, which may be an ID token; logs failures. On success it is
 * exchange->identity. */
int auth_login(struct exchange *exchange, const char *name, const char *password, struct stl_error *err);
/* The bearer token that was sent, of whatever kind; or NULL. */
const char *auth_bearer(const struct exchange *exchange);

#endif
