/*
 * Users and their passwords: auth/htpasswd, lines "name:hash".
 *
 * Hashes are bcrypt, "$2y$", which nginx (auth_basic) and Apache (AuthUserFile) understand as well. Lines
 * that others put there (htpasswd -B) are kept as they are, and count if crypt(3) knows their hash. A change
 * replaces the file in one step, under STL_LOCK_USERS, and is durable on return. The file is for stillage's
 * account, and the web server's group if registry.yaml names one.
 */
#ifndef STL_USERS_H
#define STL_USERS_H

#include <stdbool.h>

#include "policy.h"
#include "registry.h"

enum { STL_PASSWORD_MAX = 72 }; /* bytes: bcrypt ignores the rest */

/* Fails with STL_CONFLICT if there is such a user; STL_INVALID if name or password is not possible. */
int stl_users_add(const struct stl_registry *registry, const char *name, const char *password,
                  struct stl_error *err);
/* Fail with STL_INVALID if there is no such user. */
int stl_users_change(const struct stl_registry *registry, const char *name, const char *password,
                     struct stl_error *err);
int stl_users_remove(const struct stl_registry *registry, const char *name, struct stl_error *err);

/* Whether the password is right: 1, 0, or -1 on error. Takes the same time whether or not there is such a
 * user. */
int stl_users_check(const struct stl_registry *registry, const char *name, const char *password,
                    struct stl_error *err);
bool stl_users_has(const struct stl_registry *registry, const char *name);
/* Whether there are users, or have been: the file stays, empty, when the last of them goes. */
bool stl_users_exist(const struct stl_registry *registry);

/* Calls `visit` for each user, in the order of the file, until it returns non-zero. `usable`: crypt(3) knows
 * the hash. */
typedef int stl_users_visit(void *context, const char *name, bool usable, struct stl_error *err);
int stl_users_each(const struct stl_registry *registry, stl_users_visit *visit, void *context,
                   struct stl_error *err);

#endif
