/*
 * The lists of a replica (replica.h), in the order in which they are to be copied.
 */
#ifndef STL_REPLICA_LIST_H
#define STL_REPLICA_LIST_H

enum stl_replica_list {
    STL_REPLICA_BASE,      /* the folders of a registry, its settings, and the file `frozen` of a replica */
    STL_REPLICA_CONTENT,   /* blobs and the bytes of manifests; hard links must be preserved */
    STL_REPLICA_DIGESTS,   /* manifests/<digest> */
    STL_REPLICA_REFERRERS, /* lists of referrers, and what Apache reads for a digest */
    STL_REPLICA_TAGS,      /* manifests/<tag> */
    STL_REPLICA_TAG_LISTS, /* and what repositories say of themselves */
    STL_REPLICA_CATALOG,   /* and the page, and the fixed answers */
    STL_REPLICA_LISTS
};

#endif
