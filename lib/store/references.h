/*
 * What the tags and digests of a repository lead to.
 *
 * Needs no lock. For publishing and deleting see publication.h.
 */
#ifndef STL_REFERENCES_H
#define STL_REFERENCES_H

#include "manifest.h"
#include "repo.h"

/* The digest that a tag points to. Fails with STL_MANIFEST_UNKNOWN. */
int stl_tag_resolve(const struct stl_repo *repo, const struct stl_tag *tag, struct stl_digest *digest,
                    struct stl_error *err);
/* The same for a tag that need not exist: returns 1, 0 if it does not, or -1. */
int stl_tag_resolve_if_any(const struct stl_repo *repo, const struct stl_tag *tag, struct stl_digest *digest,
                           struct stl_error *err);
/* The same for a tag that is to be set: STL_TAG_INVALID if a nested repository has its path (nesting.h). */
int stl_tag_look(const struct stl_repo *repo, const struct stl_tag *tag, struct stl_digest *digest,
                 struct stl_error *err);
/* Resolves a tag or digest to a digest; if a digest is given, the manifest need not exist. */
int stl_reference_resolve(const struct stl_repo *repo, const struct stl_reference *reference,
                          struct stl_digest *digest, struct stl_error *err);
/* The media type of a manifest. Fails with STL_MANIFEST_UNKNOWN. */
int stl_manifest_type(const struct stl_repo *repo, const struct stl_digest *digest,
                      struct stl_media_type *type, struct stl_error *err);
/* The same, with its size in bytes. */
int stl_manifest_look(const struct stl_repo *repo, const struct stl_digest *digest,
                      struct stl_media_type *type, int64_t *size, struct stl_error *err);
/* Whether the repository has the manifest; false also if it cannot be read. */
bool stl_manifest_exists(const struct stl_repo *repo, const struct stl_digest *digest);
/* Appends the bytes of a manifest to `bytes` and parses them. */
int stl_manifest_load(const struct stl_repo *repo, const struct stl_digest *digest, struct stl_buf *bytes,
                      struct stl_manifest *manifest, struct stl_error *err);

/* "../_manifests/<type>/<subtype>/<digest>" */
enum { STL_TARGET_MAX = STL_MEDIA_TYPE_MAX + STL_DIGEST_TEXT_MAX + 32 };
/* The target of manifests/<digest>. Fails with STL_MANIFEST_UNKNOWN. */
int stl_manifest_target(const struct stl_repo *repo, const struct stl_digest *digest,
                        char target[STL_TARGET_MAX], struct stl_error *err);
/* What that target should be. Returns `target`. */
char *stl_manifest_format_target(const struct stl_media_type *type, const struct stl_digest *digest,
                                 char target[STL_TARGET_MAX]);

#endif
