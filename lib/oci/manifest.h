/*
 * Manifests: what the registry needs to know about their contents (image-spec, manifest.md, image-index.md;
 * Docker image manifest version 2, schema 2). The bytes themselves are never changed.
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
    struct stl_digest digest; /* of the bytes, with the requested algorithm */
    int64_t size;             /* bytes */
    bool has_subject;
    struct stl_digest subject;
    struct stl_descriptor *descriptors; /* config, layers, blobs, manifests: all but the subject */
    size_t count;
    struct json_object *object; /* the document */
};

/* Parses a manifest. `content_type` is the Content-Type that came with it, or NULL: then it must have a
 * mediaType. The digest is computed with `algorithm`. Fails with STL_MANIFEST_INVALID or STL_DIGEST_*. On
 * success the caller clears `manifest`. */
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
/* Whether it is that of the config of an image that can be run. */
bool stl_media_type_is_image_config(const char *media_type);
/* Whether a descriptor of that type in an index is taken for a manifest rather than a blob: one of the above,
 * or any other type with "manifest" or "index" in its name. */
bool stl_media_type_is_manifest(const char *media_type);

/* The artifact type by which referrers are listed and filtered: artifactType, else (not for an index) the
 * media type of the config, else NULL. Lives as long as the manifest. */
const char *stl_manifest_artifact_type(const struct stl_manifest *manifest);

/* How well the child of an index matches `platform`: 0 if not at all, for example a child without a platform.
 * A variant that is not given is the usual one of the architecture: v7 for arm, v8 for arm64, v1 for amd64.
 * If `platform` has no variant, every variant matches, and the usual one best. */
enum { STL_MATCH_BEST = 3 };
int stl_descriptor_match(const struct stl_descriptor *descriptor, const struct stl_platform *platform);
bool stl_descriptor_matches(const struct stl_descriptor *descriptor, const struct stl_platform *platform);

#endif
