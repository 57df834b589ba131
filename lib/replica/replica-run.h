/*
 * A replica that is being made (replica.h). It need not be durable. Only lib/replica uses this.
 */
#ifndef STL_REPLICA_RUN_H
#define STL_REPLICA_RUN_H

#include <stdio.h>

#include "name.h"
#include "replica-list.h"
#include "repos.h"

struct stl_replica;

struct taking {
    struct stl_replica *replica;
    int root;      /* of the registry: not owned */
    int v2, store; /* of the replica */
    FILE *lists[STL_REPLICA_LISTS];
    struct stl_names catalog; /* the repositories in it */
};

/* Put a path of the registry, or of the replica, on a list. Errors show when the list is closed. */
void stl_replica_list_live(struct taking *taking, enum stl_replica_list list, const char *path);
void stl_replica_list_staged(struct taking *taking, enum stl_replica_list list, const char *path);

/* Opens a folder of the replica, which is made if it does not exist, with the mode that the folder will have
 * at the far end. The second function takes a path. */
int stl_replica_enter(const struct taking *taking, int at, const char *name, struct stl_error *err);
int stl_replica_enter_path(const struct taking *taking, int at, const char *path, struct stl_error *err);

/* Adds a repository, which may have been deleted. Pushes to it wait meanwhile. */
int stl_replica_take_repository(struct taking *taking, const struct stl_name *name, struct stl_error *err);

#endif
