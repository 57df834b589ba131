/*
 * The quota of a whole project (projects.h): bytes of blobs in all its repositories, each blob counted once.
 *
 *   log/quota/<project>/count      "BYTES SECONDS\n": what is counted, and when that was counted anew
 *   log/quota/<project>/<digest>   a symbolic link whose target is a number of bytes: this blob is counted
 *
 * A blob is counted, durably, before it gets a name in a repository, so after a crash too much may be
 * counted, never too little; and a blob that is counted costs one look, however large the project is. What
 * is removed stays counted until the project is counted anew: by gc, and, at most once a minute, when a
 * push would not fit. All of it may be removed at any time: then the next push counts anew. Code that
 * changes a repository asks consent.h.
 */
#ifndef STL_PROJECT_QUOTA_H
#define STL_PROJECT_QUOTA_H

#include "registry.h"

/* The project with a quota that a repository belongs to, or NULL. */
const struct stl_project *stl_project_with_quota(const struct stl_registry *registry,
                                                 const struct stl_name *repository);
/* What locks its count, for STL_LOCK_QUOTA: a name. */
struct stl_name stl_project_lock_name(const struct stl_project *project);

/* For a holder of the lock: counts a blob that is about to get a name in one of the repositories. Fails with
 * STL_DENIED if it does not fit. */
int stl_project_count_blob(const struct stl_registry *registry, const struct stl_project *project,
                           const struct stl_digest *digest, int64_t size, struct stl_error *err);
/* The same question without counting it, for anybody: for a blob that no repository has yet. */
int stl_project_has_room(const struct stl_registry *registry, const struct stl_project *project, int64_t size,
                         struct stl_error *err);

/* Counts a project anew; *bytes: what it has. Takes the lock. */
int stl_project_recount(const struct stl_registry *registry, const struct stl_project *project,
                        int64_t *bytes, struct stl_error *err);
/* Counts what is there, in *bytes; *counted is what the file says, -1: there is none. Changes nothing. */
int stl_project_compare(const struct stl_registry *registry, const struct stl_project *project,
                        int64_t *counted, int64_t *bytes, struct stl_error *err);

#endif
