#include "images.h"

#include <stdio.h>
#include <stdlib.h>
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

/* Docker 25 and later, and hauler, put both lists into an archive. */
static int choose_list(const struct stl_source *source, enum stl_format *format, struct stl_error *err)
{
    int layout = stl_images_has(source, "index.json", err);
    int preferred = layout > 0 ? stl_docker_prefers_layout(source, err) : layout;
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
    *images = (struct stl_images){.source = source, .format = format, .inlined = stl_inlined_make()};
    int result = format == STL_FORMAT_ANY      ? detect(source, &images->format, err)
                 : format == STL_FORMAT_DOCKER ? choose_list(source, &images->format, err)
                                               : 0;
    if (result == 0)
        result = images->format == STL_FORMAT_OCI      ? stl_images_read_oci(images, err)
                 : images->format == STL_FORMAT_DOCKER ? stl_images_read_docker(images, err)
                                                       : stl_images_read_dir(images, err);
    if (result)
        stl_images_clear(images);
    return result;
}

bool stl_image_same_names(const struct stl_image *a, const struct stl_image *b)
{
    if (a->name_count != b->name_count || !a->tag != !b->tag || (a->tag && strcmp(a->tag, b->tag)))
        return false;
    for (size_t i = 0; i < a->name_count; i++)
        if (strcmp(a->names[i], b->names[i]))
            return false;
    return true;
}

void stl_image_drop_names(struct stl_image *image)
{
    for (size_t i = 0; i < image->name_count; i++)
        free(image->names[i]);
    free(image->names);
    free(image->ref);
    free(image->tag);
    image->names = NULL;
    image->ref = image->tag = NULL;
    image->name_count = 0;
}

static void clear_image(struct stl_image *image)
{
    stl_image_drop_names(image);
    free(image->media_type);
    stl_docker_clear_image(image->docker);
}

void stl_images_clear(struct stl_images *images)
{
    for (size_t i = 0; i < images->count; i++)
        clear_image(&images->items[i]);
    free(images->items);
    stl_docker_clear_made(images->made);
    stl_inlined_clear(images->inlined);
    if (images->remote)
        stl_remote_images_clear(images->remote, &images->source->registry->root);
    stl_buf_clear(&images->notes);
    *images = (struct stl_images){0};
}

/* The file name of a digest. */
static void path_of_file(const struct stl_images *images, const struct stl_digest *digest, bool manifest,
                         char path[STL_MEMBER_NAME_MAX])
{
    char text[STL_DIGEST_TEXT_MAX];
    const char *hex = strchr(stl_digest_format(digest, text), ':') + 1;
    if (manifest && images->list && stl_digest_equal(digest, &images->list_digest))
        snprintf(path, STL_MEMBER_NAME_MAX, "%s", images->list);
    else if (images->format == STL_FORMAT_OCI)
        snprintf(path, STL_MEMBER_NAME_MAX, "blobs/%s/%s", stl_algorithm_name(digest->algorithm), hex);
    else
        snprintf(path, STL_MEMBER_NAME_MAX, "%s%s", hex, manifest ? ".manifest.json" : "");
}

static int find_file(const struct stl_images *images, const struct stl_digest *digest, int64_t size,
                     bool manifest, struct stl_extent *extent, struct stl_error *err)
{
    char path[STL_MEMBER_NAME_MAX];
    path_of_file(images, digest, manifest, path);
    int found = stl_source_find(images->source, path, extent, err);
    if (found == 0)
        found = stl_inlined_find(images->inlined, images->source, digest, extent, err);
    if (found <= 0 || extent->size == size)
        return found;
    stl_error_set(err, STL_MANIFEST_INVALID, "%s: %s has %lld bytes where %lld are expected",
                  images->source->label, path, (long long)extent->size, (long long)size);
    stl_extent_close(extent);
    return -1;
}

int stl_images_blob(const struct stl_images *images, const struct stl_digest *digest, int64_t size,
                    struct stl_extent *extent, struct stl_error *err)
{
    if (images->format == STL_FORMAT_DOCKER)
        return stl_docker_blob(images, digest, extent, err);
    return find_file(images, digest, size, false, extent, err);
}

bool stl_images_staged(const struct stl_images *images, const struct stl_digest *digest,
                       char name[STL_STAGED_NAME_MAX])
{
    char path[STL_MEMBER_NAME_MAX];
    if (images->format == STL_FORMAT_DOCKER)
        return stl_docker_staged(images, digest, name);
    path_of_file(images, digest, false, path);
    return stl_source_staged(images->source, path, name);
}

int stl_images_manifest(const struct stl_images *images, const struct stl_digest *digest, int64_t size,
                        struct stl_buf *bytes, struct stl_error *err)
{
    STL_AUTO_EXTENT struct stl_extent extent = STL_EXTENT_INIT;
    char text[STL_DIGEST_TEXT_MAX];
    struct stl_digest actual;
    if (images->format == STL_FORMAT_DOCKER)
        return stl_docker_manifest(images, digest, bytes, err);
    if (images->format == STL_FORMAT_REMOTE)
        return stl_remote_images_manifest(images, digest, bytes, err);
    int found = find_file(images, digest, size, true, &extent, err);
    if (found <= 0)
        return found;
    char *place = stl_buf_extend(bytes, (size_t)size);
    if (!place)
        return stl_error_set(err, STL_MANIFEST_TOO_LARGE, "a manifest of %lld bytes is too large",
                             (long long)size);
    stl_digest_format(digest, text);
    if (stl_extent_read(&extent, 0, place, (size_t)size, err) < 0)
        return stl_error_context(err, "%s: %s", images->source->label, text);
    stl_digest_of(digest->algorithm, place, (size_t)size, &actual);
    if (!stl_digest_equal(&actual, digest))
        return stl_error_set(err, STL_DIGEST_INVALID, "%s: the content of %s does not have that digest",
                             images->source->label, text);
    return 1;
}

static int read_source_manifest(void *context, const struct stl_digest *digest, int64_t size,
                                struct stl_buf *bytes, struct stl_error *err)
{
    const struct stl_images *images = context;
    size_t before = bytes->length;
    int found = stl_images_manifest(images, digest, size, bytes, err);
    if (found > 0 && images->inlined &&
        stl_inlined_note(images->inlined, images->source, bytes->data + before, bytes->length - before, err))
        return -1;
    return found;
}

static int read_blob(void *context, const struct stl_digest *digest, int64_t size, struct stl_buf *bytes,
                     struct stl_error *err)
{
    const struct stl_images *images = context;
    STL_AUTO_EXTENT struct stl_extent extent = STL_EXTENT_INIT;
    if (images->format == STL_FORMAT_REMOTE)
        return stl_remote_images_blob(images, digest, size, bytes, err);
    int found = stl_images_blob(images, digest, size, &extent, err);
    if (found <= 0)
        return found;
    char *place = stl_buf_extend(bytes, (size_t)size);
    if (!place)
        return stl_error_set(err, STL_INVALID, "a blob of %lld bytes is too large to be read",
                             (long long)size);
    return stl_extent_read(&extent, 0, place, (size_t)size, err) < 0 ? -1 : 1;
}

struct stl_graph_reader stl_images_reader(const struct stl_images *images)
{
    return (struct stl_graph_reader){images->source->label, read_source_manifest, read_blob, (void *)images};
}
