/*
 * What a bucket holds that `stillage publish` has written, repository by repository: for bringing it back.
 */
#ifndef STL_BUCKET_CONTENTS_H
#define STL_BUCKET_CONTENTS_H

#include "digestset.h"
#include "lists.h"
#include "s3.h"
#include "selection.h"

struct stl_bucket_repository {
    struct stl_name name;
    struct stl_tags tags;
    struct stl_digestset digests; /* of manifests */
    struct stl_digestset chosen;  /* of these, by stl_bucket_choose() */
};

/* Initialise with {0}. */
struct stl_bucket_contents {
    struct stl_bucket_repository *items; /* sorted by name */
    size_t count;
};

#define STL_AUTO_BUCKET_CONTENTS __attribute__((cleanup(stl_bucket_contents_clear)))

/* Lists the bucket, and nothing else: the state that publishing leaves does not count. Fails with
 * STL_NOT_FOUND if there is no manifest. */
int stl_bucket_contents(struct stl_s3 *s3, struct stl_bucket_contents *contents, struct stl_error *err);
/* Drops the tags that the selection does not choose, and finds the manifests that it chooses by their
 * digests. An empty one chooses all tags. */
void stl_bucket_choose(struct stl_bucket_repository *repository, struct stl_selection *selection);
void stl_bucket_contents_clear(struct stl_bucket_contents *contents);

#endif
