/*
 * Programs that run when a manifest is added or tagged (hook.h): the section `hooks:` of registry.yaml,
 * and of a project.
 *
 *   hooks:
 *     before-manifest: /usr/local/bin/scan     absolute paths; the document about it is on standard input
 *     after-manifest: /usr/local/bin/notify
 *     time-limit: 30s                          1s to 1h, for each of them
 */
#ifndef STL_HOOKS_H
#define STL_HOOKS_H

#include <stdint.h>

#include "yaml.h"

struct stl_hooks {
    char *before_manifest, *after_manifest; /* or NULL */
    int64_t time_limit;                     /* seconds */
};

void stl_hooks_init(struct stl_hooks *hooks);
int stl_hooks_read(struct stl_yaml *yaml, yaml_node_t *node, void *target, struct stl_error *err);
void stl_hooks_clear(struct stl_hooks *hooks);

#endif
