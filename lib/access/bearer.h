/*
 * Bearer tokens: short-lived, opaque, bound to a user, to repositories and to actions (docs of the
 * distribution project, "Token Authentication Specification").
 *
 * A token is "<second at which it ends>.<256 random bits>". It is good while auth/tokens/<its first eight
 * digits>/<token>/ exists and that second lies ahead, which a web server can test without a process:
 *
 *   auth/tokens/<slot>/<token>/pull/<repository>/_ok    the token may pull this repository
 *   auth/tokens/<slot>/<token>/identity                 for stillage.cgi: whose it is, and all that it grants
 *
 * So tokens end by themselves. Their folders, one for each 100 seconds, are removed by the issuer of a later
 * token. The files are not durable: a token lost in a crash is asked for again.
 *
 * STL_BEARER_ANONYMOUS is the token of those who do not log in. No folder belongs to it: it opens what is
 * open.
 */
#ifndef STL_BEARER_H
#define STL_BEARER_H

#include "access.h"

#define STL_BEARER_ANONYMOUS "anonymous"
enum { STL_BEARER_TEXT = 10 + 1 + 43 + 1, STL_BEARER_GRANTS_MAX = 100 };

/* Issues a token for `who` that is good for what `grants` say; the caller has checked that they may.
 * *expires: the second from which it is good for nothing any more. */
int stl_bearer_issue(const struct stl_registry *registry, const struct stl_identity *who,
                     const struct stl_grant *grants, size_t grant_count, bool catalog,
                     char token[STL_BEARER_TEXT], int64_t *expires, struct stl_error *err);
/* Whether a token is good now: 1 and *who, which the caller clears; 0; or -1 on error. */
int stl_bearer_find(const struct stl_registry *registry, const char *token, struct stl_identity *who,
                    struct stl_error *err);
/* Ends all tokens of a user at once. */
int stl_bearer_revoke(const struct stl_registry *registry, const char *user, struct stl_error *err);
/* Removes the folders of tokens that have ended. */
int stl_bearer_sweep(const struct stl_registry *registry, struct stl_error *err);

#endif
