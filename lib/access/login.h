/*
 * Logging in with a name and a password, which may be a robot's token, or, with any name, an ID token
 * (id-token.h).
 *
 * Guessing is slowed down (throttle.h): after a few failed logins with one name from one address (for IPv6:
 * its first 64 bits), no password is checked until some time has passed, twice as long each time; after many
 * failures with any names from that address, passwords are checked one by one. An attempt counts as a failure
 * until it succeeds; a success also clears the failures of that name from that address. The same name from
 * elsewhere is not slowed down, so nobody can lock somebody else out; neither is a valid token. Only a few
 * passwords are checked at the same time, because each takes a tenth of a second of CPU time.
 */
#ifndef STL_LOGIN_H
#define STL_LOGIN_H

#include "access.h"

enum {
    STL_LOGIN_FREE_FAILURES = 5,    /* of a name from an address */
    STL_LOGIN_DELAY_MAX = 900,      /* seconds */
    STL_LOGIN_FREE_OF_NETWORK = 50, /* of all names from an address */
    STL_LOGIN_AT_ONCE = 4,          /* passwords that are checked at the same time */
    STL_LOGIN_PATIENCE = 5,         /* seconds to wait for one's turn */
};

/* On success the caller clears *who. Fails with STL_UNAUTHORIZED, whatever was wrong (for an ID token, it
 * says what, and who->user is the subject if that is known), or with STL_TOO_MANY_REQUESTS or
 * STL_UNAVAILABLE: then *retry_after is the number of seconds to wait. */
int stl_login(const struct stl_registry *registry, const char *name, const char *password,
              const char *address, struct stl_identity *who, int64_t *retry_after, struct stl_error *err);

#endif
