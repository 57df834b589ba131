/*
 * Referrers: the image index that GET /v2/<name>/referrers/<digest> returns, kept as a file per subject
 * (distribution-spec, "Listing Referrers").
 *
 * The caller holds STL_LOCK_LISTS of the repository; the change is durable on return. `repository` is the
 * open folder www/v2/<name>.
 */
#ifndef STL_REFERRERS_H
#define STL_REFERRERS_H

#include "manifest.h"
#include "registry.h"

#define STL_REFERRERS_EMPTY                                                                                  \
    "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.index.v1+json\",\"manifests\":[]}"

/* The entry of a manifest in such a list; the caller puts it. */
struct json_object *stl_referrers_entry(const struct stl_manifest *manifest);

/* Whether the list of a subject has room for these manifests, which all have it: STL_MANIFEST_INVALID if not.
 * Needs no lock. Ask before anything is written, so that a refusal leaves nothing behind. */
int stl_referrers_check(int repository, const struct stl_manifest *const *manifests, size_t count,
                        struct stl_error *err);
/* Lists manifests under their subject, the same for all; the list is written once. Those that are listed
 * already change nothing; an entry with another media type is replaced. new[i] is set before the list is
 * written: whether manifests[i] was not listed. */
int stl_referrers_add(const struct stl_root *root, int repository,
                      const struct stl_manifest *const *manifests, size_t count, bool *new,
                      struct stl_error *err);
/* Whether it is listed there or has no subject: returns 1, 0 or -1. Needs no lock. */
int stl_referrers_has(int repository, const struct stl_manifest *manifest, struct stl_error *err);
/* Removes `referrer` from the list of `subject`. The file of an empty list is kept: a web server that has
 * just found it must be able to open it. */
int stl_referrers_remove(const struct stl_root *root, int repository, const struct stl_digest *subject,
                         const struct stl_digest *referrer, struct stl_error *err);

/* Appends the index to `out`, with only the entries of `artifact_type` unless that is NULL. An absent file is
 * an empty index. Needs no lock. */
int stl_referrers_read(int repository, const struct stl_digest *subject, const char *artifact_type,
                       struct stl_buf *out, struct stl_error *err);

#endif
