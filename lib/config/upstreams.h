/*
 * Where images come from that are pulled here but not stored here yet: the section `upstream:` of
 * registry.yaml.
 *
 *   upstream:
 *     - prefix: hub                      hub/NAME here is NAME there; without this line: every name
 *       from: docker.io                  HOST[:PORT][/PREFIX]
 *       fresh-for: 1h                    how long a tag is taken for up to date; 0s: for ever
 *       plain-http: false                true: without TLS
 *       any-address: false               true: follow it also to addresses that are nearer than its own
 *       ca: /etc/ssl/private-ca.pem      certificates to trust instead of the system's
 *
 * If several prefixes match, the longest counts.
 */
#ifndef STL_UPSTREAMS_H
#define STL_UPSTREAMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct stl_upstream {
    char *prefix; /* NULL: every name */
    char *from;
    char *ca;          /* a path, or NULL */
    int64_t fresh_for; /* seconds; 0: for ever */
    bool plain, any_address;
};

struct stl_upstreams {
    struct stl_upstream *items;
    size_t count;
};

/* The one that repository `name` of this registry comes from, or NULL. */
const struct stl_upstream *stl_upstreams_find(const struct stl_upstreams *upstreams, const char *name);
/* What the repository is called there, with the host: "docker.io/library/nginx". On the heap. */
char *stl_upstream_name(const struct stl_upstream *upstream, const char *name);
void stl_upstreams_clear(struct stl_upstreams *upstreams);

#endif
