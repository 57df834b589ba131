#include "platform.h"

#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = 8, CONFIG_MAX = 4 << 20 };

struct finder {
    const struct stl_graph *graph;
    const struct stl_platform *platform;
    struct stl_platform_image image; /* what was found */
    int match;                       /* how well it matches */
};

static void consider(struct finder *f, const struct stl_descriptor *descriptor)
{
    int match = stl_descriptor_match(descriptor, f->platform);
    if (match <= f->match)
        return;
    free(f->image.media_type);
    f->image =
        (struct stl_platform_image){descriptor->digest, descriptor->size, stl_strdup(descriptor->media_type)};
    f->match = match;
}

/* The best match in an index. */
static int search(struct finder *f, const struct stl_digest *digest, int64_t size, const char *media_type,
                  int depth, struct stl_error *err)
{
    STL_AUTO_BUF struct stl_buf bytes = STL_BUF_INIT;
    STL_AUTO_MANIFEST struct stl_manifest manifest = {0};
    if (stl_graph_read(f->graph, digest, size, media_type, &bytes, &manifest, err))
        return -1;
    for (size_t i = 0; i < manifest.count && f->match < STL_MATCH_BEST; i++) {
        const struct stl_descriptor *d = &manifest.descriptors[i];
        if (d->role != STL_ROLE_MANIFEST)
            continue;
        if (!stl_media_type_is_index(d->media_type) || depth == DEPTH_MAX)
            consider(f, d);
        else if (search(f, &d->digest, d->size, d->media_type, depth + 1, err))
            return -1;
    }
    return 0;
}

/* A config has os, architecture and variant, like the object `platform` of a descriptor. Artifacts are for
 * every platform. */
static int config_matches(const struct finder *f, const struct stl_descriptor *config, struct stl_error *err)
{
    STL_AUTO_BUF struct stl_buf bytes = STL_BUF_INIT;
    const struct stl_graph_reader *reader = &f->graph->reader;
    const char *architecture = "";
    if (config->size > CONFIG_MAX || !strstr(config->media_type, "image"))
        return 1;
    int found = reader->blob(reader->context, &config->digest, config->size, &bytes, err);
    if (found <= 0)
        return found;
    STL_AUTO_JSON struct json_object *document = stl_json_parse(bytes.data, bytes.length, err);
    if (!document)
        return stl_error_context(err, "%s: config", reader->label);
    if (stl_json_string(document, "architecture", &architecture, err))
        return -1;
    if (!*architecture)
        return 1;
    STL_AUTO_JSON struct json_object *descriptor = json_object_new_object();
    json_object_object_add(descriptor, "platform", json_object_get(document));
    struct stl_descriptor as_child = {.object = descriptor};
    return stl_descriptor_matches(&as_child, f->platform);
}

static int image_matches(const struct finder *f, const struct stl_platform_image *image,
                         struct stl_error *err)
{
    STL_AUTO_BUF struct stl_buf bytes = STL_BUF_INIT;
    STL_AUTO_MANIFEST struct stl_manifest manifest = {0};
    if (stl_graph_read(f->graph, &image->digest, image->size, image->media_type, &bytes, &manifest, err))
        return -1;
    if (manifest.count == 0 || manifest.descriptors[0].role != STL_ROLE_CONFIG)
        return 1;
    return config_matches(f, &manifest.descriptors[0], err);
}

int stl_platform_find(const struct stl_graph *graph, const struct stl_platform *platform,
                      struct stl_platform_image *image, struct stl_error *err)
{
    struct finder f = {.graph = graph, .platform = platform};
    bool is_index = stl_media_type_is_index(image->media_type);
    int found = is_index ? search(&f, &image->digest, image->size, image->media_type, 0, err)
                         : image_matches(&f, image, err);
    if (found < 0)
        free(f.image.media_type);
    else if (is_index)
        found = f.match > 0;
    if (found > 0 && is_index) {
        free(image->media_type);
        *image = f.image;
    }
    return found;
}

int stl_platform_choose(const struct stl_graph *graph, const struct stl_platform *platform, const char *name,
                        struct stl_platform_image *image, struct stl_error *err)
{
    int found = stl_platform_find(graph, platform, image, err);
    if (found)
        return found < 0 ? -1 : 0;
    return stl_error_set(err, STL_INVALID, "%s: image %s has nothing for platform %s/%s%s%s",
                         graph->reader.label, name, platform->os, platform->architecture,
                         platform->variant[0] ? "/" : "", platform->variant);
}
