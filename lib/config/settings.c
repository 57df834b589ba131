#include "settings.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "readers.h"

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

static int read_accent(struct stl_yaml *yaml, yaml_node_t *node, void *target, struct stl_error *err)
{
    if (stl_yaml_string(yaml, node, target, err))
        return -1;
    const char *colour = *(char **)target;
    return colour[0] == '#' && strlen(colour) == 7 && strspn(colour + 1, "0123456789abcdefABCDEF") == 6
               ? 0
               : stl_yaml_error(yaml, node, err, "a colour such as \"#0b6670\" is expected here");
}

/* The name of a file that the web server serves from www/. */
static int read_logo(struct stl_yaml *yaml, yaml_node_t *node, void *target, struct stl_error *err)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    if (stl_yaml_string(yaml, node, target, err))
        return -1;
    const char *name = *(char **)target;
    if (*name && !strchr("._-", *name) && !name[strspn(name, letters)])
        return 0;
    return stl_yaml_error(yaml, node, err, "the name of a file in www/, such as logo.svg, is expected here");
}

/* The group is looked up only where its number is needed (stl_registry_wanted_modes). */
static int read_group(struct stl_yaml *yaml, yaml_node_t *node, void *target, struct stl_error *err)
{
    S *settings = target;
    settings->group_line = node->start_mark.line + 1;
    return stl_yaml_string(yaml, node, &settings->group, err);
}

static int read_manifest_size(struct stl_yaml *yaml, yaml_node_t *node, void *target, struct stl_error *err)
{
    const int64_t *bytes = target;
    if (stl_yaml_size(yaml, node, target, err))
        return -1;
    return *bytes > 64 << 20 ? stl_yaml_error(yaml, node, err, "manifest-size may be at most 64MiB") : 0;
}

static int read_push(struct stl_yaml *yaml, yaml_node_t *node, void *target, struct stl_error *err)
{
    static const struct stl_yaml_key keys[] = {
        {"manifest-size", read_manifest_size, offsetof(S, push.manifest_size)},
        {"upload-expiry", stl_yaml_duration, offsetof(S, push.upload_expiry)},
        {"open-uploads", stl_yaml_int, offsetof(S, push.open_uploads)},
        {"open-bytes", stl_yaml_size, offsetof(S, push.open_bytes)},
        {"slowest-body", stl_yaml_size, offsetof(S, push.slowest_body)},
        {"sparse-indexes", stl_yaml_bool, offsetof(S, push.sparse_indexes)},
        {"sparse-images", stl_yaml_bool, offsetof(S, push.sparse_images)},
        {"delete-tags", stl_yaml_bool, offsetof(S, push.delete_tags)},
        {"delete-manifests", stl_yaml_bool, offsetof(S, push.delete_manifests)},
        {"delete-blobs", stl_yaml_bool, offsetof(S, push.delete_blobs)},
        {"auto-create", stl_yaml_bool, offsetof(S, push.auto_create)},
        {NULL, NULL, 0},
    };
    return stl_yaml_mapping(yaml, node, keys, target, err);
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
        {"user-tokens", stl_yaml_duration, offsetof(S, auth.user_tokens)},
        {"url", read_url, offsetof(S, auth.url)},
        {"oidc", stl_oidc_read, offsetof(S, auth.oidc)},
        {NULL, NULL, 0},
    };
    return stl_yaml_mapping(yaml, node, keys, target, err);
}

/* An origin exactly as a browser sends it: it is compared byte by byte. */
static int read_origin(struct stl_yaml *yaml, yaml_node_t *node, void *target, struct stl_error *err)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789.-";
    S *settings = target;
    char *origin = NULL;
    if (stl_yaml_string(yaml, node, &origin, err))
        return -1;
    stl_grow(settings->cors.origins, settings->cors.count);
    settings->cors.origins[settings->cors.count++] = origin;
    size_t scheme = !strncmp(origin, "https://", 8) ? 8 : !strncmp(origin, "http://", 7) ? 7 : 0;
    const char *end = origin + scheme + strspn(origin + scheme, letters);
    bool has_host = end > origin + scheme;
    if (*end == ':' && end[1])
        end += 1 + strspn(end + 1, "0123456789");
    if (!scheme || !has_host || *end)
        return stl_yaml_error(yaml, node, err,
                              "an origin such as https://images.example.org is expected here: no path, no "
                              "capital letters, no pattern");
    return 0;
}

