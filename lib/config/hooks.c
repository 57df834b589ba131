#include "hooks.h"

#include <stddef.h>
#include <stdlib.h>

#include "readers.h"

void stl_hooks_init(struct stl_hooks *hooks)
{
    *hooks = (struct stl_hooks){.time_limit = 30};
}

static int read_limit(struct stl_yaml *yaml, yaml_node_t *node, void *target, struct stl_error *err)
{
    const int64_t *seconds = target;
    if (stl_yaml_duration(yaml, node, target, err))
        return -1;
    return *seconds < 1 || *seconds > 3600 ? stl_yaml_error(yaml, node, err, "time-limit may be 1s to 1h")
                                           : 0;
}

int stl_hooks_read(struct stl_yaml *yaml, yaml_node_t *node, void *target, struct stl_error *err)
{
    static const struct stl_yaml_key keys[] = {
        {"before-manifest", stl_yaml_path, offsetof(struct stl_hooks, before_manifest)},
        {"after-manifest", stl_yaml_path, offsetof(struct stl_hooks, after_manifest)},
        {"time-limit", read_limit, offsetof(struct stl_hooks, time_limit)},
        {NULL, NULL, 0},
    };
    return stl_yaml_mapping(yaml, node, keys, target, err);
}

void stl_hooks_clear(struct stl_hooks *hooks)
{
    free(hooks->before_manifest);
    free(hooks->after_manifest);
}
