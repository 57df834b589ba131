/*
 * The readers of each format behind images.h. Only lib/source uses this.
 *
 * A reader fills images->items. On failure, the caller clears what it has made.
 */
#ifndef STL_IMAGES_READERS_H
#define STL_IMAGES_READERS_H

#include "json.h"
#include "source.h"

struct stl_docker_image;
struct stl_docker_made;
struct stl_image;
struct stl_images;
struct stl_remote_images;

int stl_images_read_oci(struct stl_images *images, struct stl_error *err);
int stl_images_read_dir(struct stl_images *images, struct stl_error *err);
int stl_images_read_docker(struct stl_images *images, struct stl_error *err);

/* Appends an empty image and returns it. The pointer is valid until the next one is appended. */
struct stl_image *stl_images_append(struct stl_images *images);
/* Adds a name to an image, unless it is NULL or "". */
void stl_image_add_name(struct stl_image *image, const char *name);
void stl_image_drop_names(struct stl_image *image);
/* Whether the source has a file: returns 1, 0 or -1. */
int stl_images_has(const struct stl_source *source, const char *path, struct stl_error *err);
/* Reads and parses a JSON document that must be there. The caller puts it. The second one leaves its bytes in
 * `text`. */
struct json_object *stl_images_document(const struct stl_source *source, const char *path,
                                        struct stl_error *err);
struct json_object *stl_images_read_document(const struct stl_source *source, const char *path,
                                             struct stl_buf *text, struct stl_error *err);

/* Says what an archive or a folder without a list of images looks like, and what to do. The caller frees. */
char *stl_images_look_like(const struct stl_source *source);

/* --- docker archives (images-docker.h) ------------------------------------------------------------------ */

/* Access to what was made from them, like the functions of images.h with similar names. */
int stl_docker_manifest(const struct stl_images *images, const struct stl_digest *digest,
                        struct stl_buf *bytes, struct stl_error *err);
int stl_docker_blob(const struct stl_images *images, const struct stl_digest *digest,
                    struct stl_extent *extent, struct stl_error *err);
bool stl_docker_staged(const struct stl_images *images, const struct stl_digest *digest,
                       char name[STL_STAGED_NAME_MAX]);

void stl_docker_clear_image(struct stl_docker_image *docker);
void stl_docker_clear_made(struct stl_docker_made *made);

/* --- registries (images-remote.h) ----------------------------------------------------------------------- */

int stl_remote_images_manifest(const struct stl_images *images, const struct stl_digest *digest,
                               struct stl_buf *bytes, struct stl_error *err);
int stl_remote_images_blob(const struct stl_images *images, const struct stl_digest *digest, int64_t size,
                           struct stl_buf *bytes, struct stl_error *err);
void stl_remote_images_clear(struct stl_remote_images *remote, const struct stl_root *root);
void stl_remote_images_clear_blobs(struct stl_remote_images *remote, const struct stl_root *root);

#endif
