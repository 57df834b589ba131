/*
 * How long things are kept: the sections `gc:` and `trash:` of registry.yaml.
 */
#ifndef STL_RETENTION_H
#define STL_RETENTION_H

#include "yaml.h"

struct stl_retention {
    int64_t grace; /* seconds that a blob nobody refers to stays, and once more in the trash */
    bool delete_orphaned_referrers;
    int64_t trash; /* seconds that deleted tags and manifests can be had back; 0: not at all */
};

void stl_retention_init(struct stl_retention *retention); /* the defaults */

/* Readers for struct stl_yaml_key; the target is the struct stl_retention. */
int stl_retention_read_gc(struct stl_yaml *yaml, yaml_node_t *node, void *target, struct stl_error *err);
int stl_retention_read_trash(struct stl_yaml *yaml, yaml_node_t *node, void *target, struct stl_error *err);

#endif
