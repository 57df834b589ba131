/*
 * Publications of one step, for tests: each function begins one, commits it and ends it.
 */
#ifndef COMMITS_H
#define COMMITS_H

#include "publication.h"

/* What comes with a manifest, and what the publication allows. */
struct commit {
    const struct stl_tag *tags;
    size_t tag_count;
    bool allow_missing_children;
    stl_tag_guard *guard;
    void *guard_context;
};

static inline void commit_begin(struct stl_publication *publication, const struct stl_repo *repo,
                                stl_tag_guard *guard, void *guard_context)
{
    stl_publication_begin(publication, repo);
    publication->guard = guard;
    publication->guard_context = guard_context;
}

static inline int commit_end(struct stl_publication *publication, struct stl_error *error)
{
    int result = stl_publication_commit(publication, error);
    stl_publication_end(publication);
    return result;
}

static inline int commit_manifest(const struct stl_repo *repo, const struct stl_manifest *manifest,
                                  const char *bytes, const struct commit *how, struct stl_error *error)
{
    struct stl_publication publication;
    commit_begin(&publication, repo, how->guard, how->guard_context);
    publication.allow_missing_children = how->allow_missing_children;
    for (size_t i = 0; i < how->tag_count; i++)
        stl_publication_set_tag(&publication, &how->tags[i], &manifest->digest, false);
    stl_publication_add_manifest(&publication, manifest, bytes, false);
    return commit_end(&publication, error);
}

static inline int commit_tags(const struct stl_repo *repo, const struct stl_digest *digest,
                              const struct commit *how, struct stl_error *error)
{
    struct stl_publication publication;
    commit_begin(&publication, repo, how->guard, how->guard_context);
    for (size_t i = 0; i < how->tag_count; i++)
        stl_publication_set_tag(&publication, &how->tags[i], digest, false);
    return commit_end(&publication, error);
}

static inline int commit_tag_set(const struct stl_repo *repo, const struct stl_tagging *set, size_t count,
                                 stl_tag_guard *guard, void *guard_context, struct stl_error *error)
{
    struct stl_publication publication;
    commit_begin(&publication, repo, guard, guard_context);
    for (size_t i = 0; i < count; i++)
        stl_publication_set_tag(&publication, &set[i].tag, &set[i].digest, set[i].repeated);
    return commit_end(&publication, error);
}

static inline int commit_tags_gone(const struct stl_repo *repo, const struct stl_tag *tags, size_t count,
                                   stl_tag_guard *guard, void *guard_context, struct stl_error *error)
{
    struct stl_publication publication;
    commit_begin(&publication, repo, guard, guard_context);
    for (size_t i = 0; i < count; i++)
        stl_publication_delete_tag(&publication, &tags[i]);
    return commit_end(&publication, error);
}

static inline int commit_manifest_gone(const struct stl_repo *repo, const struct stl_digest *digest,
                                       stl_tag_guard *guard, void *guard_context, struct stl_error *error)
{
    struct stl_publication publication;
    commit_begin(&publication, repo, guard, guard_context);
    stl_publication_delete_manifest(&publication, digest);
    return commit_end(&publication, error);
}

#endif
