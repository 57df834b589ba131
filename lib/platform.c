#include "platform.h"

#include <string.h>

enum { DEPTH_MAX = 8, CONFIG_MAX = 4 << 20 };

struct finder {
    const struct stl_graph *graph;
    const struct stl_platform *platform;
    struct stl_digest digest;
    int64_t size;
    char *media_type;
};

/* Of an index: 1 if found, 0, -1. */
static int search(struct finder *f, const struct stl_digest *digest, int64_t size, const char *media_type, int depth,
                  struct stl_error *err)
{
    STL_AUTO_BUF struct stl_buf bytes = STL_BUF_INIT;
    STL_AUTO_MANIFEST struct stl_manifest manifest = {0};
    if (stl_graph_read(f->graph, digest, size, media_type, &bytes, &manifest, err))
        return -1;
    for (size_t i = 0; i < manifest.count; i++) {
        const struct stl_descriptor *d = &manifest.descriptors[i];
        if (d->role != STL_ROLE_MANIFEST)
            continue;
        if (stl_media_type_is_index(d->media_type) && depth < DEPTH_MAX) {
            int found = search(f, &d->digest, d->size, d->media_type, depth + 1, err);
            if (found)
                return found;
        } else if (stl_descriptor_matches(d, f->platform)) {
            f->digest = d->digest;
            f->size = d->size;
            f->media_type = stl_strdup(d->media_type);
            return 1;
        }
    }
    return 0;
}

/* The config has os, architecture and variant where a descriptor has an object `platform`. */
static int config_matches(const struct finder *f, const struct stl_descriptor *config, struct stl_error *err)
{
    STL_AUTO_EXTENT struct stl_extent extent = STL_EXTENT_INIT;
    STL_AUTO_BUF struct stl_buf bytes = STL_BUF_INIT;
    if (config->size > CONFIG_MAX || !strstr(config->media_type, "image"))
        return 0;
    int found = stl_images_blob(f->graph->images, &config->digest, config->size, &extent, err);
    if (found <= 0)
        return found;
    char *text = stl_buf_extend(&bytes, (size_t)config->size);
    if (stl_extent_read(&extent, 0, text, (size_t)config->size, err) < 0)
        return -1;
    STL_AUTO_JSON struct json_object *document = stl_json_parse(text, (size_t)config->size, err);
    if (!document)
        return stl_error_context(err, "%s: config", f->graph->images->source->label);
    STL_AUTO_JSON struct json_object *descriptor = json_object_new_object();
    json_object_object_add(descriptor, "platform", json_object_get(document));
    struct stl_descriptor as_child = {.object = descriptor};
    return stl_descriptor_matches(&as_child, f->platform);
}

static int image_matches(const struct finder *f, const struct stl_image *image, struct stl_error *err)
{
    STL_AUTO_BUF struct stl_buf bytes = STL_BUF_INIT;
    STL_AUTO_MANIFEST struct stl_manifest manifest = {0};
    if (stl_graph_read(f->graph, &image->digest, image->size, image->media_type, &bytes, &manifest, err))
        return -1;
    if (manifest.count == 0 || manifest.descriptors[0].role != STL_ROLE_CONFIG)
        return 0;
    return config_matches(f, &manifest.descriptors[0], err);
}

int stl_platform_find(const struct stl_graph *graph, const struct stl_image *image,
                      const struct stl_platform *platform, struct stl_digest *digest, int64_t *size,
                      char **media_type, struct stl_error *err)
{
    struct finder f = {graph, platform, image->digest, image->size, NULL};
    bool is_index = stl_media_type_is_index(image->media_type);
    int found = is_index ? search(&f, &image->digest, image->size, image->media_type, 0, err)
                         : image_matches(&f, image, err);
    if (found < 0)
        return -1;
    char text[STL_DIGEST_TEXT_MAX];
    if (found == 0)
        return stl_error_set(err, STL_INVALID, "%s: image %s has nothing for platform %s/%s%s%s",
                             graph->images->source->label,
                             image->ref ? image->ref : stl_digest_format(&image->digest, text), platform->os,
                             platform->architecture, platform->variant[0] ? "/" : "", platform->variant);
    *digest = f.digest;
    *size = f.size;
    *media_type = f.media_type ? f.media_type : stl_strdup(image->media_type);
    return 0;
}
