/*
 * Challenges: how a server says what authorization it wants (RFC 9110, WWW-Authenticate). Only lib/remote
 * uses this.
 */
#ifndef STL_CHALLENGE_H
#define STL_CHALLENGE_H

#include "exchange.h"

/* A parameter of a challenge "<scheme> name=value, name="value" ...": on the heap; NULL: there is none. */
char *stl_challenge_parameter(const char *challenge, const char *name);
/* The challenge of that scheme among the WWW-Authenticate headers: what follows the scheme; NULL: there is
 * none. */
const char *stl_challenge_of(const struct stl_http_answer *answer, const char *scheme);

#endif
