/*
 * Everything known about an image as one JSON document: `stillage show --json` prints it, and the text form
 * is made from it.
 *
 *   name, digest, mediaType, size (bytes of the manifest), totalSize (of what it refers to, each blob once)
 *   artifactType, subject, annotations             where the manifest has them
 *   platform "os/arch[/variant]", created, labels  from the config of an image
 *   created                                        of an index, that of the child which was made last; of
 *                                                  others without a date, what their annotation says
 *   layers [{mediaType, digest, size}]             of an image or artifact
 *   manifests [{... platform, totalSize, layers}]  the children of an index, described the same way; those
 *                                                  that are not there, with "missing": true, and all behind
 *                                                  the first thousand, by their descriptors
 *   referrers [{mediaType, digest, size, artifactType, annotations}]
 */
#ifndef STL_DESCRIBE_H
#define STL_DESCRIBE_H

#include "json.h"
#include "manifest.h"
#include "repo.h"

/* Where the image is read from: a repository or a bundle. */
struct stl_describe_source {
    const char *name; /* of the repository */
    /* Adds the bytes of a manifest, and parses it. */
    int (*manifest)(void *context, const struct stl_digest *digest, struct stl_buf *bytes,
                    struct stl_manifest *manifest, struct stl_error *err);
    /* Adds the bytes of a config, or fails if it is not available. */
    int (*config)(void *context, const struct stl_digest *digest, struct stl_buf *bytes,
                  struct stl_error *err);
    /* The index of what refers to a manifest, which the caller puts, or NULL. Itself NULL: nobody asks. */
    struct json_object *(*referrers)(void *context, const struct stl_digest *subject);
    void *context;
};

/* Return a document that the caller puts, or NULL. Fail with STL_MANIFEST_UNKNOWN. */
struct json_object *stl_describe(const struct stl_repo *repo, const struct stl_digest *digest,
                                 struct stl_error *err);
/* Without `referrers`. If the caller has the manifest, `known` with its `bytes`, it is not read; or NULL. */
struct json_object *stl_describe_alone(const struct stl_repo *repo, const struct stl_digest *digest,
                                       const struct stl_manifest *known, const char *bytes,
                                       struct stl_error *err);
struct json_object *stl_describe_from(const struct stl_describe_source *source,
                                      const struct stl_digest *digest, struct stl_error *err);

#endif
