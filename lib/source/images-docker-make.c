/* Making manifests for the images of a docker archive. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "images-docker.h"
#include "images-readers.h"
#include "images.h"

#define CONFIG_TYPE "application/vnd.oci.image.config.v1+json"

/* A manifest, a config or a layer that was made. */
struct made {
    int64_t size;
    char *manifest;     /* its bytes */
    const char *config; /* its path in the source; belongs to the image */
    uint32_t layer;     /* otherwise: the number of its diff_id */
};

struct stl_docker_made {
    struct stl_digestset diff_ids;
    struct stl_layer *layers; /* one for each diff_id; its file in the stage has that number */
    struct stl_digestset digests;
    struct made *items; /* one for each digest */
};

void stl_docker_clear_made(struct stl_docker_made *made)
{
    if (!made)
        return;
    for (size_t i = 0; i < made->digests.count; i++)
        free(made->items[i].manifest);
    free(made->items);
    free(made->layers);
    stl_digestset_clear(&made->diff_ids);
    stl_digestset_clear(&made->digests);
    free(made);
}

static const struct made *find_made(const struct stl_images *images, const struct stl_digest *digest)
{
    size_t number;
    if (!images->made || !stl_digestset_find(&images->made->digests, digest, &number))
        return NULL;
    return &images->made->items[number];
}

/* Takes over item->manifest. */
static void note_made(struct stl_docker_made *made, const struct stl_digest *digest, struct made item)
{
    size_t number, count = made->digests.count;
    if (stl_digestset_add(&made->digests, digest, &number)) {
        stl_grow(made->items, count);
        made->items[number] = item;
    } else
        free(item.manifest);
}

static char *layer_name(uint32_t number, char name[STL_STAGED_NAME_MAX])
{
    snprintf(name, STL_STAGED_NAME_MAX, "layer-%u", number);
    return name;
}

static int find_layer(const struct stl_images *images, const char *path, struct stl_extent *extent,
                      struct stl_error *err)
{
    int found = stl_source_find(images->source, path, extent, err);
    if (found == 0)
        return stl_error_set(err, STL_MANIFEST_BLOB_UNKNOWN, "%s has no layer %s", images->source->label,
                             path);
    return found < 0 ? -1 : 0;
}

static int make_layer(struct stl_images *images, const struct stl_docker_image *docker, size_t i,
                      enum stl_compression compression, stl_copy_progress *progress, void *context,
                      struct stl_error *err)
{
    struct stl_docker_made *made = images->made;
    const struct stl_digest *diff_id = &docker->diff_ids[i];
    STL_AUTO_EXTENT struct stl_extent extent = STL_EXTENT_INIT;
    STL_AUTO_TEMP struct stl_temp temp = STL_TEMP_INIT;
    char name[STL_STAGED_NAME_MAX], text[STL_DIGEST_TEXT_MAX];
    struct stl_layer layer;
    size_t number, count = made->diff_ids.count;
    if (stl_digestset_find(&made->diff_ids, diff_id, &number))
        return 0;
    if (find_layer(images, docker->layers[i], &extent, err))
        return -1;
    if (stl_stage_create(images->source->stage, layer_name((uint32_t)count, name), &temp, err) ||
        stl_layer_make(&extent, compression, diff_id->algorithm, &temp, progress, context, &layer, err))
        return stl_error_context(err, "%s: layer %s", images->source->label, docker->layers[i]);
    if (!stl_digest_equal(&layer.diff_id, diff_id))
        return stl_error_set(err, STL_DIGEST_INVALID, "%s: layer %s is not the %s that the config names",
                             images->source->label, docker->layers[i], stl_digest_format(diff_id, text));
    stl_temp_park(&temp);
    stl_grow(made->layers, count);
    made->layers[count] = layer;
    stl_digestset_add(&made->diff_ids, diff_id, &number);
    note_made(made, &layer.digest, (struct made){.size = layer.size, .layer = (uint32_t)number});
    return 0;
}

static void add_descriptor(struct stl_buf *text, const char *media_type, const struct stl_digest *digest,
                           int64_t size)
{
    char digest_text[STL_DIGEST_TEXT_MAX];
    stl_buf_printf(text, "{\"mediaType\":\"%s\",\"digest\":\"%s\",\"size\":%" PRId64 "}", media_type,
                   stl_digest_format(digest, digest_text), size);
}

