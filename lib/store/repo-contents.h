/*
 * The contents of a repository read into memory: its tags, its manifests, and what these refer to.
 *
 * manifests[i] belongs to digests.items[i].
 */
#ifndef STL_REPO_CONTENTS_H
#define STL_REPO_CONTENTS_H

#include <time.h>

#include "digestset.h"
#include "manifest.h"
#include "repo.h"

/* A descriptor of a manifest. */
struct stl_held_link {
    struct stl_digest digest;
    int64_t size; /* bytes, as the manifest says */
    bool child;   /* listed by an index: a manifest or, in build caches, a blob */
    bool required;
};

struct stl_held_manifest {
    char *media_type;
    int64_t size;
    struct timespec pushed; /* when it was pushed last, or lost a tag */
    struct stl_held_link *links;
    size_t link_count;
    bool has_subject;
    struct stl_digest subject;
    char *referrer; /* its entry in the list of its subject's referrers, JSON; NULL without a subject */
    size_t first_referrer, next_referrer; /* linked list of the manifests whose subject is this one;
                                             STL_NOT_HELD ends it */
};

struct stl_held_tag {
    struct stl_tag tag;
    struct stl_digest digest;
    struct timespec pushed; /* when the tag was set last */
};

struct stl_contents {
    struct stl_digestset digests;
    struct stl_held_manifest *manifests;
    struct stl_held_tag *tags; /* sorted by name */
    size_t tag_count;
};

#define STL_NOT_HELD ((size_t)-1)
#define STL_AUTO_CONTENTS __attribute__((cleanup(stl_contents_clear)))

/* Reads everything. Safe without a lock, but consistent only under STL_LOCK_CONTENT (exclusive) and
 * STL_LOCK_LISTS. A damaged manifest is an error; a tag that points to nothing is read like any other. */
int stl_contents_load(struct stl_contents *contents, const struct stl_repo *repo, struct stl_error *err);
void stl_contents_clear(struct stl_contents *contents);

/* The steps of stl_contents_load(), for callers that find the manifests themselves: add all, then finish. */
void stl_contents_add(struct stl_contents *contents, const struct stl_manifest *manifest,
                      struct timespec pushed);
void stl_contents_add_tag(struct stl_contents *contents, const struct stl_tag *tag,
                          const struct stl_digest *digest, struct timespec pushed);
void stl_contents_finish(struct stl_contents *contents);

/* The index of a manifest, or STL_NOT_HELD. */
size_t stl_contents_find(const struct stl_contents *contents, const struct stl_digest *digest);

/* Extends `reached`, which has one element for each manifest, with everything that belongs to the manifests
 * set in it: the children of indexes and, if `referrers`, what refers to any of them. */
void stl_contents_reach(const struct stl_contents *contents, bool *reached, bool referrers);

/* Puts the indices of the chosen manifests into `order`, each before what it lists or refers to, and returns
 * their number: if they are removed one by one in this order, nobody ever finds an index without its
 * manifests. */
size_t stl_contents_order(const struct stl_contents *contents, const bool *chosen, size_t *order);

#endif
