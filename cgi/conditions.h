/*
 * Conditions of a request (RFC 9110, section 13): If-Match and If-None-Match. The entity tag of a manifest or
 * blob is its digest, which is a strong one; lists have none. There is no Last-Modified, so
 * If-Modified-Since and If-Unmodified-Since are ignored (13.1.3, 13.1.4).
 *
 * Conditions are evaluated for what exists, and only if the request would succeed without them (13.2.1).
 */
#ifndef CONDITIONS_H
#define CONDITIONS_H

#include "digest.h"
#include "request.h"

/* Whether a condition forbids it: fails with STL_PRECONDITION_FAILED. `what` is for the message; `current` is
 * NULL where it has no entity tag. */
int conditions_check(const struct request *request, bool exists, const char *what,
                     const struct stl_digest *current, struct stl_error *err);

/* The same for GET and HEAD of what exists, where If-None-Match is no failure: *unchanged says that 304 is
 * the answer. */
int conditions_check_read(const struct request *request, const char *what, const struct stl_digest *current,
                          bool *unchanged, struct stl_error *err);

#endif
