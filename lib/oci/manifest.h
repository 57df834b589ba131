/*
 * Manifests: what the registry needs to know of their bytes (image-spec, manifest.md, image-index.md; Docker
 * image manifest version 2, schema 2). The bytes themselves are never changed.
 */
#ifndef STL_MANIFEST_H
#define STL_MANIFEST_H

#include <stdbool.h>
#include <stdint.h>

#include "json.h"
#include "name.h"

#define STL_TYPE_OCI_MANIFEST "application/vnd.oci.image.manifest.v1+json"
#define STL_TYPE_OCI_INDEX "application/vnd.oci.image.index.v1+json"
#define STL_TYPE_DOCKER_MANIFEST "application/vnd.docker.distribution.manifest.v2+json"
#define STL_TYPE_DOCKER_LIST "application/vnd.docker.distribution.manifest.list.v2+json"

enum stl_role {
    STL_ROLE_CONFIG,
    STL_ROLE_LAYER,
    STL_ROLE_BLOB,     /* of an OCI artifact manifest, as some tools once wrote it */
    STL_ROLE_MANIFEST, /* the child of an index */
};

struct stl_descriptor {
    enum stl_role role;
    struct stl_digest digest;
    int64_t size;           /* bytes, not negative */
    const char *media_type; /* lives as long as the manifest */
    bool distributable;     /* false: the blob may be missing (non-distributable layer, or one with urls) */
    struct json_object *object; /* the descriptor itself; lives as long as the manifest */
};

struct stl_manifest {
    struct stl_media_type media_type;
    struct stl_digest digest; /* of the bytes, with the algorithm that was asked for */
    int64_t size;             /* bytes */
    bool has_subject;
    struct stl_digest subject;
    struct stl_descriptor *descriptors; /* config, layers, blobs, manifests: all but the subject */
    size_t count;
    struct json_object *object; /* the document */
};

/* Parses a manifest. `content_type` is what came with it, or NULL: then its own mediaType must be there. The
 * digest is computed with `algorithm`. Fails with STL_MANIFEST_INVALID or STL_DIGEST_*. On success the caller
 * clears. */
int stl_manifest_parse(struct stl_manifest *manifest, const char *bytes, size_t length,
                       const char *content_type, enum stl_algorithm algorithm, struct stl_error *err);
void stl_manifest_clear(struct stl_manifest *manifest);
#define STL_AUTO_MANIFEST __attribute__((cleanup(stl_manifest_clear)))

/* Reads one descriptor: digest, size, mediaType. */
int stl_descriptor_parse(struct stl_descriptor *descriptor, enum stl_role role, struct json_object *object,
                         struct stl_error *err);

/* Whether a media type is that of an image manifest or of an index, OCI or Docker. */
bool stl_media_type_is_image(const char *media_type);
bool stl_media_type_is_index(const char *media_type);
/* Whether something of that type, listed in an index, is to be taken for a manifest rather than a blob: one
 * of the above, or any other type that calls itself manifest or index. */
bool stl_media_type_is_manifest(const char *media_type);

/* The artifact type by which referrers are listed and filtered: artifactType, else (not for an index) the
 * media type of the config, else NULL. Lives as long as the manifest. */
const char *stl_manifest_artifact_type(const struct stl_manifest *manifest);

/* Whether the child of an index is of `platform`. A child without a platform matches none. */
bool stl_descriptor_matches(const struct stl_descriptor *descriptor, const struct stl_platform *platform);

#endif
