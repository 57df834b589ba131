/*
 * Quotas: compares what a repository holds with what registry.yaml allows (change-limits.h). Code that
 * changes a repository asks consent.h.
 */
#ifndef STL_QUOTA_H
#define STL_QUOTA_H

#include "repo.h"

/* Whether a new tag may be set. *added counts the new tags of one change. The caller holds STL_LOCK_LISTS.
 * Fails with STL_DENIED. */
int stl_quota_check_tag(const struct stl_repo *repo, const struct stl_tag *tag, size_t *added,
                        struct stl_error *err);

/* Sets *left to the number of bytes of blobs that a repository, which need not exist, can still take:
 * INT64_MAX if there is no limit. */
int stl_quota_left(const struct stl_registry *registry, const struct stl_name *name, int64_t *left,
                   struct stl_error *err);
/* `repository` is its open folder; *tags: how many it has. */
int stl_quota_count_tags(int repository, int64_t *tags, struct stl_error *err);
/* What a repository has now: tags, and bytes of blobs. */
int stl_quota_used(const struct stl_repo *repo, int64_t *tags, int64_t *bytes, struct stl_error *err);
/* Sets the error STL_DENIED for a blob of `size` bytes where only `left` are left. Returns -1. */
int stl_quota_exceeded(const struct stl_name *name, int64_t size, int64_t left, struct stl_error *err);

#endif
