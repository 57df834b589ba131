/*
 * Snapshots: the state of all tags at one moment.
 *
 *     snapshots/<snapshot>/<name>/tags/<tag>          symbolic link <digest>
 *     snapshots/<snapshot>/<name>/_manifests/<type>/<subtype>/<digest>
 *                                                     a copy of the repository's manifest, shared by the
 *                                                     snapshots that have it
 *
 * <name> is the repository's, with '~' for '/'; <snapshot> has the form of a tag. A snapshot has the
 * manifests that tags lead to: images, the platforms of indexes, and what refers to any of them. As long as
 * it exists, garbage collection keeps their blobs. Making one takes time in proportion to the number of
 * manifests, and space for links and for the manifests that the previous snapshot does not have.
 *
 * So stillage.cgi can write to no file of a snapshot (sandbox.h). Blobs are not part of it: `stillage verify
 * --full` checks that their content matches their names.
 *
 * Each repository is captured at one instant, one repository after the other. A snapshot appears and
 * disappears as a whole.
 */
#ifndef STL_SNAPSHOT_H
#define STL_SNAPSHOT_H

#include "repos.h"

struct stl_snapshot_size {
    uint64_t repositories, tags, manifests;
};

/* Fails with STL_TAG_INVALID if `snapshot` is not a valid name, STL_CONFLICT if it exists. Durable on return.
 * `progress`, which may be NULL, is called with the number of repositories that are done. */
int stl_snapshot_create(const struct stl_registry *registry, const char *snapshot,
                        struct stl_snapshot_size *size,
                        void (*progress)(void *context, uint64_t done, uint64_t total), void *context,
                        struct stl_error *err);
/* Durable on return. Fails with STL_INVALID if it does not exist. */
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
/* Visits the tags that a repository has in a snapshot, by name. Returns what `visit` returned. */
typedef int stl_snapshot_visit(void *context, const struct stl_name *name, const struct stl_tag *tag,
                               const struct stl_digest *digest, struct stl_error *err);
int stl_snapshot_tags(const struct stl_registry *registry, const char *snapshot, const struct stl_name *name,
                      stl_snapshot_visit *visit, void *context, struct stl_error *err);

struct stl_snapshot_restored {
    uint64_t set, removed; /* tags */
    uint64_t manifests;    /* that had been deleted */
};

/* Sets the tags of a repository, which may have been deleted, back to what they were: tags that the snapshot
 * does not have go to the trash, unless `keep`. The missing manifests are restored first; then all tags
 * change in one step, so that a reader sees either the old or the new ones, if the file system can exchange
 * two folders (ext4, xfs, btrfs, tmpfs); otherwise tag by tag. Removed tags disappear from tags/list a moment
 * before, and new ones are added a moment later. Fails with STL_DENIED for immutable tags, STL_UNAVAILABLE if
 * the repository is busy. If the process is killed halfway, a second call completes it. Adds to *restored. */
int stl_snapshot_restore(const struct stl_registry *registry, const char *snapshot,
                         const struct stl_name *name, bool keep, struct stl_snapshot_restored *restored,
                         struct stl_error *err);

#endif
