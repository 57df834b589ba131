/*
 * Looking into a bundle without a registry: `stillage ls` and `stillage show`.
 *
 * One volume is enough: each has all manifests. What configs in other volumes say is left out. A stream is
 * read as far as the configs that are needed.
 */
#ifndef STL_BUNDLE_VIEW_H
#define STL_BUNDLE_VIEW_H

#include "bundle-manifests.h"
#include "json.h"

struct stl_bundle_view {
    struct stl_volume volume;
    struct stl_bundle_manifests manifests;
    struct stl_digestset configs; /* of a stream: those that are wanted */
    struct stl_buf *config_bytes; /* config_bytes[i] belongs to configs.items[i] */
    size_t config_count;          /* how many have been read */
    bool collecting;              /* configs are being noted and have not been read yet */
    struct stl_digestset subjects;
    struct json_object **referrers; /* referrers[i]: the index of what refers to subjects.items[i] */
};

#define STL_BUNDLE_VIEW_INIT                                                                                 \
    {                                                                                                        \
        .volume = STL_VOLUME_INIT                                                                            \
    }
#define STL_AUTO_BUNDLE_VIEW __attribute__((cleanup(stl_bundle_view_close)))

/* Opens the bundle behind `fd`, which it takes over in any case. Fails with STL_INVALID if it is not a
 * bundle. */
int stl_bundle_view_open(struct stl_bundle_view *view, int fd, const char *label, struct stl_error *err);
void stl_bundle_view_close(struct stl_bundle_view *view);

/* Prepares to describe some images of one repository, which are adjacent in the bundle. */
int stl_bundle_view_prepare(struct stl_bundle_view *view, const struct stl_bundle_image *images, size_t count,
                            struct stl_error *err);
/* Returns a document like that of stl_describe(), which the caller puts, or NULL. Fails with
 * STL_MANIFEST_UNKNOWN. */
struct json_object *stl_bundle_view_describe(struct stl_bundle_view *view, const char *name,
                                             const struct stl_digest *digest, struct stl_error *err);

#endif
