/*
 * The lists of a registry: tags, and what refers to a manifest.
 */
#ifndef STL_LISTS_H
#define STL_LISTS_H

#include "fetched.h"
#include "access-rules.h"

struct stl_tags {
    struct stl_tag *items; /* sorted by byte value, each once */
    size_t count;
};

#define STL_AUTO_TAGS __attribute__((cleanup(stl_tags_clear)))
/* All tags, however many pages they come in. Anything that is not a valid tag is left out. Fails with
 * STL_NOT_FOUND if there is no such repository, with STL_INVALID for pages that lead in a circle or do not
 * end. */
int stl_remote_tags(struct stl_remote *remote, const char *name, struct stl_tags *tags,
                    struct stl_error *err);
void stl_tags_copy(struct stl_tags *to, const struct stl_tags *from); /* *to is empty */
void stl_tags_clear(struct stl_tags *tags);
/* Whether it makes sense to ask for a tag: false if it is not among those that are known to be there. */
bool stl_fetched_may_have(const struct stl_fetched *fetched, const char *tag);
/* Leaves only those that match one of the patterns (NULL: any) and do not name a digest, and of these, if
 * `newest` is not 0, only so many with the highest versions. */
void stl_tags_choose(struct stl_tags *tags, const struct stl_words *patterns, size_t newest);

/* What the referrers API lists for manifests, or, where the registry has none, the index with the tag of
 * the digest: references for stl_fetched_get(), the digests of manifests. The caller frees them. */
struct stl_referring {
    struct stl_wanted *items;
    size_t count;
};
int stl_remote_referrers(struct stl_fetched *fetched, const struct stl_digest *subjects, size_t count,
                         struct stl_referring *referring, struct stl_error *err);
void stl_referring_clear(struct stl_referring *referring);

#endif
