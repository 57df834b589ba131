/*
 * Access control: who somebody is, what they may do, and which repositories need no token.
 *
 * A registry has access control when registry.yaml has rules or auth/htpasswd exists; else everybody may do
 * everything (and the web server decides who gets through to stillage.cgi). With it, what no rule allows is
 * denied. The file stays when the last user goes, so that this closes the registry and does not open it: to
 * do that, it has to be deleted.
 *
 * The web server decides about pulls by looking for files, so what the rules say about everybody is written
 * down as files: auth/public/<repository>/_ok exists if anonymous may pull. auth/public is a symbolic link to
 * auth/public.<stamp>/, so that all of it changes in one step when registry.yaml does. www/v2/_anonymous is
 * the answer to who asks for a token without logging in. www/v2/_closed tells web servers that were set up
 * while there was no access control: they refuse all pulls.
 */
#ifndef STL_ACCESS_H
#define STL_ACCESS_H

#include "policy.h"
#include "registry.h"

/* Actions on the repositories that match a pattern; a name is a pattern that matches itself. */
struct stl_grant {
    char repository[STL_NAME_MAX + 1];
    unsigned actions; /* 1 << STL_PULL | ... */
};

/* Somebody, and what narrows their rights down: a robot's token, and a bearer token. */
struct stl_identity {
    char user[STL_USER_MAX + 1]; /* "": not logged in */
    bool is_robot;
    struct stl_grant robot; /* if is_robot */
    bool is_bearer;
    struct stl_grant *grants; /* if is_bearer */
    size_t grant_count;
    bool catalog; /* may list repositories: true unless is_bearer and not asked for */
};

/* Nobody known. */
#define STL_IDENTITY_ANONYMOUS                                                                               \
    {                                                                                                        \
        .catalog = true                                                                                      \
    }
void stl_identity_clear(struct stl_identity *identity);
#define STL_AUTO_IDENTITY __attribute__((cleanup(stl_identity_clear)))

bool stl_access_controlled(const struct stl_registry *registry);
/* Whether they may do that now. What everybody may do, everybody may do with any token. */
bool stl_access_allows(const struct stl_registry *registry, const struct stl_identity *identity,
                       const char *repository, enum stl_action action);
/* Whether the catalog may tell them of a repository: if they may pull it, or could with another bearer token.
 */
bool stl_access_lists(const struct stl_registry *registry, const struct stl_identity *identity,
                      const char *repository);

/* Brings auth/public into line with the rules if registry.yaml has changed since. Call it before serving a
 * request, and when users come or go. Costs two system calls when nothing has changed. */
int stl_access_refresh(const struct stl_registry *registry, struct stl_error *err);
/* The same, unconditionally. */
int stl_access_apply(const struct stl_registry *registry, struct stl_error *err);
/* Marks a new repository, before anybody can ask for it, if it is public. Part of stl_repo_make(). */
int stl_access_mark(const struct stl_registry *registry, const struct stl_name *name, struct stl_error *err);

#endif
