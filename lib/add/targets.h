/*
 * Decides which images of a source are added, and under which names and tags. Only lib/add uses this.
 *
 * The name of an image in a source may be
 * - NAME[:TAG], with a registry host in front or without: NAME is the repository, TAG or "latest" the tag;
 * - NAME@DIGEST: the manifest is added to the repository without a tag;
 * - a digest and nothing else, as containerd writes for its own use: that is not a name. Signatures and the
 *   like of `cosign save` and hauler (stl_image.suffix) get the tag that cosign looks for, in the same
 *   repository as the image that they belong to.
 */
#ifndef STL_TARGETS_H
#define STL_TARGETS_H

#include "add-options.h"

struct stl_target {
    struct stl_name name;
    struct stl_tag tag;  /* "": the manifest gets no tag */
    size_t image;        /* index in images->items */
    const char *foreign; /* its name in the source, if the target's name is made from that; else NULL */
    bool done;           /* the registry has it already: `digest`, which leads to `blobs` blobs */
    struct stl_digest digest;
    size_t blobs;
};

struct stl_targets {
    struct stl_target *items; /* sorted by name and tag, each pair once */
    size_t count;
    struct stl_buf notes; /* like those of struct stl_images */
};

/* `is_referrer[i]`: image i has a subject; if it has no name, it is added with its subject and has no target
 * of its own. Fails with STL_INVALID if a name is missing, STL_CONFLICT if two images would get the same tag,
 * or images from two registries the same repository. */
int stl_targets_choose(struct stl_targets *targets, const struct stl_images *images, const bool *is_referrer,
                       const struct stl_add_options *options, struct stl_error *err);
void stl_targets_clear(struct stl_targets *targets);

#endif
