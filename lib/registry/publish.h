/*
 * Manifests and tags of a repository: publish, resolve, delete.
 *
 * Order of publication, each step durable before the next: blobs (stl_repo_put_blob) -> manifest bytes ->
 * manifests/<digest> -> referrers -> manifests/<tag> -> tags/list -> _catalog. Deleting runs backwards. A
 * reader never sees a name whose content is missing, and a crash at any point leaves the old or the new
 * state; repeating the call finishes the work. Everything that returns 0 is durable.
 *
 * A call that fails leaves the tags and their lists as they were: what takes space, also the bytes of the
 * lists, is written before the first tag changes, and what has changed since is taken back. Exceptions: the
 * sync of tags/list, and then the rename of a finished _catalog, fail; or there is no room to move one of
 * several tags back. The manifest, and its entry in a list of referrers, may stay.
 */
#ifndef STL_PUBLISH_H
#define STL_PUBLISH_H

#include "manifest.h"
#include "repo.h"

/* Decides whether a tag may be set or deleted. `current` is NULL when the tag does not exist,
 * `wanted` is NULL when it is to be deleted. Returns 0, or -1 with err set. It is asked before anything is
 * written, and once more while the tags are locked, which counts. The registry's limits (limits.h) are
 * checked besides. */
typedef int stl_tag_guard(void *context, const struct stl_repo *repo, const struct stl_tag *tag,
                          const struct stl_digest *current, const struct stl_digest *wanted,
                          struct stl_error *err);

struct stl_publish {
    const struct stl_tag *tags;
    size_t tag_count;
    bool allow_missing_children; /* an index may come before its manifests */
    bool allow_missing_blobs;    /* an image may come before its blobs */
    bool tags_later;      /* the tags are only checked, and told to the hook: the caller will set them, all of
                             a repository at once, with stl_publish_tag_set(), which writes the event */
    bool repeated;        /* all is there already: no hook runs and no event is written for finishing it */
    stl_tag_guard *guard; /* or NULL */
    void *guard_context;
};

/* Publishes a manifest whose exact bytes are `bytes`, and points tags at it. Checks that what it refers to is
 * in the repository: STL_MANIFEST_BLOB_UNKNOWN names the first that is not; STL_MANIFEST_INVALID where a size
 * differs. */
int stl_publish_manifest(const struct stl_repo *repo, const struct stl_manifest *manifest, const char *bytes,
                         const struct stl_publish *how, struct stl_error *err);
/* Whether that would change nothing, since no earlier try was killed halfway: 1, 0, or -1. Needs no lock. */
int stl_publish_is_done(const struct stl_repo *repo, const struct stl_manifest *manifest,
                        struct stl_error *err);
/* Points tags at a manifest that is there already. Fails with STL_MANIFEST_UNKNOWN. */
int stl_publish_tags(const struct stl_repo *repo, const struct stl_digest *digest,
                     const struct stl_publish *how, struct stl_error *err);

/* A tag and the manifest that it is to point at. */
struct stl_tagging {
    struct stl_tag tag;
    struct stl_digest digest;
    bool repeated; /* it does so already: no event is written for finishing it */
};
/* The same for many tags of a repository, each with its own manifest, in any order: tags/list is written
 * once. The guard may be NULL. */
int stl_publish_tag_set(const struct stl_repo *repo, const struct stl_tagging *set, size_t count,
                        stl_tag_guard *guard, void *guard_context, struct stl_error *err);

/* Apache's view of a tag or digest: one small file, _refs/<reference>, that it reads once per request. Does
 * nothing for a registry without `apache: true`. Not durable on return. */
int stl_publish_ref(const struct stl_repo *repo, const char *reference, const struct stl_media_type *type,
                    const struct stl_digest *digest, struct stl_error *err);

/* The digest that a tag points to. Fails with STL_MANIFEST_UNKNOWN. */
int stl_tag_resolve(const struct stl_repo *repo, const struct stl_tag *tag, struct stl_digest *digest,
                    struct stl_error *err);
/* The same where the tag need not exist: 1, 0 or -1. */
int stl_tag_resolve_if_any(const struct stl_repo *repo, const struct stl_tag *tag, struct stl_digest *digest,
                           struct stl_error *err);
/* A tag or digest to a digest; the manifest need not exist when a digest is given. */
int stl_reference_resolve(const struct stl_repo *repo, const struct stl_reference *reference,
                          struct stl_digest *digest, struct stl_error *err);
/* The media type of a manifest. Fails with STL_MANIFEST_UNKNOWN. */
int stl_manifest_type(const struct stl_repo *repo, const struct stl_digest *digest,
                      struct stl_media_type *type, struct stl_error *err);
/* Adds the bytes of a manifest to `bytes` and parses them. */
int stl_manifest_load(const struct stl_repo *repo, const struct stl_digest *digest, struct stl_buf *bytes,
                      struct stl_manifest *manifest, struct stl_error *err);

/* Deletes a tag and nothing else, if the guard, which may be NULL, agrees. Fails with STL_MANIFEST_UNKNOWN.
 */
int stl_tag_delete(const struct stl_repo *repo, const struct stl_tag *tag, stl_tag_guard *guard,
                   void *guard_context, struct stl_error *err);
/* The same for several: tags/list is written once. None goes if one may not; if one does not exist, the
 * others go, and then the call fails with STL_MANIFEST_UNKNOWN. */
int stl_tags_delete(const struct stl_repo *repo, const struct stl_tag *tags, size_t count,
                    stl_tag_guard *guard, void *guard_context, struct stl_error *err);
/* Deletes a manifest, the tags that point to it and its entry in its subject's referrers, and nothing else.
 * Its blobs, children and referrers stay. The guard is asked for each of the tags. Fails with
 * STL_MANIFEST_UNKNOWN. */
int stl_manifest_delete(const struct stl_repo *repo, const struct stl_digest *digest, stl_tag_guard *guard,
                        void *guard_context, struct stl_error *err);
/* Deletes a repository whole, but for repositories nested in it. */
int stl_repo_delete(const struct stl_registry *registry, const struct stl_name *name, struct stl_error *err);

#endif
