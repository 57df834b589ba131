#include "manifest.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

bool stl_media_type_is_image(const char *media_type)
{
    return !strcasecmp(media_type, STL_TYPE_OCI_MANIFEST) ||
           !strcasecmp(media_type, STL_TYPE_DOCKER_MANIFEST);
}

bool stl_media_type_is_index(const char *media_type)
{
    return !strcasecmp(media_type, STL_TYPE_OCI_INDEX) || !strcasecmp(media_type, STL_TYPE_DOCKER_LIST);
}

bool stl_media_type_is_image_config(const char *media_type)
{
    return !strcmp(media_type, "application/vnd.oci.image.config.v1+json") ||
           !strcmp(media_type, "application/vnd.docker.container.image.v1+json");
}

bool stl_media_type_is_manifest(const char *media_type)
{
    return stl_media_type_is_image(media_type) || stl_media_type_is_index(media_type) ||
           (strstr(media_type, "+json") &&
            (strstr(media_type, ".manifest.") || strstr(media_type, ".index.")));
}

void stl_manifest_clear(struct stl_manifest *manifest)
{
    free(manifest->descriptors);
    json_object_put(manifest->object);
    memset(manifest, 0, sizeof *manifest);
}

static bool is_distributable(const char *media_type, struct json_object *object)
{
    struct json_object *urls = NULL;
    if (json_object_object_get_ex(object, "urls", &urls) && json_object_is_type(urls, json_type_array) &&
        json_object_array_length(urls) > 0)
        return false;
    return !strstr(media_type, ".nondistributable.") && !strstr(media_type, ".foreign.");
}

int stl_descriptor_parse(struct stl_descriptor *descriptor, enum stl_role role, struct json_object *object,
                         struct stl_error *err)
{
    const char *digest = NULL, *media_type = NULL;
    int64_t size = -1;
    if (!json_object_is_type(object, json_type_object))
        return stl_error_set(err, STL_MANIFEST_INVALID, "a descriptor is not an object");
    if (stl_json_string(object, "digest", &digest, err) ||
        stl_json_string(object, "mediaType", &media_type, err) || stl_json_int64(object, "size", &size, err))
        return -1;
    if (!digest || !media_type)
        return stl_error_set(err, STL_MANIFEST_INVALID, "a descriptor has no %s",
                             digest ? "mediaType" : "digest");
    if (size < 0)
        return stl_error_set(err, STL_MANIFEST_INVALID, "descriptor %.160s has no size, or a negative one",
                             digest);
    struct stl_media_type checked;
    if (stl_media_type_parse(media_type, &checked, err))
        return -1;
    if (stl_digest_parse(digest, &descriptor->digest, err)) {
        err->code = STL_MANIFEST_INVALID;
        return -1;
    }
    descriptor->role = role;
    descriptor->size = size;
    descriptor->media_type = media_type;
    descriptor->distributable = role != STL_ROLE_LAYER || is_distributable(media_type, object);
    descriptor->object = object;
    return 0;
}

static int append_descriptor(struct stl_manifest *manifest, enum stl_role role, struct json_object *object,
                             struct stl_error *err)
{
    stl_grow(manifest->descriptors, manifest->count);
    if (stl_descriptor_parse(&manifest->descriptors[manifest->count], role, object, err))
        return -1;
    manifest->count++;
    return 0;
}

static int append_array(struct stl_manifest *manifest, const char *key, enum stl_role role,
                        struct stl_error *err)
{
    struct json_object *array = NULL;
    if (stl_json_array(manifest->object, key, &array, err))
        return -1;
    for (size_t i = 0; array && i < json_object_array_length(array); i++)
        if (append_descriptor(manifest, role, json_object_array_get_idx(array, i), err))
            return stl_error_context(err, "%s[%zu]", key, i);
    return 0;
}

/* Clients written in Go encode an empty list as null, so that is accepted. */
static bool has(const struct stl_manifest *manifest, const char *key)
{
    return json_object_object_get_ex(manifest->object, key, NULL);
}

static bool has_config(const struct stl_manifest *manifest)
{
    struct json_object *config = NULL;
    return json_object_object_get_ex(manifest->object, "config", &config) && config;
}

/* Checks the requirements of the known types; a document that can be read as two types is an attack
 * (CVE-2021-41190). */
static int check_shape(const struct stl_manifest *manifest, struct stl_error *err)
{
    bool image = stl_media_type_is_image(manifest->media_type.text);
    bool index = stl_media_type_is_index(manifest->media_type.text);
    int64_t version = 0;
    if (!image && !index)
        return 0;
    if (stl_json_int64(manifest->object, "schemaVersion", &version, err))
        return -1;
    if (version != 2)
        return stl_error_set(err, STL_MANIFEST_INVALID, "schemaVersion must be 2");
    static const char *const of_image[] = {"config", "layers"}, *const of_index[] = {"manifests"};
    for (size_t i = 0; i < 2; i++)
        if (has(manifest, of_image[i]) != image || (image && !has_config(manifest)))
            return stl_error_set(err, STL_MANIFEST_INVALID, "a manifest of type %s %s '%s'",
                                 manifest->media_type.text, image ? "must have" : "may not have",
                                 of_image[i]);
    if (has(manifest, of_index[0]) != index)
        return stl_error_set(err, STL_MANIFEST_INVALID, "a manifest of type %s %s '%s'",
                             manifest->media_type.text, index ? "must have" : "may not have", of_index[0]);
    return 0;
}

