#include "settings.h"

#include <stddef.h>
#include <stdlib.h>

#include "mem.h"
#include "yaml.h"

typedef struct stl_settings S;

static int read_version(struct stl_yaml *yaml, yaml_node_t *node, void *target, struct stl_error *err)
{
    int64_t *version = target;
    if (stl_yaml_int(yaml, node, version, err))
        return -1;
    if (*version == STL_FORMAT_VERSION)
        return 0;
    stl_yaml_error(yaml, node, err, "this registry has format version %lld, this program knows %d: use a newer "
                                    "stillage",
                   (long long)*version, STL_FORMAT_VERSION);
    err->code = STL_NOT_REGISTRY;
    return -1;
}

static int read_push(struct stl_yaml *yaml, yaml_node_t *node, void *target, struct stl_error *err)
{
    static const struct stl_yaml_key keys[] = {
        {"manifest-size", stl_yaml_size, offsetof(S, push.manifest_size)},
        {"upload-expiry", stl_yaml_duration, offsetof(S, push.upload_expiry)},
        {"sparse-indexes", stl_yaml_bool, offsetof(S, push.sparse_indexes)},
        {"sparse-images", stl_yaml_bool, offsetof(S, push.sparse_images)},
        {"delete-tags", stl_yaml_bool, offsetof(S, push.delete_tags)},
        {"delete-manifests", stl_yaml_bool, offsetof(S, push.delete_manifests)},
        {"delete-blobs", stl_yaml_bool, offsetof(S, push.delete_blobs)},
        {NULL, NULL, 0},
    };
    S *settings = target;
    if (stl_yaml_mapping(yaml, node, keys, settings, err))
        return -1;
    if (settings->push.manifest_size > 64 << 20)
        return stl_yaml_error(yaml, node, err, "manifest-size may be at most 64MiB");
    return 0;
}

static const struct stl_yaml_key root_keys[] = {
    {"version", read_version, offsetof(S, version)},
    {"title", stl_yaml_string, offsetof(S, title)},
    {"group", stl_yaml_string, offsetof(S, group)},
    {"apache", stl_yaml_bool, offsetof(S, apache)},
    {"push", read_push, 0},
    {"gc", stl_retention_read_gc, offsetof(S, retention)},
    {"trash", stl_retention_read_trash, offsetof(S, retention)},
    {NULL, NULL, 0},
};

void stl_settings_init(struct stl_settings *settings)
{
    *settings = (struct stl_settings){
        .title = stl_strdup("Container images"),
        .push = {.manifest_size = 4 << 20,
                 .upload_expiry = 7 * 86400,
                 .delete_tags = true,
                 .delete_manifests = true,
                 .delete_blobs = true},
    };
    stl_retention_init(&settings->retention);
}

void stl_settings_clear(struct stl_settings *settings)
{
    free(settings->title);
    free(settings->group);
    *settings = (struct stl_settings){0};
}

int stl_settings_parse(struct stl_settings *settings, const char *file, const char *text, size_t length,
                       struct stl_error *err)
{
    struct stl_yaml yaml;
    if (stl_yaml_load(&yaml, file, text, length, err))
        return -1;
    int result = stl_yaml_mapping(&yaml, stl_yaml_root(&yaml), root_keys, settings, err);
    stl_yaml_clear(&yaml);
    if (result == 0 && settings->version == 0)
        result = stl_error_set(err, STL_NOT_REGISTRY, "%s:1: 'version: %d' is missing", file,
                               STL_FORMAT_VERSION);
    return result;
}
