/*
 * Logging in with a name and a password, which may be a robot's token.
 *
 * Guessing is slowed down: each failure of a name from an address (of IPv6: from its first 64 bits) is one
 * byte in a file of auth/failures/, and after a few of them no password is looked at before some time has
 * passed, twice as long each time. What counts lives in files, so it holds for all processes. It is forgotten
 * after an hour or two, or with the first success. The same name from elsewhere is not slowed down, so nobody
 * can lock somebody else out.
 */
#ifndef STL_LOGIN_H
#define STL_LOGIN_H

#include "access.h"

enum {
    STL_LOGIN_FREE_FAILURES = 5,
    STL_LOGIN_DELAY_MAX = 900, /* seconds */
};

/* On success the caller clears *who. Fails with STL_UNAUTHORIZED, whatever was wrong, and
 * STL_TOO_MANY_REQUESTS: then *retry_after are the seconds to wait. */
int stl_login(const struct stl_registry *registry, const char *name, const char *password,
              const char *address, struct stl_identity *who, int64_t *retry_after, struct stl_error *err);

#endif
