/*
 * Snapshots: the state of all tags at a moment, made of links.
 *
 *     snapshots/<snapshot>/<name>/tags/<tag>          symbolic link <digest>
 *     snapshots/<snapshot>/<name>/_manifests/<type>/<subtype>/<digest>
 *                                                     hard link to the repository's manifest
 *
 * <name> is the repository's, with '~' for '/'; <snapshot> has the form of a tag. A snapshot has the
 * manifests that tags lead to: images, the platforms of indexes, and what refers to any of them. As long as
 * it exists, garbage collection keeps their blobs. Making one costs time by the number of manifests, and
 * space for links only.
 *
 * Each repository is as it was at one instant, one repository after the other. A snapshot appears, and goes,
 * as a whole.
 */
#ifndef STL_SNAPSHOT_H
#define STL_SNAPSHOT_H

#include "publish.h"
#include "repos.h"

struct stl_snapshot_size {
    uint64_t repositories, tags, manifests;
};

/* Fails with STL_TAG_INVALID if that is no name for a snapshot, STL_CONFLICT if it exists. Durable on return.
 */
int stl_snapshot_create(const struct stl_registry *registry, const char *snapshot,
                        struct stl_snapshot_size *size, struct stl_error *err);
/* Fails with STL_INVALID if there is none of that name. */
int stl_snapshot_remove(const struct stl_registry *registry, const char *snapshot, struct stl_error *err);

/* The names of all snapshots, sorted. */
int stl_snapshot_list(const struct stl_registry *registry, struct stl_names *snapshots,
                      struct stl_error *err);
/* When it was made, and what is in it. */
int stl_snapshot_look(const struct stl_registry *registry, const char *snapshot, time_t *made,
                      struct stl_snapshot_size *size, struct stl_error *err);
/* The repositories of a snapshot, sorted; fails with STL_INVALID if there is no snapshot of that name. */
int stl_snapshot_names(const struct stl_registry *registry, const char *snapshot, struct stl_names *names,
                       struct stl_error *err);
/* Visits the tags that a repository has in a snapshot, in no order. Returns what `visit` returned. */
typedef int stl_snapshot_visit(void *context, const struct stl_name *name, const struct stl_tag *tag,
                               const struct stl_digest *digest, struct stl_error *err);
int stl_snapshot_tags(const struct stl_registry *registry, const char *snapshot, const struct stl_name *name,
                      stl_snapshot_visit *visit, void *context, struct stl_error *err);

struct stl_snapshot_restored {
    uint64_t set, removed; /* tags */
    uint64_t manifests;    /* that were gone */
};

/* Makes the tags of a repository, which need not exist any more, what they were: tags that the snapshot has
 * not got go to the trash, unless `keep`. The missing manifests come first; then all tags change in one step,
 * so a reader sees the old ones or the new ones, where the file system can exchange two folders (ext4, xfs,
 * btrfs, tmpfs), else tag by tag. tags/list loses what goes a moment before, and gets what comes a moment
 * later. Fails with STL_DENIED for immutable tags, STL_UNAVAILABLE if the repository is busy. Killed in
 * between, a second call finishes it. Adds to *restored.
 */
int stl_snapshot_restore(const struct stl_registry *registry, const char *snapshot,
                         const struct stl_name *name, bool keep, struct stl_snapshot_restored *restored,
                         struct stl_error *err);

#endif
