#include "retention.h"

#include <stddef.h>
#include <string.h>

#include "readers.h"

typedef struct stl_retention R;

void stl_retention_init(struct stl_retention *retention)
{
    *retention = (struct stl_retention){.grace = 3600, .trash = 7 * 86400};
}

static int read_orphans(struct stl_yaml *yaml, yaml_node_t *node, void *target, struct stl_error *err)
{
    const char *text = stl_yaml_scalar(node);
    if (!text || (strcmp(text, "keep") && strcmp(text, "delete")))
        return stl_yaml_error(yaml, node, err, "keep or delete is expected here");
    *(bool *)target = !strcmp(text, "delete");
    return 0;
}

int stl_retention_read_gc(struct stl_yaml *yaml, yaml_node_t *node, void *target, struct stl_error *err)
{
    static const struct stl_yaml_key keys[] = {
        {"grace", stl_yaml_duration, offsetof(R, grace)},
        {"orphaned-referrers", read_orphans, offsetof(R, delete_orphaned_referrers)},
        {NULL, NULL, 0},
    };
    return stl_yaml_mapping(yaml, node, keys, target, err);
}

int stl_retention_read_trash(struct stl_yaml *yaml, yaml_node_t *node, void *target, struct stl_error *err)
{
    static const struct stl_yaml_key keys[] = {
        {"keep", stl_yaml_duration, offsetof(R, trash)},
        {NULL, NULL, 0},
    };
    return stl_yaml_mapping(yaml, node, keys, target, err);
}
