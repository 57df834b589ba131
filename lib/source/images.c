#include "images.h"

#include <string.h>

#include "images-readers.h"
#include "inlined.h"

/* manifest.json is a list in a docker archive, perhaps null, and an object in a folder of dir: format. */
static int detect_by_manifest(const struct stl_source *source, enum stl_format *format, struct stl_error *err)
{
    STL_AUTO_EXTENT struct stl_extent extent = STL_EXTENT_INIT;
    char start[64];
    int found = stl_source_find(source, "manifest.json", &extent, err);
    ssize_t n = found > 0 ? stl_extent_read(&extent, 0, start, sizeof start - 1, err) : 0;
    if (found < 0 || n < 0)
        return -1;
    start[n] = '\0';
    *format = start[strspn(start, " \t\r\n")] == '{' ? STL_FORMAT_DIR : STL_FORMAT_DOCKER;
    return found;
}

static void begin(struct stl_images *images, const struct stl_source *source, enum stl_format format)
{
    *images = (struct stl_images){.source = source, .format = format, .inlined = stl_inlined_make()};
}

/* Whether all layers of an image of a layout are plain tars: 1, 0 or -1. */
static int has_plain_layers(const struct stl_images *images, const struct stl_image *image,
                            struct stl_error *err)
{
    STL_AUTO_BUF struct stl_buf bytes = STL_BUF_INIT;
    STL_AUTO_MANIFEST struct stl_manifest manifest = {0};
    if (!stl_media_type_is_image(image->media_type) || image->size > STL_SOURCE_DOCUMENT_MAX)
        return 0;
    int found = stl_images_manifest(images, &image->digest, image->size, &bytes, err);
    if (found <= 0)
        return found;
    if (stl_manifest_parse(&manifest, bytes.data, bytes.length, image->media_type, image->digest.algorithm,
                           err))
        return -1;
    for (size_t i = 0; i < manifest.count; i++) {
        const struct stl_descriptor *d = &manifest.descriptors[i];
        size_t length = strlen(d->media_type);
        if (d->role == STL_ROLE_LAYER && (length < 4 || strcmp(d->media_type + length - 4, ".tar")))
            return 0;
    }
    return 1;
}

/* Whether the layout in a docker archive is to be preferred to its manifest.json: Docker 25 and later write
 * both. If the layers of the layout are compressed, it is the image as it was pulled; if all are plain tars,
 * it was made for this archive. Returns 1, 0 or -1. */
static int prefers_layout(const struct stl_source *source, struct stl_error *err)
{
    STL_AUTO_IMAGES struct stl_images layout = {0};
    begin(&layout, source, STL_FORMAT_OCI);
    if (stl_images_read_oci(&layout, err))
        return -1;
    for (size_t i = 0; i < layout.count; i++) {
        int plain = has_plain_layers(&layout, &layout.items[i], err);
        if (plain <= 0)
            return plain < 0 ? -1 : 1;
    }
    return 0;
}

/* Docker 25 and later, and hauler, put both lists into an archive. */
static int choose_list(const struct stl_source *source, enum stl_format *format, struct stl_error *err)
{
    int layout = stl_images_has(source, "index.json", err);
    int preferred = layout > 0 ? prefers_layout(source, err) : layout;
    if (preferred > 0)
        *format = STL_FORMAT_OCI;
    return preferred < 0 ? -1 : 0;
}

static int detect(const struct stl_source *source, enum stl_format *format, struct stl_error *err)
{
    int manifest = detect_by_manifest(source, format, err);
    if (manifest < 0)
        return -1;
    if (manifest && *format == STL_FORMAT_DOCKER)
        return choose_list(source, format, err);
    int layout = stl_images_has(source, "oci-layout", err);
    if (layout == 0)
        layout = stl_images_has(source, "index.json", err);
    if (layout < 0)
        return -1;
    if (layout)
        *format = STL_FORMAT_OCI;
    if (layout || manifest)
        return 0;
    STL_AUTO_FREE char *what = stl_images_look_like(source);
    return stl_error_set(err, STL_INVALID, "%s holds no images: %s", source->label, what);
}

int stl_images_read(struct stl_images *images, const struct stl_source *source, enum stl_format format,
                    struct stl_error *err)
{
    begin(images, source, format);
    int result = format == STL_FORMAT_ANY      ? detect(source, &images->format, err)
                 : format == STL_FORMAT_DOCKER ? choose_list(source, &images->format, err)
                                               : 0;
    if (result)
        return result;
    return images->format == STL_FORMAT_OCI      ? stl_images_read_oci(images, err)
           : images->format == STL_FORMAT_DOCKER ? stl_images_read_docker(images, err)
                                                 : stl_images_read_dir(images, err);
}
