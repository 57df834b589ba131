/*
 * A replica of the registry, for `stillage replicate` to send: what the far end will look like, made of links
 * in tmp/, while pushes, deletions and garbage collection go on.
 *
 *     tmp/<stage>/www/v2/   as in the registry, except that the files of blobs/ are empty
 *     tmp/<stage>/store/    the blobs that repositories of the replica need, also empty files
 *     tmp/<stage>/lists/    the names of what is to be copied, in the order of enum stl_replica_list
 *
 * Each repository is copied as it is at one instant, one after the other, and is locked for as long as it
 * takes to link its manifests and tags. Blobs are not linked, since that would change the ctime that garbage
 * collection goes by; but as long as the replica exists, garbage collection keeps what its manifests name.
 *
 * A list holds paths relative to the registry's directory, each terminated by a NUL; in those that begin with
 * tmp/, the path at the far end follows "/./": this is the form that rsync --files-from takes. If the lists
 * are copied in order, no name appears at the far end before its content. Anything that the far end has but
 * the replica does not can be removed afterwards.
 *
 * A replica has the manifests that have a name, the blobs that these refer to, and repositories that were
 * created explicitly, with description and visibility (about.h). Users, tokens, keys, uploads, snapshots, the
 * trash and logs are not in it; for a registry with access control, an empty auth/htpasswd and _closed are,
 * so that the far end is closed as well.
 */
#ifndef STL_REPLICA_H
#define STL_REPLICA_H

#include "registry.h"
#include "replica-list.h"

/* The content of a replica's file `frozen`: nobody writes to a replica until 'stillage thaw' makes it a
 * registry of its own. */
#define STL_REPLICA_REASON "this is a replica"

struct stl_replica {
    const struct stl_registry *registry;
    struct stl_stage stage;
    uint64_t repositories, tags, manifests, blobs, bytes; /* blobs of the store, and their bytes */
    size_t entries[STL_REPLICA_LISTS];                    /* of each list */
};

#define STL_REPLICA_INIT                                                                                     \
    {                                                                                                        \
        .stage = STL_STAGE_INIT                                                                              \
    }
#define STL_AUTO_REPLICA __attribute__((cleanup(stl_replica_end)))

/* Fails with STL_INVALID if a manifest is damaged. The lock held by stage.fd protects the replica: a process
 * that reads it may keep a copy of the descriptor. */
int stl_replica_take(struct stl_replica *replica, const struct stl_registry *registry, struct stl_error *err);
/* Removes it. */
void stl_replica_end(struct stl_replica *replica);

/* "tmp/<stage>/lists/<n>" and a NUL. */
char *stl_replica_list_path(const struct stl_replica *replica, enum stl_replica_list list,
                            char path[STL_PATH_MAX]);
/* Sets *whole: whether everything that the list names still exists. */
int stl_replica_is_whole(const struct stl_replica *replica, enum stl_replica_list list, bool *whole,
                         struct stl_error *err);

/* Returns a descriptor that lets others replicate to the same target once it is closed. Fails with
 * STL_UNAVAILABLE if another process is replicating to it. */
int stl_replica_lock(const struct stl_registry *registry, const char *target, struct stl_error *err);

#endif
