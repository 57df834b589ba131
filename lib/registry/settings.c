#include "settings.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

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
    stl_yaml_error(yaml, node, err,
                   "this registry has format version %lld, this program knows %d: use a "
                   "newer stillage",
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

static int read_url(struct stl_yaml *yaml, yaml_node_t *node, void *target, struct stl_error *err)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.:-[]";
    if (stl_yaml_string(yaml, node, target, err))
        return -1;
    const char *url = *(char **)target;
    size_t scheme = !strncmp(url, "https://", 8) ? 8 : !strncmp(url, "http://", 7) ? 7 : 0;
    if (!scheme || !url[scheme] || url[scheme + strspn(url + scheme, letters)])
        return stl_yaml_error(yaml, node, err,
                              "an address such as https://registry.example.org is expected here");
    return 0;
}

static int read_life(struct stl_yaml *yaml, yaml_node_t *node, void *target, struct stl_error *err)
{
    int64_t *seconds = target;
    if (stl_yaml_duration(yaml, node, seconds, err))
        return -1;
    if (*seconds < 1 || *seconds > 86400)
        return stl_yaml_error(yaml, node, err, "a token may live for 1s to 24h");
    return 0;
}

static int read_auth(struct stl_yaml *yaml, yaml_node_t *node, void *target, struct stl_error *err)
{
    static const struct stl_yaml_key keys[] = {
        {"token-life", read_life, offsetof(S, auth.token_life)},
        {"trust-remote-user", stl_yaml_bool, offsetof(S, auth.trust_remote_user)},
        {"url", read_url, offsetof(S, auth.url)},
        {NULL, NULL, 0},
    };
    return stl_yaml_mapping(yaml, node, keys, target, err);
}

static int read_program(struct stl_yaml *yaml, yaml_node_t *node, void *target, struct stl_error *err)
{
    if (stl_yaml_string(yaml, node, target, err))
        return -1;
    return **(char **)target == '/' ? 0
                                    : stl_yaml_error(yaml, node, err, "an absolute path is expected here");
}

static int read_hooks(struct stl_yaml *yaml, yaml_node_t *node, void *target, struct stl_error *err)
{
    static const struct stl_yaml_key keys[] = {
        {"before-manifest", read_program, offsetof(S, hooks.before_manifest)},
        {"after-manifest", read_program, offsetof(S, hooks.after_manifest)},
        {"time-limit", stl_yaml_duration, offsetof(S, hooks.time_limit)},
        {NULL, NULL, 0},
    };
    S *settings = target;
    if (stl_yaml_mapping(yaml, node, keys, target, err))
        return -1;
    if (settings->hooks.time_limit < 1 || settings->hooks.time_limit > 3600)
        return stl_yaml_error(yaml, node, err, "time-limit may be 1s to 1h");
    return 0;
}

static int read_events(struct stl_yaml *yaml, yaml_node_t *node, void *target, struct stl_error *err)
{
    static const struct stl_yaml_key keys[] = {
        {"size", stl_yaml_size, offsetof(S, events.size)},
        {NULL, NULL, 0},
    };
    return stl_yaml_mapping(yaml, node, keys, target, err);
}

static const struct stl_yaml_key root_keys[] = {
    {"version", read_version, offsetof(S, version)},
    {"title", stl_yaml_string, offsetof(S, title)},
    {"group", stl_yaml_string, offsetof(S, group)},
    {"apache", stl_yaml_bool, offsetof(S, apache)},
    {"push", read_push, 0},
    {"gc", stl_retention_read_gc, offsetof(S, retention)},
    {"trash", stl_retention_read_trash, offsetof(S, retention)},
    {"prune", stl_prune_rules_read, offsetof(S, prune)},
    {"access", stl_policy_read_rules, offsetof(S, policy)},
    {"groups", stl_policy_read_groups, offsetof(S, policy)},
    {"auth", read_auth, 0},
    {"immutable", stl_limits_read_immutable, offsetof(S, limits)},
    {"quotas", stl_limits_read_quotas, offsetof(S, limits)},
    {"hooks", read_hooks, 0},
    {"events", read_events, 0},
    {"bundles", stl_trust_read, offsetof(S, trust)},
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
        .auth = {.token_life = 300},
        .hooks = {.time_limit = 30},
        .events = {.size = 10 << 20},
    };
    stl_retention_init(&settings->retention);
}

void stl_settings_clear(struct stl_settings *settings)
{
    free(settings->title);
    free(settings->group);
    free(settings->auth.url);
    free(settings->hooks.before_manifest);
    free(settings->hooks.after_manifest);
    stl_policy_clear(&settings->policy);
    stl_limits_clear(&settings->limits);
    stl_trust_clear(&settings->trust);
    stl_prune_rules_clear(&settings->prune);
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
        result =
            stl_error_set(err, STL_NOT_REGISTRY, "%s:1: 'version: %d' is missing", file, STL_FORMAT_VERSION);
    if (result == 0)
        result = stl_policy_finish(&settings->policy, file, err);
    return result;
}
