/*
 * Decides whether a change is allowed. Everything that changes the contents of a repository asks here: a
 * push, `add`, `import`, `tag`, `restore`, `snapshot restore`, a mount, and every deletion.
 *
 *   a tag is set                no repository lies in its way (nesting.h)
 *   a tag is set or goes        the limits of registry.yaml (change-limits.h, quota.h, project-quota.h), the
 *                               guard of the caller, the hook
 *   a repository is made        the quota of its project
 *   a manifest comes            the hook
 *   a blob comes                the quota, also where it comes back from the trash
 *   a manifest or a blob goes   nothing that an immutable tag leads to
 *
 * Whether the registry is frozen has been checked before: every writer has called stl_write_begin()
 * (freeze.h). A caller that may exceed the limits clears them in the registry that it has opened.
 */
#ifndef STL_CONSENT_H
#define STL_CONSENT_H

#include "manifest.h"
#include "tagging.h"

/* Whether a tag that points at `current` (NULL: it does not exist) may point at `wanted` (NULL: be deleted):
 * asks the limits, then the guard, which may be NULL. *added counts the new tags of one change; NULL if the
 * tag is deleted. Only the answer under STL_LOCK_LISTS is binding; asking before saves work. */
int stl_may_change_tag(const struct stl_repo *repo, const struct stl_tag *tag,
                       const struct stl_digest *current, const struct stl_digest *wanted,
                       stl_tag_guard *guard, void *guard_context, size_t *added, struct stl_error *err);
/* The same for tags that are to be set, and notes in each where it leads now; *added: how many of them are
 * new. */
int stl_may_set_tags(const struct stl_repo *repo, struct stl_tagging *set, size_t count, stl_tag_guard *guard,
                     void *guard_context, size_t *added, struct stl_error *err);
/* Asked last, under STL_LOCK_LISTS: counts the new tags. If the project has a quota, *lock becomes a
 * descriptor that the caller closes once the tags are set; otherwise it becomes -1. No blob can be added
 * meanwhile. */
int stl_may_add_tags(const struct stl_repo *repo, size_t added, int *lock, struct stl_error *err);
/* The same for a repository, before it is made. */
int stl_may_make_repository(const struct stl_registry *registry, const struct stl_name *name, int *lock,
                            struct stl_error *err);
/* Whether the hook agrees to these tags: it is asked once for each manifest, unless the set says that it has
 * been asked before; the answer is noted in the set. This takes as long as the hook runs: do not call it
 * under a lock that others wait for. */
int stl_may_tag(const struct stl_repo *repo, struct stl_tagging *set, size_t count, struct stl_error *err);
/* Whether the hook agrees to a new manifest with these tags, or with none. */
int stl_may_publish(const struct stl_repo *repo, const struct stl_manifest *manifest,
                    const struct stl_tag *tags, size_t tag_count, struct stl_error *err);

/* Whether a blob of `size` bytes may be added to the repository. If there is a quota, *lock becomes a
 * descriptor that the caller closes once the blob has its name: until then nobody else can add one; otherwise
 * it becomes -1. */
int stl_may_hold_blob(const struct stl_repo *repo, const struct stl_digest *digest, int64_t size, int *lock,
                      struct stl_error *err);
/* Whether these manifests and blobs may be removed: STL_DENIED if an immutable tag leads to one. */
int stl_may_lose(const struct stl_repo *repo, const struct stl_digest *digests, size_t count,
                 struct stl_error *err);

#endif
