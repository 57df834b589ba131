/*
 * How long things are kept: the sections `gc:` and `trash:` of registry.yaml.
 */
#ifndef STL_RETENTION_H
#define STL_RETENTION_H

#include <stdbool.h>
#include <stdint.h>

struct stl_retention {
    int64_t grace; /* seconds that an unreferenced blob is kept, and then as long again in the trash */
    bool delete_orphaned_referrers;
    int64_t trash; /* seconds during which deleted tags and manifests can be restored; 0: not at all */
};

void stl_retention_init(struct stl_retention *retention); /* the defaults */

#endif
