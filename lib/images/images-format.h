/*
 * The readers of each format, for images.c only.
 *
 * A reader fills images->items; what it has made when it fails is cleared by the caller.
 */
#ifndef STL_IMAGES_FORMAT_H
#define STL_IMAGES_FORMAT_H

#include "images.h"

int stl_images_read_oci(struct stl_images *images, struct stl_error *err);
int stl_images_read_dir(struct stl_images *images, struct stl_error *err);
int stl_images_read_docker(struct stl_images *images, struct stl_error *err);

/* Adds an empty image, and returns it: valid until the next one is added. */
struct stl_image *stl_images_append(struct stl_images *images);
/* Adds a name to an image, unless it is NULL or "". */
void stl_image_add_name(struct stl_image *image, const char *name);
/* Reads and parses a JSON document that must be there. The caller puts it. */
struct json_object *stl_images_document(const struct stl_source *source, const char *path,
                                        struct stl_error *err);

#endif
