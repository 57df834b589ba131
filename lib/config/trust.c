#include "trust.h"

#include <stdlib.h>

#include "mem.h"
#include "readers.h"

static int read_key_file(struct stl_yaml *yaml, yaml_node_t *node, void *target, struct stl_error *err)
{
    struct stl_trust *trust = target;
    char *file = NULL;
    if (stl_yaml_string(yaml, node, &file, err))
        return -1;
    stl_grow(trust->files, trust->count);
    trust->files[trust->count++] = file;
    return *file ? 0 : stl_yaml_error(yaml, node, err, "the name of a file is expected here");
}

static int read_files(struct stl_yaml *yaml, yaml_node_t *node, void *target, struct stl_error *err)
{
    struct stl_trust *trust = target;
    trust->asks = true;
    return stl_yaml_sequence(yaml, node, read_key_file, target, err);
}

int stl_trust_read(struct stl_yaml *yaml, yaml_node_t *node, void *target, struct stl_error *err)
{
    static const struct stl_yaml_key keys[] = {{"trust", read_files, 0}, {NULL, NULL, 0}};
    return stl_yaml_mapping(yaml, node, keys, target, err);
}

void stl_trust_clear(struct stl_trust *trust)
{
    for (size_t i = 0; i < trust->count; i++)
        free(trust->files[i]);
    free(trust->files);
    *trust = (struct stl_trust){0};
}

char *stl_trust_path(const struct stl_trust *trust, size_t i, const char *registry)
{
    const char *file = trust->files[i];
    return file[0] == '/' ? stl_strdup(file) : stl_sprintf("%s/%s", registry, file);
}
