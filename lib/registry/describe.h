/*
 * What is known of an image, as one JSON document: `stillage show --json`, and the text form is printed from
 * it.
 *
 *   name, digest, mediaType, size (bytes of the manifest), totalSize (of what it refers to, each blob once)
 *   artifactType, subject, annotations             where the manifest has them
 *   platform "os/arch[/variant]", created, labels  from the config of an image
 *   layers [{mediaType, digest, size}]             of an image or artifact
 *   manifests [{... platform, totalSize, layers}]  the children of an index, described the same way; those
 *                                                  that are not there, and all behind the first thousand, by
 *                                                  their descriptors
 *   referrers [{mediaType, digest, size, artifactType, annotations}]
 */
#ifndef STL_DESCRIBE_H
#define STL_DESCRIBE_H

#include "json.h"
#include "repo.h"

/* Returns a document that the caller puts, or NULL. Fails with STL_MANIFEST_UNKNOWN. */
struct json_object *stl_describe(const struct stl_repo *repo, const struct stl_digest *digest,
                                 struct stl_error *err);

#endif
