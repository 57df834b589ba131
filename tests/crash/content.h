/*
 * Content for the changes of crash.h, as documents and as pushes that can fail. Texts are the caller's.
 */
#ifndef CONTENT_H
#define CONTENT_H

#include "unit.h"

/* An image whose only layer is the text `blob`. `subject`: the document that it refers to, or NULL. */
char *content_image(const char *blob, const char *subject);
/* An index of the images of these blobs. */
char *content_index(const char *one, const char *two);

/* Push: what an image needs and itself; an index, whose images are there; an index with all. `tag` may be
 * NULL. */
int content_push_blob(const struct stl_registry *registry, const char *repository, const char *blob,
                      struct stl_error *error);
int content_push(const struct stl_registry *registry, const char *repository, const char *json,
                 const char *tag, struct stl_error *error);
int content_push_image(const struct stl_registry *registry, const char *repository, const char *blob,
                       const char *tag, struct stl_error *error);
int content_push_referrer(const struct stl_registry *registry, const char *repository, const char *blob,
                          const char *subject, struct stl_error *error);
int content_push_index(const struct stl_registry *registry, const char *repository, const char *one,
                       const char *two, const char *tag, struct stl_error *error);

/* The digest of the image of a blob. */
struct stl_digest content_digest(const char *blob);

#endif
