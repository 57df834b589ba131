/*
 * What the tests of publishing and of deleting share (unit/t-publish*.c): what readers find, and calls with
 * one tag.
 */
#ifndef PUBLISHING_H
#define PUBLISHING_H

#include "listing.h"
#include "references.h"
#include "unit.h"

static inline void check_tags(const struct unit *f, const char *tags)
{
    STL_AUTO_FREE char *expected = stl_sprintf("{\"name\":\"lib/app\",\"tags\":[%s]}\n", tags);
    unit_check_text(f->repo.fd, "tags/list", expected);
}

static inline bool in_catalog(const struct unit *f)
{
    return stl_catalog_has(&f->registry, &f->repo.name);
}

static inline char *manifest_path(const struct stl_digest *digest)
{
    return stl_sprintf("manifests/%s", unit_digest_text(digest));
}

static inline struct stl_digest resolve(const struct unit *f, const char *text)
{
    struct stl_tag tag = unit_tag(text);
    struct stl_digest digest;
    OK(stl_tag_resolve(&f->repo, &tag, &digest, &err));
    return digest;
}

#define CHECK_TAG(f, tag, digest)                                                                            \
    do {                                                                                                     \
        struct stl_digest found_ = resolve(f, tag);                                                          \
        assert_true(stl_digest_equal(&found_, digest));                                                      \
    } while (0)

static inline int delete_tag(const struct unit *f, const char *text)
{
    struct stl_tag tag = unit_tag(text);
    return commit_tags_gone(&f->repo, &tag, 1, NULL, NULL, &err);
}

static inline int delete_manifest(const struct unit *f, const struct stl_digest *digest)
{
    return commit_manifest_gone(&f->repo, digest, NULL, NULL, &err);
}

static inline int publish_tag(const struct unit *f, const struct stl_digest *digest, const char *text)
{
    struct stl_tag tag = unit_tag(text);
    return commit_tags(&f->repo, digest, &(struct commit){.tags = &tag, .tag_count = 1}, &err);
}

#endif
