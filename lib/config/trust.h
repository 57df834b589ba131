/*
 * Whose bundles are accepted: the section `bundles:` of registry.yaml.
 *
 *   bundles:
 *     trust: [keys/release.pub]    files of public keys (lib/bundle/signature.h), below the registry's folder
 *
 * With this list, a bundle must be signed with one of these keys; with an empty list, none is accepted.
 */
#ifndef STL_TRUST_H
#define STL_TRUST_H

#include <stdbool.h>
#include <stddef.h>

struct stl_trust {
    char **files;
    size_t count;
    bool asks; /* there is such a list */
};

void stl_trust_clear(struct stl_trust *trust);

/* The path of key `i`. The caller frees. */
char *stl_trust_path(const struct stl_trust *trust, size_t i, const char *registry);

#endif
