/*
 * A picture of the registry, for `stillage replicate`: what the far end is to look like, made of links in
 * tmp/, while pushes, deletes and garbage collection go on.
 *
 *     tmp/<stage>/www/v2/   as in the registry, but for blobs/, whose files are empty
 *     tmp/<stage>/store/    the blobs that repositories of the picture need; empty files, too
 *     tmp/<stage>/lists/    the names of what is to be copied, in the order of enum stl_picture_list
 *
 * Each repository is as it was at one instant, one after the other, and is held up for as long as it takes to
 * link its manifests and tags. Blobs are not linked, since that would set the clock of garbage collection;
 * but as long as the picture exists, garbage collection keeps what its manifests name.
 *
 * A list holds paths below the registry's directory, each ended by a NUL; in those that begin with tmp/,
 * "/./" stands before what the far end calls it: the form that rsync --files-from takes. Copied list by list,
 * no name appears at the far end whose content is not there. What the far end has and the picture has not can
 * be removed afterwards.
 *
 * A picture has the manifests that have a name, and the blobs that these name. Users, tokens, keys, uploads,
 * snapshots, the trash and logs are not in it.
 */
#ifndef STL_PICTURE_H
#define STL_PICTURE_H

#include "registry.h"

enum stl_picture_list {
    STL_PICTURE_BASE,      /* the folders of a registry, its settings, and the file `frozen` of a replica */
    STL_PICTURE_CONTENT,   /* blobs and the bytes of manifests; hard links are to be kept */
    STL_PICTURE_DIGESTS,   /* manifests/<digest> */
    STL_PICTURE_REFERRERS, /* lists of referrers, and what Apache reads for a digest */
    STL_PICTURE_TAGS,      /* manifests/<tag> */
    STL_PICTURE_TAG_LISTS,
    STL_PICTURE_CATALOG, /* and the page, and the fixed answers */
    STL_PICTURE_LISTS
};

/* What a replica's file `frozen` says: nobody writes to it, until 'stillage thaw' makes it a registry of its
 * own. */
#define STL_REPLICA_REASON "this is a replica"

struct stl_picture {
    const struct stl_registry *registry;
    struct stl_stage stage;
    uint64_t repositories, tags, manifests, blobs, bytes; /* blobs of the store, and their bytes */
    size_t entries[STL_PICTURE_LISTS];                    /* of each list */
};

#define STL_PICTURE_INIT                                                                                     \
    {                                                                                                        \
        .stage = STL_STAGE_INIT                                                                              \
    }
#define STL_AUTO_PICTURE __attribute__((cleanup(stl_picture_end)))

/* Fails with STL_INVALID if a manifest is damaged. The lock that stage.fd holds protects the picture: a
 * process that reads it may keep a copy of the descriptor. */
int stl_picture_take(struct stl_picture *picture, const struct stl_registry *registry, struct stl_error *err);
/* Removes it. */
void stl_picture_end(struct stl_picture *picture);

/* "tmp/<stage>/lists/<n>" and a NUL. */
char *stl_picture_list_path(const struct stl_picture *picture, enum stl_picture_list list,
                            char path[STL_PATH_MAX]);
/* Whether all that the list names is still there. */
int stl_picture_is_whole(const struct stl_picture *picture, enum stl_picture_list list, bool *whole,
                         struct stl_error *err);

/* A descriptor whose closing lets others replicate to the same target. Fails with STL_UNAVAILABLE if somebody
 * does. */
int stl_picture_lock(const struct stl_registry *registry, const char *target, struct stl_error *err);

#endif
