/* OCI image layouts (image-spec, image-layout.md). */
#include <stdlib.h>
#include <string.h>

#include "images-format.h"

#define KEY_REF "org.opencontainers.image.ref.name"
#define KEY_NAME "io.containerd.image.name"

static int check_version(const struct stl_source *source, struct stl_error *err)
{
    const char *version = NULL;
    STL_AUTO_JSON struct json_object *document = stl_images_document(source, "oci-layout", err);
    if (!document)
        return -1;
    if (stl_json_string(document, "imageLayoutVersion", &version, err))
        return stl_error_context(err, "%s: oci-layout", source->label);
    if (!version || strncmp(version, "1.", 2))
        return stl_error_set(err, STL_INVALID, "%s: oci-layout has version '%.40s', and only 1.x is known",
                             source->label, version ? version : "");
    return 0;
}

/* podman and skopeo write a whole name where the specification's examples have a tag. */
static int read_names(struct stl_image *image, struct json_object *descriptor, struct stl_error *err)
{
    struct json_object *annotations = NULL;
    const char *ref = NULL, *name = NULL;
    if (stl_json_object(descriptor, "annotations", &annotations, err))
        return -1;
    if (!annotations)
        return 0;
    if (stl_json_string(annotations, KEY_REF, &ref, err) ||
        stl_json_string(annotations, KEY_NAME, &name, err))
        return -1;
    if (ref && *ref)
        image->ref = stl_strdup(ref);
    stl_image_add_name(image, name);
    if (!image->ref || image->names)
        return 0;
    if (strpbrk(image->ref, ":/"))
        stl_image_add_name(image, image->ref);
    else
        image->tag = stl_strdup(image->ref);
    return 0;
}

static int read_descriptor(struct stl_images *images, struct json_object *object, struct stl_error *err)
{
    struct stl_descriptor descriptor;
    if (stl_descriptor_parse(&descriptor, STL_ROLE_MANIFEST, object, err))
        return -1;
    struct stl_image *image = stl_images_append(images);
    image->digest = descriptor.digest;
    image->size = descriptor.size;
    image->media_type = stl_strdup(descriptor.media_type);
    return read_names(image, object, err);
}

int stl_images_read_oci(struct stl_images *images, struct stl_error *err)
{
    const struct stl_source *source = images->source;
    struct json_object *manifests = NULL;
    if (check_version(source, err))
        return -1;
    STL_AUTO_JSON struct json_object *document = stl_images_document(source, "index.json", err);
    if (!document)
        return -1;
    if (stl_json_array(document, "manifests", &manifests, err))
        return stl_error_context(err, "%s: index.json", source->label);
    if (!manifests || json_object_array_length(manifests) == 0)
        return stl_error_set(err, STL_INVALID, "%s: index.json lists no images", source->label);
    for (size_t i = 0; i < json_object_array_length(manifests); i++)
        if (read_descriptor(images, json_object_array_get_idx(manifests, i), err))
            return stl_error_context(err, "%s: index.json: manifests[%zu]", source->label, i);
    return 0;
}
