/*
 * Bearer tokens: short-lived, opaque, bound to a user, to repositories and to actions (docs of the
 * distribution project, "Token Authentication Specification").
 *
 * A token is "<second at which it ends>.<256 random bits>". It is valid while its files exist and that second
 * has not passed, which a web server can test without starting a process. <slot> is its first eight digits:
 *
 *   auth/tokens/<slot>/<token>                    for stillage.cgi: its user and everything that it grants
 *   auth/tokens/<slot>/pull/<repository>/_<token> the same file: the token may pull this repository
 *   auth/tokens/<slot>/sets/<hash>                symbolic link <token>: the same request gets the same token
 *   auth/tokens/<slot>/users/<hash>               a byte for each token of this user
 *   auth/tokens/<slot>/used/<hash>                an ID token that was used and cannot be again (id-token.h)
 *
 * So a token takes two inodes, however many repositories it gives access to. The folders are shared by all
 * tokens of a slot and exist only for existing repositories; for a repository that is made later, the link is
 * made at the first request to stillage.cgi (stl_bearer_open). A user has at most STL_BEARER_LIVE_MAX of
 * them. Tokens expire by themselves; issuing one removes some of the files of expired tokens, and `stillage
 * gc` removes all of them. The files are not durable: if a token is lost in a crash, the client asks for a
 * new one.
 *
 * Anonymous clients get the token STL_BEARER_ANONYMOUS. It has no files: it is good only for what
 * everybody may pull.
 */
#ifndef STL_BEARER_H
#define STL_BEARER_H

#include "access.h"

enum {
    STL_BEARER_TEXT = 10 + 1 + 43 + 1,
    STL_BEARER_GRANTS_MAX = 100,
    STL_BEARER_LIVE_MAX = 1000, /* different tokens that a user has at a time */
};

/* Issues a token for `who` with the given grants; the caller has checked that `who` has these rights.
 * It lives as long as registry.yaml says, and no longer than `who` (ends).
 * *expires: the second from which the token is no longer valid. Fails with STL_TOO_MANY_REQUESTS if the user
 * has STL_BEARER_LIVE_MAX others. */
int stl_bearer_issue(const struct stl_registry *registry, const struct stl_identity *who,
                     const struct stl_grant *grants, size_t grant_count, bool catalog,
                     char token[STL_BEARER_TEXT], int64_t *expires, struct stl_error *err);
/* Whether a token is valid now: returns 1 and sets *who, which the caller clears; 0; or -1 on error. */
int stl_bearer_find(const struct stl_registry *registry, const char *token, struct stl_identity *who,
                    struct stl_error *err);
/* Lets the web server know that the token may pull the repository, if the token grants that and the
 * repository exists; for repositories made after the token. `who` is the result of stl_bearer_find(). */
int stl_bearer_open(const struct stl_registry *registry, const char *token, const struct stl_identity *who,
                    const char *repository, struct stl_error *err);
/* Revokes all tokens of a user at once, and all that cannot be read. On error, the others are revoked all the
 * same: the message names the first thing that is left. */
int stl_bearer_revoke(const struct stl_registry *registry, const char *user, struct stl_error *err);
/* Notes that something which ends at that second has been used. Returns 1, 0 if it had been, or -1. */
int stl_bearer_use_once(const struct stl_registry *registry, const char *what, int64_t ends,
                        struct stl_error *err);
/* Removes up to `budget` files and folders of expired tokens. */
int stl_bearer_sweep(const struct stl_registry *registry, size_t budget, struct stl_error *err);

#endif
