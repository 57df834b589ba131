/*
 * Access control: who a client is, what it may do, and which repositories need no token.
 *
 * A registry has access control if registry.yaml has rules or auth/htpasswd exists; otherwise everybody may
 * do everything (and the web server decides who reaches stillage.cgi). With access control, anything that no
 * rule allows is denied, with one exception: if no rule has a line about pulls of a repository, the
 * repository itself may be public (about.h). The file is kept when the last user is removed: the registry is
 * then closed, not open. To open it, delete the file.
 *
 * The web server decides about pulls by looking for files, so the rules for anonymous clients are written as
 * files: auth/public/<repository>/_ok exists if anonymous may pull. auth/public is a symbolic link to
 * auth/public.<stamp>/, so that all of it changes in one step when registry.yaml does. www/v2/_anonymous is
 * the answer to a client that asks for a token without logging in. www/v2/_closed tells web servers that were
 * set up while there was no access control: they refuse all pulls.
 */
#ifndef STL_ACCESS_H
#define STL_ACCESS_H

#include "about.h"
#include "access-rules.h"
#include "repo.h"

/* Actions on the repositories that match a pattern; a name is a pattern that matches itself. */
struct stl_grant {
    char repository[STL_NAME_MAX + 1];
    unsigned actions; /* 1 << STL_PULL | ... */
};

enum { STL_IDENTITY_MAX = 511 };

/* A client, and what decides its rights: the rules for its name, or those that its ID token has matched; and
 * what restricts them: a robot's token and a bearer token. */
struct stl_identity {
    char user[STL_IDENTITY_MAX + 1]; /* "": not logged in; with an ID token: "ISSUER SUBJECT" */
    struct stl_oidc_held oidc;       /* with an ID token: at least one */
    int64_t ends;                    /* the second from which nothing may be issued for it; 0: none */
    bool is_robot;
    struct stl_grant robot; /* if is_robot */
    bool is_bearer;
    struct stl_grant *grants; /* if is_bearer */
    size_t grant_count;
    bool open;    /* the registry has been found without access control, so everybody may do everything */
    bool catalog; /* may list repositories: true unless is_bearer and the token was not issued for it */
};

/* An anonymous client. */
#define STL_IDENTITY_ANONYMOUS                                                                               \
    {                                                                                                        \
        .catalog = true                                                                                      \
    }
void stl_identity_clear(struct stl_identity *identity);
#define STL_AUTO_IDENTITY __attribute__((cleanup(stl_identity_clear)))

#define STL_BEARER_ANONYMOUS "anonymous" /* the bearer token of clients that do not log in */

bool stl_access_controlled(const struct stl_registry *registry);
/* What decides about a user, or a client that is not logged in (NULL), where there is access control: the
 * rules, where a project's rule decides its members (project-roles.h), too, and for pulls the repository's
 * own visibility. `decision` may be NULL. */
bool stl_access_decide(const struct stl_registry *registry, const char *user, const char *repository,
                       enum stl_action action, struct stl_decision *decision);
/* Whether the client may do that now. Anything that everybody may do is allowed with any token. */
bool stl_access_allows(const struct stl_registry *registry, const struct stl_identity *identity,
                       const char *repository, enum stl_action action);
/* Whether everybody may pull it. */
bool stl_access_is_public(const struct stl_registry *registry, const char *repository);
/* Sets the error that says why the client may not: whether a login, a rule or another token is missing. It is
 * the same whether or not the repository exists: STL_UNAUTHORIZED; STL_NO_ACCESS if the client sent a bearer
 * token; or STL_DENIED. */
void stl_access_explain(const struct stl_registry *registry, const struct stl_identity *identity,
                        const char *repository, enum stl_action action, struct stl_error *err);
/* Whether the catalog may show the client a repository: if it may pull it, or could with another bearer
 * token. */
bool stl_access_lists(const struct stl_registry *registry, const struct stl_identity *identity,
                      const char *repository);

/* The actions, as a set (1 << STL_PULL | ...), that the client may do on a repository, or could with another
 * bearer token. */
unsigned stl_access_could(const struct stl_registry *registry, const struct stl_identity *identity,
                          const char *repository);
/* Whether the client manages the members of a project: one of its admins, with their password. */
bool stl_access_manages(const struct stl_registry *registry, const struct stl_identity *identity,
                        const char *project);
/* The names of all projects of which the user is an admin, however they have logged in. */
void stl_access_projects(const struct stl_registry *registry, const struct stl_identity *identity,
                         struct stl_words *names);
/* Adds the patterns of the rules by which the client could administer repositories, which a more specific
 * rule may outweigh; none for an ID token. */
void stl_access_administers(const struct stl_registry *registry, const struct stl_identity *identity,
                            struct stl_words *patterns);

/* Brings auth/public into line with the rules if registry.yaml has changed since. Call it before serving a
 * request, and after adding or removing users. Costs two system calls if nothing has changed. The second says
 * whether there is access control. */
int stl_access_refresh(const struct stl_registry *registry, struct stl_error *err);
int stl_access_look(const struct stl_registry *registry, bool *controlled, struct stl_error *err);
/* The same, unconditionally. */
int stl_access_apply(const struct stl_registry *registry, struct stl_error *err);
/* Whether a repository would be public, or not, if it said so itself: fails with STL_CONFLICT, naming the
 * rule that says otherwise. */
int stl_access_check_visibility(const struct stl_registry *registry, const struct stl_name *name,
                                bool is_public, struct stl_error *err);
/* Replaces what the repository says of itself, and marks it as public, or no longer; NULL removes it. Durable
 * on return. The caller holds STL_LOCK_LISTS. If the process is killed halfway, fewer may pull than before
 * or after. */
int stl_access_set_about(const struct stl_repo *repo, const struct stl_about *about, struct stl_error *err);
/* Marks a new repository as public, if it is, before anybody can ask for it. Part of stl_repo_make(). */
int stl_access_mark(const struct stl_registry *registry, const struct stl_name *name, struct stl_error *err);

#endif
