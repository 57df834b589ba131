/* Folders in skopeo's dir: format: manifest.json, blobs as <hex>, children of an index as
 * <hex>.manifest.json. */

#include "images-readers.h"
#include "images.h"

/* Docker manifests always name their type; an OCI manifest need not. */
static const char *guess_type(struct json_object *document)
{
    return json_object_object_get_ex(document, "manifests", NULL) ? STL_TYPE_OCI_INDEX
                                                                  : STL_TYPE_OCI_MANIFEST;
}

int stl_images_read_dir(struct stl_images *images, struct stl_error *err)
{
    static const char path[] = "manifest.json";
    const struct stl_source *source = images->source;
    STL_AUTO_BUF struct stl_buf text = STL_BUF_INIT;
    const char *media_type = NULL;
    int found = stl_source_read(source, path, STL_SOURCE_DOCUMENT_MAX, &text, err);
    if (found < 0)
        return -1;
    if (found == 0)
        return stl_error_set(err, STL_INVALID, "%s has no %s", source->label, path);
    STL_AUTO_JSON struct json_object *document = stl_json_parse(text.data, text.length, err);
    if (!document || stl_json_string(document, "mediaType", &media_type, err))
        return stl_error_context(err, "%s: %s", source->label, path);
    struct stl_image *image = stl_images_append(images);
    image->media_type = stl_strdup(media_type && *media_type ? media_type : guess_type(document));
    image->size = (int64_t)text.length;
    stl_digest_of(STL_SHA256, text.data, text.length, &image->digest);
    images->list = path;
    images->list_digest = image->digest;
    return 0;
}