static int check_annotations(const struct stl_manifest *manifest, struct stl_error *err)
{
    struct json_object *annotations = NULL;
    if (stl_json_object(manifest->object, "annotations", &annotations, err))
        return -1;
    if (!annotations)
        return 0;
    json_object_object_foreach(annotations, key, value)
    {
        if (!json_object_is_type(value, json_type_string))
            return stl_error_set(err, STL_MANIFEST_INVALID, "annotation '%.160s' is not a string", key);
    }
    return 0;
}

static int read_type(struct stl_manifest *manifest, const char *content_type, struct stl_error *err)
{
    const char *own = NULL;
    if (stl_json_string(manifest->object, "mediaType", &own, err))
        return -1;
    if (own && !*own)
        own = NULL;
    if (content_type && !*content_type)
        content_type = NULL;
    if (!own && !content_type)
        return stl_error_set(err, STL_MANIFEST_INVALID,
                             "the manifest has no mediaType and came without a Content-Type");
    if (stl_media_type_parse(content_type ? content_type : own, &manifest->media_type, err))
        return -1;
    if (own && strcasecmp(own, manifest->media_type.text))
        return stl_error_set(err, STL_MANIFEST_INVALID,
                             "the manifest's mediaType is %.160s, its Content-Type %s", own,
                             manifest->media_type.text);
    if (own) /* media types are case-insensitive (RFC 9110, section 8.3.1) */
        memcpy(manifest->media_type.text, own, strlen(own));
    if (strcasestr(manifest->media_type.text, "vnd.docker.distribution.manifest.v1+"))
        return stl_error_set(err, STL_MANIFEST_INVALID,
                             "Docker schema 1 is not supported: push with a newer client");
    return 0;
}

static int read_links(struct stl_manifest *manifest, struct stl_error *err)
{
    struct json_object *config = NULL, *subject = NULL;
    struct stl_descriptor descriptor;
    if (stl_json_object(manifest->object, "config", &config, err) ||
        (config && append_descriptor(manifest, STL_ROLE_CONFIG, config, err)))
        return -1;
    if (append_array(manifest, "layers", STL_ROLE_LAYER, err) ||
        append_array(manifest, "blobs", STL_ROLE_BLOB, err) ||
        append_array(manifest, "manifests", STL_ROLE_MANIFEST, err) ||
        stl_json_object(manifest->object, "subject", &subject, err))
        return -1;
    if (!subject)
        return 0;
    if (stl_descriptor_parse(&descriptor, STL_ROLE_MANIFEST, subject, err))
        return stl_error_context(err, "subject");
    manifest->has_subject = true;
    manifest->subject = descriptor.digest;
    return 0;
}

static int read_members(struct stl_manifest *manifest, const char *content_type, struct stl_error *err)
{
    const char *artifact_type = NULL;
    if (read_type(manifest, content_type, err))
        return -1;
    if (check_shape(manifest, err))
        return -1;
    if (read_links(manifest, err))
        return -1;
    if (check_annotations(manifest, err))
        return -1;
    return stl_json_string(manifest->object, "artifactType", &artifact_type, err);
}

int stl_manifest_parse(struct stl_manifest *manifest, const char *bytes, size_t length,
                       const char *content_type, enum stl_algorithm algorithm, struct stl_error *err)
{
    memset(manifest, 0, sizeof *manifest);
    manifest->object = stl_json_parse(bytes, length, err);
    if (!manifest->object)
        return -1;
    manifest->size = (int64_t)length;
    stl_digest_of(algorithm, bytes, length, &manifest->digest);
    if (read_members(manifest, content_type, err)) {
        stl_manifest_clear(manifest);
        return -1;
    }
    return 0;
}

const char *stl_manifest_artifact_type(const struct stl_manifest *manifest)
{
    struct stl_error ignored = STL_ERROR_INIT;
    const char *type = NULL;
    stl_json_string(manifest->object, "artifactType", &type, &ignored);
    if (type && *type)
        return type;
    if (manifest->count > 0 && manifest->descriptors[0].role == STL_ROLE_CONFIG)
        return manifest->descriptors[0].media_type;
    return NULL;
}

static const char *usual_variant(const char *architecture)
{
    return !strcmp(architecture, "arm") ? "v7" : !strcmp(architecture, "arm64") ? "v8" : "v1";
}

static int match_variant(const char *architecture, const char *wanted, const char *variant)
{
    const char *usual = usual_variant(architecture);
    if (!*variant)
        variant = usual;
    if (*wanted)
        return strcmp(wanted, variant) ? 0 : STL_MATCH_BEST;
    if (!strcmp(variant, usual))
        return STL_MATCH_BEST;
    return !strcmp(architecture, "arm") && !strcmp(variant, "v6") ? STL_MATCH_BEST - 1 : 1;
}

bool stl_descriptor_matches(const struct stl_descriptor *descriptor, const struct stl_platform *platform)
{
    return stl_descriptor_match(descriptor, platform) > 0;
}

int stl_descriptor_match(const struct stl_descriptor *descriptor, const struct stl_platform *platform)
{
    struct stl_error ignored = STL_ERROR_INIT;
    struct json_object *object = NULL;
    const char *os = "", *architecture = "", *variant = "";
    if (stl_json_object(descriptor->object, "platform", &object, &ignored) || !object ||
        stl_json_string(object, "os", &os, &ignored) ||
        stl_json_string(object, "architecture", &architecture, &ignored) ||
        stl_json_string(object, "variant", &variant, &ignored))
        return 0;
    if (strcmp(os, platform->os) || strcmp(architecture, platform->architecture))
        return 0;
    return match_variant(architecture, platform->variant, variant);
}
