/*
 * What the steps of stl_targets_choose() (targets.h) share: the choice as far as it has come.
 * Only lib/add uses this.
 */
#ifndef STL_TARGETS_CHOOSER_H
#define STL_TARGETS_CHOOSER_H

#include "digestset.h"
#include "images.h"
#include "name.h"

struct stl_add_options;
struct stl_targets;

struct chooser {
    struct stl_targets *targets;
    const struct stl_images *images;
    const struct stl_add_options *options;
    bool *chosen; /* one for each image */
    size_t chosen_count;
    struct stl_digestset tagged; /* chosen images that the source gives a tag, or a name by digest */
    size_t bare_count;           /* names that were skipped because they are digests */
    const char *bare;            /* one of them */
};

/* A name of the source, taken apart. */
struct foreign_name {
    enum { FOREIGN_TAG, FOREIGN_DIGEST, FOREIGN_BARE } kind;
    struct stl_name name; /* with its host, if hosts are kept; unless FOREIGN_BARE */
    struct stl_tag tag;   /* FOREIGN_TAG */
};
int stl_targets_parse(const struct chooser *c, const char *text, struct foreign_name *name,
                      struct stl_error *err);

/* Whether --ref selects this image, by any of its names; and whether it selects this name of it. */
bool stl_targets_is_called(const struct stl_image *image, const char *ref);
bool stl_targets_is_asked(const struct chooser *c, const struct stl_image *image, const char *name);

/* Sorts and removes duplicates. */
int stl_targets_settle(struct stl_targets *targets, const struct stl_images *images, struct stl_error *err);

#endif
