/*
 * The public keys of the issuers of ID tokens: auth/oidc-keys, which `stillage oidc` writes and stillage.cgi
 * reads. A key that its issuer no longer names is used for another hour: tokens signed with it may still be
 * in use.
 */
#ifndef STL_ISSUER_KEYS_H
#define STL_ISSUER_KEYS_H

#include "json.h"
#include "registry.h"

enum {
    STL_ISSUER_KEYS_MAX = 100,        /* of one issuer */
    STL_ISSUER_KEYS_TEXT = 256 << 10, /* bytes of what an issuer publishes */
    STL_ISSUER_KEYS_GRACE = 3600,     /* seconds */
};

/* All of them; an empty object if none were fetched. NULL on error; the caller puts it. */
struct json_object *stl_issuer_keys_load(const struct stl_registry *registry, struct stl_error *err);
/* The key of that name that may be used at `now`; NULL: there is none. Lives as long as `all`. */
struct json_object *stl_issuer_keys_find(struct json_object *all, const char *issuer, const char *kid,
                                         int64_t now);

/* For each key: `gone` is when the issuer was found to have dropped it; 0: it is current. */
typedef void stl_issuer_keys_visit(void *context, const char *kid, const char *type, int64_t gone);
/* Returns when the issuer's keys were stored last; 0: never. */
int64_t stl_issuer_keys_each(struct json_object *all, const char *issuer, stl_issuer_keys_visit *visit,
                             void *context);

struct stl_issuer_keys_count {
    size_t current, kept; /* kept: no longer named, but used for a while */
    size_t ignored;       /* of a kind that is not used, or weak ... */
    struct stl_error why; /* ... the last of them */
};

/* Stores what an issuer publishes (a JSON Web Key Set), in one step, durable on return. `drop`: keys that it
 * no longer names are dropped at once. Forgets issuers that registry.yaml does not name. Fails with
 * STL_INVALID if none of the keys can be used: then nothing changes. */
int stl_issuer_keys_put(const struct stl_registry *registry, const char *issuer, const char *text,
                        size_t length, int64_t now, bool drop, struct stl_issuer_keys_count *count,
                        struct stl_error *err);

#endif
