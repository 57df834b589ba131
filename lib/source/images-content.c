/* What the images of a source consist of: their manifests and blobs. */
#include "images.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "images-readers.h"
#include "inlined.h"

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
