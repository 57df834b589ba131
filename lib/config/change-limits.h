/*
 * Limits on changes: the sections `immutable:` and `quotas:` of registry.yaml.
 *
 *   immutable:
 *     - repository: "**"         a pattern; every repository unless given
 *       tags: ["v*"]             patterns; every tag unless given
 *       except: ["*-rc*"]        patterns of tags that may still change
 *   quotas:
 *     - repository: "team-*"     the most specific pattern that matches counts (stl_pattern_compare)
 *       size: 10GB               bytes of blobs, in each repository that matches
 *       tags: 100                number of tags, in each repository that matches
 *
 * An immutable tag may be set once: after that, it can be neither moved nor deleted, nor can anything that it
 * leads to. This module knows the rules; quota.h counts, and code that changes a repository asks consent.h.
 */
#ifndef STL_CHANGE_LIMITS_H
#define STL_CHANGE_LIMITS_H

#include "access-rules.h"

struct stl_immutable {
    char *repository; /* NULL: all */
    char *project;    /* NULL, or only in this one (projects.h) */
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

void stl_limits_clear(struct stl_limits *limits);

bool stl_limits_is_immutable(const struct stl_limits *limits, const char *repository, const char *tag);
/* The quota that applies to a repository, or NULL. */
const struct stl_quota *stl_limits_quota(const struct stl_limits *limits, const char *repository);

#endif
