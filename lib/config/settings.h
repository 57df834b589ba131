/*
 * registry.yaml: the settings. Every key has a default, so an empty file but for `version: 1` is valid.
 */
#ifndef STL_SETTINGS_H
#define STL_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "access-rules.h"
#include "change-limits.h"
#include "err.h"
#include "hooks.h"
#include "mirrors.h"
#include "oidc.h"
#include "projects.h"
#include "prune-rules.h"
#include "retention.h"
#include "trust.h"
#include "upstreams.h"

enum { STL_FORMAT_VERSION = 1 };

struct stl_settings {
    int64_t version;
    char *title;  /* of the web page */
    char *accent; /* its colour, #RRGGBB, or NULL */
    char *logo;   /* the name of a file in www/, or NULL */
    char *group;  /* the web server's group, or NULL: files are readable by all */
    size_t group_line;
    bool apache; /* keep _refs/ for Apache */
    struct {
        int64_t manifest_size; /* bytes */
        int64_t upload_expiry; /* seconds */
        int64_t open_uploads;  /* of one user or network; 0: no limit */
        int64_t open_bytes;    /* that these may hold together; 0: no limit */
        int64_t slowest_body;  /* minimum bytes per second on average; 0: no minimum */
        bool sparse_indexes;   /* an index may be pushed before its manifests */
        bool sparse_images;    /* an image may be pushed before its blobs */
        bool delete_tags, delete_manifests, delete_blobs;
        bool auto_create; /* a push makes the repository that it goes to */
    } push;
    struct stl_retention retention;
    struct stl_prune_rules prune;
    struct stl_access_rules access_rules; /* access, groups; and what projects say */
    struct stl_projects projects;
    struct {
        int64_t token_life;     /* seconds for which a bearer token is valid */
        bool trust_remote_user; /* the web server has checked the password and passes the user in
                                   REMOTE_USER */
        int64_t
            user_tokens; /* longest life, in seconds, of tokens that users make; 0: users cannot make any */
        char *url;       /* "https://HOST" at which clients reach the registry; NULL: the one they used */
        struct stl_oidc oidc; /* who logs in with a token of another system */
    } auth;
    struct {
        char **origins; /* "https://HOST" of other sites whose pages may read the registry; used in the
                           web server's configuration */
        size_t count;
    } cors;
    struct stl_limits limits; /* immutable, quotas */
    struct stl_hooks hooks;   /* of all repositories, besides those of projects */
    struct {
        int64_t size; /* bytes of log/events.jsonl before it is rotated; 0: no log */
    } events;
    struct stl_trust trust; /* whose bundles are accepted */
    struct stl_mirrors mirrors;
    struct stl_upstreams upstreams;
};

void stl_settings_init(struct stl_settings *settings); /* the defaults */
void stl_settings_clear(struct stl_settings *settings);
/* Reads the text of registry.yaml over the defaults. `file` is for messages: "FILE:LINE: ...". */
int stl_settings_parse(struct stl_settings *settings, const char *file, const char *text, size_t length,
                       struct stl_error *err);

/* Whether an image of repository `name` may be there before its blobs; an index, before its manifests. In a
 * repository that is filled while it is pulled, this is so. */
bool stl_settings_sparse_images(const struct stl_settings *settings, const char *name);
bool stl_settings_sparse_indexes(const struct stl_settings *settings, const char *name);

/* The hooks of a project, or NULL if there is no such project; `project` NULL: those of all repositories. */
const struct stl_hooks *stl_settings_hooks(const struct stl_settings *settings, const char *project);
/* Whether any of them is set. */
bool stl_settings_has_hooks(const struct stl_settings *settings);

#endif
