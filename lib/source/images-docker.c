/* Reading the list of a docker archive. */
#include "images-docker.h"

#include <stdlib.h>
#include <string.h>

#include "images-readers.h"
#include "images.h"

void stl_docker_clear_image(struct stl_docker_image *docker)
{
    if (!docker)
        return;
    for (size_t i = 0; i < docker->count; i++)
        free(docker->layers[i]);
    free(docker->layers);
    free(docker->diff_ids);
    free(docker->config);
    free(docker);
}

/* The string at `index` of an array; NULL with err set if it is not a string. */
static const char *string_at(struct json_object *array, size_t index, const char *key, struct stl_error *err)
{
    struct json_object *item = json_object_array_get_idx(array, index);
    if (json_object_is_type(item, json_type_string))
        return json_object_get_string(item);
    stl_error_set(err, STL_MANIFEST_INVALID, "%s[%zu] is not a string", key, index);
    return NULL;
}

static size_t length_of(struct json_object *array)
{
    return array ? json_object_array_length(array) : 0;
}

static int read_layers(struct stl_docker_image *docker, struct json_object *entry, struct stl_error *err)
{
    struct json_object *layers = NULL;
    if (stl_json_array(entry, "Layers", &layers, err))
        return -1;
    docker->layers = stl_alloc(length_of(layers) * sizeof *docker->layers);
    docker->diff_ids = stl_alloc(length_of(layers) * sizeof *docker->diff_ids);
    for (size_t i = 0; i < length_of(layers); i++) {
        const char *path = string_at(layers, i, "Layers", err);
        if (!path)
            return -1;
        docker->layers[docker->count++] = stl_strdup(path);
    }
    return 0;
}

static int read_diff_ids(struct stl_docker_image *docker, struct json_object *config, struct stl_error *err)
{
    struct json_object *rootfs = NULL, *diff_ids = NULL;
    if (stl_json_object(config, "rootfs", &rootfs, err) ||
        (rootfs && stl_json_array(rootfs, "diff_ids", &diff_ids, err)))
        return -1;
    if (length_of(diff_ids) != docker->count)
        return stl_error_set(err, STL_MANIFEST_INVALID, "it names %zu layers where manifest.json names %zu",
                             length_of(diff_ids), docker->count);
    for (size_t i = 0; i < docker->count; i++) {
        const char *text = string_at(diff_ids, i, "diff_ids", err);
        if (!text || stl_digest_parse(text, &docker->diff_ids[i], err))
            return -1;
    }
    return 0;
}

static int read_config(const struct stl_source *source, struct stl_docker_image *docker,
                       struct stl_error *err)
{
    STL_AUTO_BUF struct stl_buf text = STL_BUF_INIT;
    int found = stl_source_read(source, docker->config, STL_DOCKER_CONFIG_MAX, &text, err);
    if (found < 0)
        return -1;
    if (found == 0)
        return stl_error_set(err, STL_MANIFEST_BLOB_UNKNOWN, "%s has no %s", source->label, docker->config);
    STL_AUTO_JSON struct json_object *config = stl_json_parse(text.data, text.length, err);
    if (!config || read_diff_ids(docker, config, err))
        return stl_error_context(err, "%s: %s", source->label, docker->config);
    docker->config_size = (int64_t)text.length;
    stl_digest_of(STL_SHA256, text.data, text.length, &docker->config_digest);
    return 0;
}

static int read_names(struct stl_image *image, struct json_object *entry, struct stl_error *err)
{
    struct json_object *names = NULL;
    if (stl_json_array(entry, "RepoTags", &names, err))
        return -1;
    for (size_t i = 0; i < length_of(names); i++) {
        const char *name = string_at(names, i, "RepoTags", err);
        if (!name)
            return -1;
        if (strcmp(name, "<none>:<none>"))
            stl_image_add_name(image, name);
    }
    return 0;
}

static int read_entry(struct stl_images *images, struct json_object *entry, struct stl_error *err)
{
    const char *config = NULL;
    if (!json_object_is_type(entry, json_type_object))
        return stl_error_set(err, STL_MANIFEST_INVALID, "it is not an object");
    struct stl_image *image = stl_images_append(images);
    image->docker = stl_alloc(sizeof *image->docker);
    image->media_type = stl_strdup(STL_TYPE_OCI_MANIFEST);
    if (stl_json_string(entry, "Config", &config, err))
        return -1;
    if (!config)
        return stl_error_set(err, STL_MANIFEST_INVALID, "it has no Config");
    image->docker->config = stl_strdup(config);
    if (read_names(image, entry, err))
        return -1;
    return read_layers(image->docker, entry, err);
}

int stl_images_read_docker(struct stl_images *images, struct stl_error *err)
{
    static const char path[] = "manifest.json";
    const struct stl_source *source = images->source;
    STL_AUTO_BUF struct stl_buf text = STL_BUF_INIT;
    int found = stl_source_read(source, path, STL_SOURCE_DOCUMENT_MAX, &text, err);
    if (found < 0)
        return -1;
    if (found == 0)
        return stl_error_set(err, STL_INVALID, "%s has no %s", source->label, path);
    bool is_null = text.length >= 4 && !strncmp(text.data + strspn(text.data, " \t\r\n"), "null", 4);
    STL_AUTO_JSON struct json_object *list =
        is_null ? NULL : stl_json_parse_array(text.data, text.length, err);
    if (!list && !is_null)
        return stl_error_context(err, "%s: %s", source->label, path);
    if (length_of(list) == 0) /* kaniko writes null if it was given no name */
        return stl_error_set(err, STL_INVALID, "%s: %s lists no images", source->label, path);
    for (size_t i = 0; i < length_of(list); i++)
        if (read_entry(images, json_object_array_get_idx(list, i), err))
            return stl_error_context(err, "%s: %s: entry %zu", source->label, path, i);
    for (size_t i = 0; i < images->count; i++) {
        struct stl_image *image = &images->items[i];
        if (read_config(source, image->docker, err))
            return -1;
        image->digest = image->docker->config_digest;
    }
    return 0;
}
