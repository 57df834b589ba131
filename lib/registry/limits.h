/*
 * Limits: the sections `immutable:` and `quotas:` of registry.yaml.
 *
 *   immutable:
 *     - repository: "**"         a pattern; every repository unless given
 *       tags: ["v*"]             patterns; every tag unless given
 *       except: ["*-rc*"]        patterns of tags that may change after all
 *   quotas:
 *     - repository: "team-*"     the most specific pattern that matches counts (stl_pattern_compare)
 *       size: 10GB               bytes of blobs, in each repository that matches
 *       tags: 100                number of tags, in each repository that matches
 *
 * An immutable tag may be set once: then it neither moves nor goes. The library asks by itself wherever a tag
 * is set or deleted and wherever a blob comes into a repository, so nobody can forget to. Who may break the
 * limits opens the registry and clears them.
 */
#ifndef STL_LIMITS_H
#define STL_LIMITS_H

#include "policy.h"

struct stl_registry;
struct stl_repo;

struct stl_immutable {
    char *repository; /* NULL: all */
    struct stl_words tags, except;
};

struct stl_quota {
    char *repository;
    int64_t size, tags; /* -1: no limit */
};

struct stl_limits {
    struct stl_immutable *immutable;
    size_t immutable_count;
    struct stl_quota *quotas;
    size_t quota_count;
};

/* Readers for struct stl_yaml_key; the target is the struct stl_limits. */
int stl_limits_read_immutable(struct stl_yaml *yaml, yaml_node_t *node, void *target, struct stl_error *err);
int stl_limits_read_quotas(struct stl_yaml *yaml, yaml_node_t *node, void *target, struct stl_error *err);
void stl_limits_clear(struct stl_limits *limits);

/* Whether a tag may come to point at `wanted` (NULL: be deleted), `current` being what it points at (NULL: it
 * does not exist). *added counts the new tags of one change. The caller holds STL_LOCK_LISTS. Fails with
 * STL_DENIED. */
int stl_limits_check_tag(const struct stl_repo *repo, const struct stl_tag *tag,
                         const struct stl_digest *current, const struct stl_digest *wanted, size_t *added,
                         struct stl_error *err);

/* How many bytes of blobs a repository, which need not exist, can still take in: INT64_MAX if there is no
 * limit. */
int stl_limits_left(const struct stl_registry *registry, const struct stl_name *name, int64_t *left,
                    struct stl_error *err);
/* An error with STL_DENIED for `size` bytes that are more than `left`. */
int stl_limits_exceeded(const struct stl_name *name, int64_t size, int64_t left, struct stl_error *err);

#endif
