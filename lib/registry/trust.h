/*
 * Whose bundles are let in: the section `bundles:` of registry.yaml.
 *
 *   bundles:
 *     trust: [keys/release.pub]    files of public keys (lib/bundle/signature.h), below the registry's folder
 *
 * With at least one key, a bundle has to be signed by one of them.
 */
#ifndef STL_TRUST_H
#define STL_TRUST_H

#include <stddef.h>

#include "yaml.h"

struct stl_trust {
    char **files;
    size_t count;
};

/* A reader for struct stl_yaml_key; the target is the struct stl_trust. */
int stl_trust_read(struct stl_yaml *yaml, yaml_node_t *node, void *target, struct stl_error *err);
void stl_trust_clear(struct stl_trust *trust);

/* The path of key i. The caller frees. */
char *stl_trust_path(const struct stl_trust *trust, size_t i, const char *registry);

#endif
