/*
 * Adding blobs to a repository, and deleting them.
 *
 * Everything that returns 0 is durable, unless it says otherwise. The caller need not hold a lock: names
 * appear by rename(2) or link(2), and it counts as success if another process has put the same bytes there.
 * Code that removes a blob from the store locks its folder there.
 */
#ifndef STL_BLOBS_H
#define STL_BLOBS_H

#include "repo.h"

/* Makes a finished file, whose content has `digest`, a blob of the repository. Syncs it first, unless the
 * store already has the blob: then the file stays where it is. */
int stl_repo_put_blob(const struct stl_repo *repo, struct stl_temp *temp, const struct stl_digest *digest,
                      struct stl_error *err);
/* Links a blob of the store into the repository. Fails with STL_BLOB_UNKNOWN if the store does not have
 * it. */
int stl_repo_link_blob(const struct stl_repo *repo, const struct stl_digest *digest, struct stl_error *err);
/* For many blobs, with one sync per folder instead of one per blob: makes `temp`, whose bytes are already
 * durable, a blob of the repository or, if it is NULL, links a blob of the store. */
int stl_repo_enter_blob(const struct stl_repo *repo, struct stl_temp *temp, const struct stl_digest *digest,
                        struct stl_error *err);
/* Makes the entries of these blobs durable, and those of all blobs that were linked before. */
int stl_repo_sync_entered(const struct stl_repo *repo, const struct stl_digest *digests, size_t count,
                          struct stl_error *err);
/* Links a blob of another repository into this one (distribution-spec, "Mounting a blob from another
 * repository"). Fails with STL_BLOB_UNKNOWN if `from` does not hold it. */
int stl_repo_mount_blob(const struct stl_repo *repo, const struct stl_repo *from,
                        const struct stl_digest *digest, struct stl_error *err);
/* Moves a blob of the repository to the trash, where it stays as long as a snapshot or a manifest in the
 * trash names it, and at least for the grace period; a push or a restore that needs it brings it back. The
 * caller holds no STL_LOCK_CONTENT. Fails with STL_BLOB_UNKNOWN. */
int stl_repo_delete_blob(const struct stl_repo *repo, const struct stl_digest *digest, struct stl_error *err);

#endif
