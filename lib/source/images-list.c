/* The list of images that the readers of all formats fill. */
#include "images-readers.h"

#include <stdlib.h>
#include <string.h>

#include "images.h"

/* A list of images is longer than a manifest: this is enough for about 10,000. */
enum { VALUES_MAX = 320000 };

struct stl_image *stl_images_append(struct stl_images *images)
{
    stl_grow(images->items, images->count);
    images->items[images->count] = (struct stl_image){0};
    return &images->items[images->count++];
}

void stl_image_add_name(struct stl_image *image, const char *name)
{
    if (!name || !*name)
        return;
    stl_grow(image->names, image->name_count);
    image->names[image->name_count++] = stl_strdup(name);
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

int stl_images_has(const struct stl_source *source, const char *path, struct stl_error *err)
{
    STL_AUTO_EXTENT struct stl_extent extent = STL_EXTENT_INIT;
    return stl_source_find(source, path, &extent, err);
}

struct json_object *stl_images_read_document(const struct stl_source *source, const char *path,
                                             struct stl_buf *text, struct stl_error *err)
{
    int found = stl_source_read(source, path, STL_SOURCE_DOCUMENT_MAX, text, err);
    if (found < 0)
        return NULL;
    if (found == 0) {
        stl_error_set(err, STL_INVALID, "%s has no %s", source->label, path);
        return NULL;
    }
    struct json_object *document = stl_json_parse_large(text->data, text->length, VALUES_MAX, err);
    if (!document)
        stl_error_context(err, "%s: %s", source->label, path);
    return document;
}

struct json_object *stl_images_document(const struct stl_source *source, const char *path,
                                        struct stl_error *err)
{
    STL_AUTO_BUF struct stl_buf text = STL_BUF_INIT;
    return stl_images_read_document(source, path, &text, err);
}
