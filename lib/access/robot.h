/*
 * Robot tokens: long-lived passwords for programs, bound to repositories and actions.
 *
 * A token is "stl_" and 256 random bits. It is shown once; auth/robots/ keeps its sha256 as the name of a
 * file that says what it is for. (A fast hash is enough: random tokens cannot be guessed.) With it, a program
 * logs in under its user's name, and may do what both the rules for that user and the token allow. The user
 * need not have a password.
 */
#ifndef STL_ROBOT_H
#define STL_ROBOT_H

#include "access-rules.h"
#include "registry.h"

#define STL_ROBOT_PREFIX "stl_"
enum { STL_ROBOT_TOKEN = 4 + 43 + 1, STL_ROBOT_ID = 12 + 1, STL_ROBOT_NAME_MAX = 64 };

struct stl_robot {
    char id[STL_ROBOT_ID]; /* the first digits of the hash: for listing and removing tokens */
    char user[STL_USER_MAX + 1];
    char name[STL_ROBOT_NAME_MAX + 1]; /* what it is for, in the user's words: one line of UTF-8; "": none */
    char repository[STL_NAME_MAX + 1]; /* a pattern */
    unsigned actions;                  /* 1 << STL_PULL | ... */
    int64_t created, expires;          /* seconds since 1970; expires 0: never */
    int64_t used; /* when somebody last logged in with it, to a minute or so; 0: never. Set when it is read */
};

/* Makes a token; durable on return. Reads all of `robot` except the id, which it sets. Fails with
 * STL_INVALID. */
int stl_robot_create(const struct stl_registry *registry, struct stl_robot *robot,
                     char token[STL_ROBOT_TOKEN], struct stl_error *err);
/* Whether a token is valid now: returns 1 and sets *robot, 0, or -1 on error. Notes that it is used: the time
 * of its file. */
int stl_robot_find(const struct stl_registry *registry, const char *token, struct stl_robot *robot,
                   struct stl_error *err);
/* Calls `visit` for each token, expired ones too, in no particular order, until it returns non-zero, which is
 * returned. Files that cannot be read are skipped; then it returns -1 at the end, and the message names the
 * first of them. */
typedef int stl_robot_visit(void *context, const struct stl_robot *robot, struct stl_error *err);
int stl_robot_each(const struct stl_registry *registry, stl_robot_visit *visit, void *context,
                   struct stl_error *err);
/* Removes the token whose id begins with `id`, which *robot then describes; robot->user is "" if its file
 * cannot be read. Fails with STL_INVALID unless there is exactly one. */
int stl_robot_remove(const struct stl_registry *registry, const char *id, struct stl_robot *robot,
                     struct stl_error *err);
/* Removes all tokens of a user; *removed: how many. Goes on if a file cannot be read or removed; then it
 * returns -1 at the end, the message names the first of them, and the call can be repeated. */
int stl_robot_remove_user(const struct stl_registry *registry, const char *user, size_t *removed,
                          struct stl_error *err);

#endif
