/*
 * Completing what a killed process left half done.
 *
 * Opening a repository repairs nothing. Each of these steps is called explicitly, where leftovers would be
 * in the way or reappear. (stl_temp_sweep() removes files in tmp/, stl_dir_make() completes directories
 * that are not durable, and `stillage verify` finds and repairs whatever else is wrong.)
 */
#ifndef STL_RECOVERY_H
#define STL_RECOVERY_H

#include "repo.h"

/* Before a folder becomes a repository: finishes the deletion of the one that was there, so that nothing
 * that was deleted reappears with the next push. Its manifests go to the trash, where its tags are
 * already; its blobs are left to garbage collection. Takes STL_LOCK_LISTS if there is something to do. */
int stl_recover_repository(const struct stl_repo *repo, struct stl_error *err);

/* Before a repository is pruned or its garbage collected: finishes deletions of manifests. These are in
 * the trash and have lost their link but not their file, which would keep their blobs. Returns how many
 * there were; with `dry_run` nothing changes. The caller holds STL_LOCK_LISTS, except for a dry run. */
int stl_recover_manifests(const struct stl_repo *repo, bool dry_run, struct stl_error *err);
/* When a manifest that is to be deleted has no link: the same for this one, whether the trash has it or not.
 * Failure is not an error, since the next garbage collection does it. The caller holds STL_LOCK_LISTS. */
void stl_recover_manifest(const struct stl_repo *repo, const struct stl_digest *digest);

#endif
