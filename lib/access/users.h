/*
 * Users and their passwords: auth/htpasswd, lines "name:hash".
 *
 * Hashes are bcrypt, "$2y$", which nginx (auth_basic) and Apache (AuthUserFile) understand as well. Lines
 * that other tools put there (htpasswd -B) are kept as they are, and are valid if crypt(3) supports their
 * hash. A change replaces the file in one step, under STL_LOCK_USERS, and is durable on return. Only
 * stillage's account can read the file, and the web server's group if registry.yaml names one.
 */
#ifndef STL_USERS_H
#define STL_USERS_H

#include <stdbool.h>

#include "access-rules.h"
#include "registry.h"

enum { STL_PASSWORD_MAX = 72 }; /* bytes: bcrypt ignores the rest */
/* Fails with STL_CONFLICT if the user exists; STL_INVALID if name or password is not allowed. */
int stl_users_add(const struct stl_registry *registry, const char *name, const char *password,
                  struct stl_error *err);
/* Fail with STL_INVALID if the user does not exist. */
int stl_users_change(const struct stl_registry *registry, const char *name, const char *password,
                     struct stl_error *err);
int stl_users_remove(const struct stl_registry *registry, const char *name, struct stl_error *err);

/* Whether the password is correct: returns 1, 0, or -1 on error. Takes the same time whether or not the user
 * exists. */
int stl_users_check(const struct stl_registry *registry, const char *name, const char *password,
                    struct stl_error *err);
bool stl_users_has(const struct stl_registry *registry, const char *name);
/* Whether there are or ever were users: the file is kept, empty, when the last of them is removed. */
bool stl_users_exist(const struct stl_registry *registry);

/* Calls `visit` for each user, in the order of the file, until it returns non-zero. `usable`: crypt(3)
 * supports the hash. */
typedef int stl_users_visit(void *context, const char *name, bool usable, struct stl_error *err);
int stl_users_each(const struct stl_registry *registry, stl_users_visit *visit, void *context,
                   struct stl_error *err);

#endif
