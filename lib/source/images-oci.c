/*
 * OCI image layouts (image-spec, image-layout.md), and what tools make of index.json:
 *
 * - podman and skopeo write a whole name where the specification's examples have a tag.
 * - hauler and `cosign save` list signatures, attestations and SBOMs beside the image and with its names; the
 *   annotation "kind" (…/sigs, …/atts, …/sboms) tells them apart. Later versions of hauler put a name with the
 *   digest or with cosign's tag into the ref, and the name of the image that it is of beside it.
 * - apko and buildpacks make index.json the index of one image: its descriptors have platforms, and no names
 *   or all the same. The image is then the file itself, and the descriptors are parts of it.
 */
#include <string.h>

#include "images-readers.h"
#include "images.h"
#include "inlined.h"

#define INDEX "index.json"
#define KEY_REF "org.opencontainers.image.ref.name"
#define KEY_NAME "io.containerd.image.name"
#define KEY_KIND "kind"

enum { PARTS_MAX = 64 };

/* Some tools omit the file. */
static int check_version(struct stl_images *images, struct stl_error *err)
{
    const struct stl_source *source = images->source;
    const char *version = NULL;
    int found = stl_images_has(source, "oci-layout", err);
    if (found == 0)
        stl_buf_printf(&images->notes, "%s has no oci-layout: it is taken for a layout of version 1.0.0\n",
                       source->label);
    if (found <= 0)
        return found;
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

/* Whether a ref contains a digest, even within a tag: then it says more than a name beside it that has none.
 * (Of NAME:TAG@DIGEST, ctr leaves TAG@DIGEST as the ref.) */
static bool names_digest(const char *ref)
{
    struct stl_digest digest;
    const char *slash = strrchr(ref, '/'), *colon = strchr(slash ? slash : ref, ':');
    return colon && colon > ref && (strchr(ref, '@') > ref || stl_tag_names_digest(colon + 1, &digest));
}

static const char *suffix_of(const char *kind)
{
    static const struct {
        const char *kind, *suffix;
    } kinds[] = {{"sigs", ".sig"}, {"atts", ".att"}, {"sboms", ".sbom"}};
    const char *slash = strchr(kind, '/');
    size_t length = slash ? strcspn(slash + 1, "/") : 0;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (length == strlen(kinds[i].kind) && !memcmp(slash + 1, kinds[i].kind, length))
            return kinds[i].suffix;
    return NULL;
}

/* A referrer of hauler has the name of its subject. */
static bool is_kind_of_referrer(const char *kind)
{
    const char *slash = strchr(kind, '/');
    return slash && !strncmp(slash, "/referrers", strlen("/referrers"));
}

static int read_names(struct stl_image *image, struct json_object *descriptor, struct stl_error *err)
{
    struct json_object *annotations = NULL;
    const char *ref = NULL, *name = NULL, *kind = "";
    if (stl_json_object(descriptor, "annotations", &annotations, err))
        return -1;
    if (!annotations)
        return 0;
    if (stl_json_string(annotations, KEY_REF, &ref, err) ||
        stl_json_string(annotations, KEY_NAME, &name, err) ||
        stl_json_string(annotations, KEY_KIND, &kind, err))
        return -1;
    if (is_kind_of_referrer(kind))
        return 0;
    image->suffix = suffix_of(kind);
    if (ref && *ref)
        image->ref = stl_strdup(ref);
    if (!ref || !names_digest(ref) || (name && strchr(name, '@')))
        stl_image_add_name(image, name);
    if (!image->ref || image->names)
        return 0;
    if (strpbrk(image->ref, ":/@"))
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

/* Two descriptors with the same platform are two images; descriptors for no platform, such as build
 * attestations, may come with either. */
static bool repeats_platform(struct json_object *manifests, size_t i, struct json_object *platform)
{
    const char *text = json_object_to_json_string(platform);
    for (size_t k = 0; k < i; k++) {
        struct json_object *other = NULL;
        json_object_object_get_ex(json_object_array_get_idx(manifests, k), "platform", &other);
        if (json_object_equal(other, platform) && !strstr(text, "\"unknown\""))
            return true;
    }
    return false;
}

/* Whether the list is itself the index of one image: several descriptors, each for a platform of its own, and
 * none with a name that the others do not have. */
static bool is_one_image(const struct stl_images *images, struct json_object *manifests)
{
    if (images->count < 2 || images->count > PARTS_MAX)
        return false;
    for (size_t i = 0; i < images->count; i++) {
        const struct stl_image *image = &images->items[i];
        struct json_object *platform = NULL;
        json_object_object_get_ex(json_object_array_get_idx(manifests, i), "platform", &platform);
        if (!stl_image_same_names(image, &images->items[0]) || image->suffix ||
            !json_object_is_type(platform, json_type_object) || repeats_platform(manifests, i, platform))
            return false;
    }
    return true;
}

static void append_list(struct stl_images *images, const struct stl_buf *text)
{
    struct stl_image *image = stl_images_append(images), *part = images->items;
    image->ref = stl_steal(part->ref);
    image->tag = stl_steal(part->tag);
    image->names = stl_steal(part->names);
    image->name_count = part->name_count;
    part->name_count = 0;
    for (; part < image; part++) {
        stl_image_drop_names(part);
        part->is_part = true;
    }
    stl_digest_of(STL_SHA256, text->data, text->length, &images->list_digest);
    images->list = INDEX;
    image->digest = images->list_digest;
    image->size = (int64_t)text->length;
    image->media_type = stl_strdup(STL_TYPE_OCI_INDEX);
}

int stl_images_read_oci(struct stl_images *images, struct stl_error *err)
{
    const struct stl_source *source = images->source;
    struct json_object *manifests = NULL;
    STL_AUTO_BUF struct stl_buf text = STL_BUF_INIT;
    if (check_version(images, err))
        return -1;
    STL_AUTO_JSON struct json_object *document = stl_images_read_document(source, INDEX, &text, err);
    if (!document)
        return -1;
    if (stl_json_array(document, "manifests", &manifests, err))
        return stl_error_context(err, "%s: index.json", source->label);
    if (!manifests || json_object_array_length(manifests) == 0)
        return stl_error_set(err, STL_INVALID, "%s: index.json lists no images", source->label);
    for (size_t i = 0; i < json_object_array_length(manifests); i++)
        if (read_descriptor(images, json_object_array_get_idx(manifests, i), err))
            return stl_error_context(err, "%s: index.json: manifests[%zu]", source->label, i);
    if (stl_inlined_note(images->inlined, images->source, text.data, text.length, err))
        return -1;
    if (is_one_image(images, manifests))
        append_list(images, &text);
    return 0;
}
