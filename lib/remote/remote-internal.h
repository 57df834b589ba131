/*
 * For lib/remote/remote*.c only.
 */
#ifndef STL_REMOTE_INTERNAL_H
#define STL_REMOTE_INTERNAL_H

#include "remote.h"

/* Answers the challenge of a 401. Returns 1 if there is a new authorization, 0 if there is nothing more to
 * offer, or -1. */
int stl_remote_authorize(struct stl_remote *remote, const struct stl_http_answer *answer,
                         struct stl_error *err);
/* Gets a new token if the present one is about to expire. */
int stl_remote_renew(struct stl_remote *remote, struct stl_error *err);

/* A parameter of a challenge "<scheme> name=value, name="value" ...": on the heap; NULL: there is none. */
char *stl_remote_parameter(const char *challenge, const char *name);
/* The challenge of that scheme among the WWW-Authenticate headers: what follows the scheme; NULL: there is
 * none. */
const char *stl_remote_challenge(const struct stl_http_answer *answer, const char *scheme);

#endif