static void write_manifest(const struct stl_docker_made *made, const struct stl_docker_image *docker,
                           struct stl_buf *text)
{
    stl_buf_puts(text, "{\"schemaVersion\":2,\"mediaType\":\"" STL_TYPE_OCI_MANIFEST "\",\"config\":");
    add_descriptor(text, CONFIG_TYPE, &docker->config_digest, docker->config_size);
    stl_buf_puts(text, ",\"layers\":[");
    for (size_t i = 0; i < docker->count; i++) {
        size_t number = 0;
        stl_digestset_find(&made->diff_ids, &docker->diff_ids[i], &number);
        const struct stl_layer *layer = &made->layers[number];
        stl_buf_puts(text, i ? "," : "");
        add_descriptor(text, stl_layer_media_type(layer->compression), &layer->digest, layer->size);
    }
    stl_buf_puts(text, "]}");
}

int stl_docker_make(struct stl_images *images, struct stl_image *image, enum stl_compression compression,
                    stl_copy_progress *progress, void *context, struct stl_error *err)
{
    const struct stl_docker_image *docker = image->docker;
    STL_AUTO_BUF struct stl_buf text = STL_BUF_INIT;
    if (!images->made)
        images->made = stl_alloc(sizeof *images->made);
    for (size_t i = 0; i < docker->count; i++)
        if (make_layer(images, docker, i, compression, progress, context, err))
            return -1;
    write_manifest(images->made, docker, &text);
    note_made(images->made, &docker->config_digest,
              (struct made){.size = docker->config_size, .config = docker->config});
    stl_digest_of(STL_SHA256, text.data, text.length, &image->digest);
    image->size = (int64_t)text.length;
    note_made(images->made, &image->digest,
              (struct made){.size = image->size, .manifest = stl_steal(text.data)});
    return 0;
}

uint64_t stl_docker_size(const struct stl_images *images, const struct stl_image *image)
{
    struct stl_error ignored = STL_ERROR_INIT;
    uint64_t size = 0;
    for (size_t i = 0; i < image->docker->count; i++) {
        STL_AUTO_EXTENT struct stl_extent extent = STL_EXTENT_INIT;
        if (stl_source_find(images->source, image->docker->layers[i], &extent, &ignored) > 0)
            size += (uint64_t)extent.size;
    }
    return size;
}

int stl_docker_is_made(const struct stl_images *images, const struct stl_image *image,
                       enum stl_compression compression, const struct stl_manifest *manifest,
                       struct stl_error *err)
{
    const struct stl_docker_image *docker = image->docker;
    if (strcmp(manifest->media_type.text, STL_TYPE_OCI_MANIFEST) || manifest->count != docker->count + 1 ||
        !stl_digest_equal(&manifest->descriptors[0].digest, &docker->config_digest))
        return 0;
    for (size_t i = 0; i < docker->count; i++) {
        STL_AUTO_EXTENT struct stl_extent extent = STL_EXTENT_INIT;
        enum stl_compression actual;
        if (find_layer(images, docker->layers[i], &extent, err) ||
            stl_layer_compression(&extent, compression, &actual, err))
            return -1;
        if (strcmp(manifest->descriptors[i + 1].media_type, stl_layer_media_type(actual)))
            return 0;
    }
    return 1;
}

int stl_docker_manifest(const struct stl_images *images, const struct stl_digest *digest,
                        struct stl_buf *bytes, struct stl_error *err)
{
    const struct made *made = find_made(images, digest);
    if (!made || !made->manifest)
        return 0;
    if (stl_buf_add(bytes, made->manifest, (size_t)made->size))
        return stl_error_set(err, STL_MANIFEST_TOO_LARGE, "a manifest of %lld bytes is too large",
                             (long long)made->size);
    return 1;
}

int stl_docker_blob(const struct stl_images *images, const struct stl_digest *digest,
                    struct stl_extent *extent, struct stl_error *err)
{
    const struct made *made = find_made(images, digest);
    char name[STL_STAGED_NAME_MAX];
    if (!made || made->manifest)
        return 0;
    if (made->config)
        return stl_source_find(images->source, made->config, extent, err);
    *extent = (struct stl_extent){.owned = true, .size = made->size};
    extent->fd = stl_stage_open(images->source->stage, layer_name(made->layer, name), err);
    return extent->fd < 0 ? -1 : 1;
}

bool stl_docker_staged(const struct stl_images *images, const struct stl_digest *digest,
                       char name[STL_STAGED_NAME_MAX])
{
    const struct made *made = find_made(images, digest);
    if (!made || made->manifest || made->config)
        return false;
    layer_name(made->layer, name);
    return true;
}
