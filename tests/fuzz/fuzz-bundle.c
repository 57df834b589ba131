/* The list of a bundle: what is taken is consistent, and written again it is the same. */
#include <string.h>

#include "bundle.h"
#include "fuzz.h"
#include "scratch.h"

static void check_blobs(const struct stl_bundle *bundle)
{
    for (size_t i = 0; i < bundle->digests.count; i++) {
        const struct stl_bundle_blob *blob = &bundle->blobs[i];
        EXPECT(blob->size >= 0 && blob->volume <= bundle->volumes);
        EXPECT(blob->part_count <= bundle->part_count &&
               blob->first_part <= bundle->part_count - blob->part_count);
        int64_t size = 0;
        for (uint32_t part = 0; part < blob->part_count; part++) {
            const struct stl_bundle_part *at = &bundle->parts[blob->first_part + part];
            EXPECT(at->offset == size && at->size >= 0 && at->size <= INT64_MAX - size);
            EXPECT(at->volume >= 1 && at->volume <= bundle->volumes);
            size += at->size;
        }
        EXPECT(blob->part_count == 0 || size == blob->size);
    }
}

static void check_images(const struct stl_bundle *bundle)
{
    struct stl_error err = STL_ERROR_INIT;
    for (size_t i = 0; i < bundle->image_count; i++) {
        const struct stl_bundle_image *image = &bundle->images[i];
        struct stl_name name;
        struct stl_tag tag;
        struct stl_media_type type;
        EXPECT(stl_name_parse(image->name, &name, &err) == 0 && image->size >= 0);
        EXPECT(!image->tag || stl_tag_parse(image->tag, &tag, &err) == 0);
        EXPECT(stl_media_type_parse(image->media_type, &type, &err) == 0);
        EXPECT(i == 0 || stl_bundle_image_compare(image - 1, image) <= 0);
    }
    for (size_t i = 0; i < bundle->document_count; i++) {
        const char *path = bundle->documents[i].path;
        size_t folder =
            strncmp(path, STL_BUNDLE_SERVE, strlen(STL_BUNDLE_SERVE)) ? 0 : strlen(STL_BUNDLE_SERVE);
        EXPECT(bundle->documents[i].size >= 0 && path[folder] != '.' && !strchr(path + folder, '/'));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct stl_error err = STL_ERROR_INIT;
    struct stl_bundle bundle;
    struct stl_buf list = STL_BUF_INIT;
    stl_buf_add(&list, data, size);
    if (stl_bundle_parse(&bundle, &list, &err)) {
        EXPECT(err.code == STL_INVALID && err.message[0] && !list.data);
        return 0;
    }
    EXPECT(!list.data && bundle.list.length == size);
    check_blobs(&bundle);
    check_images(&bundle);
    stl_bundle_clear(&bundle);
    return 0;
}
