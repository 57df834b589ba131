/*
 * The description and visibility of a repository: the file tags/_about, which 'stillage repo' and the web
 * page write. A repository that has one was created as such, and stays while it is empty.
 *
 *   {"created":SECONDS,"visibility":"public","description":"TEXT"}
 *
 * It cannot be rebuilt from anything else. `repository` is the open folder of one.
 */
#ifndef STL_ABOUT_H
#define STL_ABOUT_H

#include <stdbool.h>
#include <stdint.h>

#include "registry.h"

enum { STL_DESCRIPTION_MAX = 1000 };

struct stl_about {
    int64_t created; /* seconds since 1970 */
    bool is_public;  /* everybody may pull, unless a rule of registry.yaml says who may (access.h) */
    char description[STL_DESCRIPTION_MAX + 1]; /* one line of UTF-8; "": none */
};

/* Whether there is one: 1, 0 or -1. */
int stl_about_find(int repository, struct stl_error *err);
/* If that cannot be found out, it does: what does not say so may be removed while it is empty. */
bool stl_about_exists(int repository);
/* Returns 1, 0 if there is none (then *about is zero), or -1: STL_DAMAGED if it cannot be understood. */
int stl_about_read(int repository, struct stl_about *about, struct stl_error *err);
/* Replaces it in one step; NULL removes it. Durable on return. Only for stl_access_set_about(), which keeps
 * what the web server knows in line. */
int stl_about_write(const struct stl_root *root, int repository, const struct stl_about *about,
                    struct stl_error *err);

/* One line of at most STL_DESCRIPTION_MAX bytes of UTF-8, without control characters. Fails with
 * STL_INVALID. */
int stl_description_check(const char *text, struct stl_error *err);

#endif
