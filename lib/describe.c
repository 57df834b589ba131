#include "describe.h"

#include <string.h>

#include "manifest.h"
#include "publish.h"
#include "referrers.h"

enum { CONFIG_MAX = 8 << 20, NESTING_MAX = 8 };

static void add_string(struct json_object *object, const char *key, const char *value)
{
    if (value && *value)
        json_object_object_add(object, key, json_object_new_string(value));
}

static void add_digest(struct json_object *object, const char *key, const struct stl_digest *digest)
{
    char text[STL_DIGEST_TEXT_MAX];
    json_object_object_add(object, key, json_object_new_string(stl_digest_format(digest, text)));
}

static void add_copy(struct json_object *object, const char *key, struct json_object *from, const char *from_key)
{
    struct json_object *value = NULL;
    if (from && json_object_object_get_ex(from, from_key, &value) && value)
        json_object_object_add(object, key, json_object_get(value));
}

/* "os/architecture[/variant]" of a platform object or an image config: both use the same keys. */
static void add_platform(struct json_object *out, struct json_object *from)
{
    struct stl_error ignored = STL_ERROR_INIT;
    const char *os = NULL, *architecture = NULL, *variant = NULL;
    if (!from || stl_json_string(from, "os", &os, &ignored) ||
        stl_json_string(from, "architecture", &architecture, &ignored) ||
        stl_json_string(from, "variant", &variant, &ignored) || !os || !architecture || !*os || !*architecture)
        return;
    bool has_variant = variant && *variant;
    STL_AUTO_FREE char *text =
        stl_sprintf("%s/%s%s%s", os, architecture, has_variant ? "/" : "", has_variant ? variant : "");
    add_string(out, "platform", text);
}

/* The config of an image; one that is no JSON, as artifacts may have, tells nothing. */
static void add_config(struct json_object *out, const struct stl_repo *repo, const struct stl_descriptor *config)
{
    STL_AUTO_BUF struct stl_buf bytes = {.ceiling = CONFIG_MAX};
    struct stl_error ignored = STL_ERROR_INIT;
    char text[STL_DIGEST_TEXT_MAX];
    if (!strstr(config->media_type, "+json"))
        return;
    STL_AUTO_FREE char *path = stl_sprintf("blobs/%s", stl_digest_format(&config->digest, text));
    if (stl_file_read(repo->fd, path, false, &bytes, &ignored) || !bytes.data)
        return;
    STL_AUTO_JSON struct json_object *document = stl_json_parse(bytes.data, bytes.length, &ignored);
    struct json_object *inner = NULL;
    if (!document)
        return;
    add_platform(out, document);
    add_copy(out, "created", document, "created");
    if (json_object_object_get_ex(document, "config", &inner) && json_object_is_type(inner, json_type_object))
        add_copy(out, "labels", inner, "Labels");
}

static struct json_object *descriptor_object(const struct stl_descriptor *descriptor)
{
    struct json_object *object = json_object_new_object();
    add_string(object, "mediaType", descriptor->media_type);
    add_digest(object, "digest", &descriptor->digest);
    json_object_object_add(object, "size", json_object_new_int64(descriptor->size));
    return object;
}

static struct json_object *describe(const struct stl_repo *repo, const struct stl_digest *digest, int nesting,
                                    struct stl_error *err);

/* A child that was never pushed (a sparse index) is described by its descriptor alone. */
static struct json_object *describe_child(const struct stl_repo *repo, const struct stl_descriptor *child,
                                          int nesting, struct stl_error *err)
{
    struct json_object *object = NULL, *platform = NULL;
    if (nesting < NESTING_MAX)
        object = describe(repo, &child->digest, nesting + 1, err);
    if (!object) {
        stl_error_clear(err);
        object = descriptor_object(child);
    }
    if (stl_json_object(child->object, "platform", &platform, err) == 0 && platform)
        add_platform(object, platform);
    stl_error_clear(err);
    return object;
}

static int64_t total_size(struct json_object *object)
{
    struct json_object *total = NULL;
    return json_object_object_get_ex(object, "totalSize", &total) ? json_object_get_int64(total) : 0;
}

static void add_contents(struct json_object *out, const struct stl_repo *repo, const struct stl_manifest *manifest,
                         int nesting, struct stl_error *err)
{
    struct json_object *layers = NULL, *manifests = NULL;
    int64_t total = manifest->size;
    for (size_t i = 0; i < manifest->count; i++) {
        const struct stl_descriptor *descriptor = &manifest->descriptors[i];
        if (descriptor->role == STL_ROLE_MANIFEST) {
            if (!manifests)
                manifests = json_object_new_array();
            struct json_object *child = describe_child(repo, descriptor, nesting, err);
            total += total_size(child);
            json_object_array_add(manifests, child);
            continue;
        }
        total += descriptor->size;
        if (descriptor->role == STL_ROLE_CONFIG) {
            add_config(out, repo, descriptor);
            continue;
        }
        if (!layers)
            layers = json_object_new_array();
        json_object_array_add(layers, descriptor_object(descriptor));
    }
    json_object_object_add(out, "totalSize", json_object_new_int64(total));
    if (layers)
        json_object_object_add(out, "layers", layers);
    if (manifests)
        json_object_object_add(out, "manifests", manifests);
}

static void add_referrers(struct json_object *out, const struct stl_repo *repo, const struct stl_digest *digest)
{
    STL_AUTO_BUF struct stl_buf text = STL_BUF_INIT;
    struct stl_error ignored = STL_ERROR_INIT;
    struct json_object *list = NULL;
    if (stl_referrers_read(repo->fd, digest, NULL, &text, &ignored))
        return;
    STL_AUTO_JSON struct json_object *index = stl_json_parse(text.data, text.length, &ignored);
    if (index && json_object_object_get_ex(index, "manifests", &list) && json_object_array_length(list) > 0)
        json_object_object_add(out, "referrers", json_object_get(list));
}

static bool is_image_config(const char *media_type)
{
    return !strcmp(media_type, "application/vnd.oci.image.config.v1+json") ||
           !strcmp(media_type, "application/vnd.docker.container.image.v1+json");
}

static struct json_object *describe(const struct stl_repo *repo, const struct stl_digest *digest, int nesting,
                                    struct stl_error *err)
{
    STL_AUTO_BUF struct stl_buf bytes = STL_BUF_INIT;
    STL_AUTO_MANIFEST struct stl_manifest manifest = {0};
    if (stl_manifest_load(repo, digest, &bytes, &manifest, err))
        return NULL;
    struct json_object *out = json_object_new_object();
    add_digest(out, "digest", digest);
    add_string(out, "mediaType", manifest.media_type.text);
    json_object_object_add(out, "size", json_object_new_int64(manifest.size));
    const char *artifact_type = stl_manifest_artifact_type(&manifest);
    if (artifact_type && !is_image_config(artifact_type))
        add_string(out, "artifactType", artifact_type);
    if (manifest.has_subject)
        add_digest(out, "subject", &manifest.subject);
    add_contents(out, repo, &manifest, nesting, err);
    add_copy(out, "annotations", manifest.object, "annotations");
    add_referrers(out, repo, digest);
    return out;
}

struct json_object *stl_describe(const struct stl_repo *repo, const struct stl_digest *digest,
                                 struct stl_error *err)
{
    struct json_object *out = describe(repo, digest, 0, err);
    if (out)
        add_string(out, "name", repo->name.text);
    return out;
}
