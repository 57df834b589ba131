/*
 * The quota of a whole project (projects.h): bytes of blobs in all its repositories, each blob counted once;
 * tags; repositories.
 *
 *   log/quota/<project>/count      "BYTES TAGS REPOSITORIES SECONDS STAMP\n": what is counted, and when that
 *                                  was counted anew, by which registry.yaml
 *   log/quota/<project>/<digest>   a symbolic link whose target is a number of bytes: this blob is counted
 *   log/quota/<project>/less       an empty file: something has been removed since
 *
 * What is added is counted, durably, before it gets its name, and nothing else is counted before it has it.
 * So after a crash too much may be counted, never too little; and adding something costs one look, however
 * large the project is. What is removed stays counted until the project is counted anew: by gc; after a
 * change of registry.yaml; and when something does not fit, if something has been removed or it was not done
 * in the last minute. All of it may be removed at any time: then the next push counts anew. Code that changes
 * a repository asks consent.h.
 */
#ifndef STL_PROJECT_QUOTA_H
#define STL_PROJECT_QUOTA_H

#include "registry.h"

/* The project that a repository belongs to, if it has a quota of this kind, or NULL. */
const struct stl_project *stl_project_with_quota(const struct stl_registry *registry,
                                                 const struct stl_name *repository,
                                                 enum stl_project_amount of);
/* The name that locks its count, for STL_LOCK_QUOTA. */
struct stl_name stl_project_lock_name(const struct stl_project *project);

/* Both for a holder of the lock, who keeps it until what is counted has its name. Fail with STL_DENIED if it
 * does not fit. A blob that is about to get a name in one of the repositories: */
int stl_project_count_blob(const struct stl_registry *registry, const struct stl_project *project,
                           const struct stl_digest *digest, int64_t size, struct stl_error *err);
/* New tags or repositories, `more` of them. */
int stl_project_count(const struct stl_registry *registry, const struct stl_project *project,
                      enum stl_project_amount amount, int64_t more, struct stl_error *err);
/* The same question without counting it, for anybody; of bytes: for a blob that no repository has yet. */
int stl_project_has_room(const struct stl_registry *registry, const struct stl_project *project,
                         enum stl_project_amount amount, int64_t more, struct stl_error *err);
/* Something of the repository has been removed. */
void stl_project_note_less(const struct stl_registry *registry, const struct stl_name *repository);

/* What a project has, of what it has a quota for; else -1. */
struct stl_project_use {
    int64_t amounts[STL_PROJECT_AMOUNTS];
};
/* Counts a project anew. Takes the lock. */
int stl_project_recount(const struct stl_registry *registry, const struct stl_project *project,
                        struct stl_error *err);
/* Counts what is there, all of it, whatever the quota is for. Changes nothing. */
int stl_project_look(const struct stl_registry *registry, const struct stl_project *project,
                     struct stl_project_use *use, struct stl_error *err);

struct stl_project_comparison {
    bool counted;  /* there is a count */
    bool outdated; /* registry.yaml has changed since: the next push counts anew */
    struct stl_project_use count;
    struct stl_project_use least; /* what the count has to be at least: what is there, and each blob that is
                                     marked as counted */
};
/* Changes nothing. */
int stl_project_compare(const struct stl_registry *registry, const struct stl_project *project,
                        struct stl_project_comparison *comparison, struct stl_error *err);

#endif