static int read_origins(struct stl_yaml *yaml, yaml_node_t *node, void *target, struct stl_error *err)
{
    return stl_yaml_sequence(yaml, node, read_origin, target, err);
}

static int read_cors(struct stl_yaml *yaml, yaml_node_t *node, void *target, struct stl_error *err)
{
    static const struct stl_yaml_key keys[] = {{"origins", read_origins, 0}, {NULL, NULL, 0}};
    return stl_yaml_mapping(yaml, node, keys, target, err);
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
    {"accent", read_accent, offsetof(S, accent)},
    {"logo", read_logo, offsetof(S, logo)},
    {"group", read_group, 0},
    {"apache", stl_yaml_bool, offsetof(S, apache)},
    {"push", read_push, 0},
    {"gc", stl_retention_read_gc, offsetof(S, retention)},
    {"trash", stl_retention_read_trash, offsetof(S, retention)},
    {"prune", stl_prune_rules_read, offsetof(S, prune)},
    {"access", stl_access_rules_read, offsetof(S, access_rules)},
    {"projects", stl_projects_read, offsetof(S, projects)},
    {"groups", stl_access_rules_read_groups, offsetof(S, access_rules)},
    {"auth", read_auth, 0},
    {"cors", read_cors, 0},
    {"immutable", stl_limits_read_immutable, offsetof(S, limits)},
    {"quotas", stl_limits_read_quotas, offsetof(S, limits)},
    {"hooks", stl_hooks_read, offsetof(S, hooks)},
    {"events", read_events, 0},
    {"bundles", stl_trust_read, offsetof(S, trust)},
    {"mirror", stl_mirrors_read, offsetof(S, mirrors)},
    {"upstream", stl_upstreams_read, offsetof(S, upstreams)},
    {NULL, NULL, 0},
};

void stl_settings_init(struct stl_settings *settings)
{
    *settings = (struct stl_settings){
        .title = stl_strdup("Container images"),
        .push = {.manifest_size = 4 << 20,
                 .upload_expiry = 7 * 86400,
                 .open_uploads = 1000,
                 .open_bytes = INT64_C(100) << 30,
                 .slowest_body = 1 << 10,
                 .delete_tags = true,
                 .delete_manifests = true,
                 .delete_blobs = true,
                 .auto_create = true},
        .auth = {.token_life = 300},
        .events = {.size = 10 << 20},
    };
    stl_hooks_init(&settings->hooks);
    stl_retention_init(&settings->retention);
}

void stl_settings_clear(struct stl_settings *settings)
{
    free(settings->title);
    free(settings->accent);
    free(settings->logo);
    free(settings->group);
    free(settings->auth.url);
    stl_oidc_clear(&settings->auth.oidc);
    for (size_t i = 0; i < settings->cors.count; i++)
        free(settings->cors.origins[i]);
    free(settings->cors.origins);
    stl_hooks_clear(&settings->hooks);
    stl_access_rules_clear(&settings->access_rules);
    stl_projects_clear(&settings->projects);
    stl_limits_clear(&settings->limits);
    stl_trust_clear(&settings->trust);
    stl_prune_rules_clear(&settings->prune);
    stl_mirrors_clear(&settings->mirrors);
    stl_upstreams_clear(&settings->upstreams);
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
        result = stl_projects_apply(&settings->projects, &settings->access_rules, &settings->limits,
                                    &settings->prune, file, err);
    if (result == 0)
        result = stl_access_rules_finish(&settings->access_rules, file, err);
    return result;
}

bool stl_settings_sparse_images(const struct stl_settings *settings, const char *name)
{
    return settings->push.sparse_images || stl_upstreams_find(&settings->upstreams, name);
}

bool stl_settings_sparse_indexes(const struct stl_settings *settings, const char *name)
{
    return settings->push.sparse_indexes || stl_upstreams_find(&settings->upstreams, name);
}

const struct stl_hooks *stl_settings_hooks(const struct stl_settings *settings, const char *name)
{
    const struct stl_project *project = name ? stl_projects_find(&settings->projects, name) : NULL;
    return !name ? &settings->hooks : project ? &project->hooks : NULL;
}

static bool is_set(const struct stl_hooks *hooks)
{
    return hooks->before_manifest || hooks->after_manifest;
}

bool stl_settings_has_hooks(const struct stl_settings *settings)
{
    for (size_t i = 0; i < settings->projects.count; i++)
        if (is_set(&settings->projects.items[i].hooks))
            return true;
    return is_set(&settings->hooks);
}
