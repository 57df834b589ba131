/*
 * What tags and digests of a repository lead to, with a HEAD for each, several at once.
 */
#ifndef STL_LOOK_H
#define STL_LOOK_H

#include "remote.h"

/* All but `reference` is filled in. */
struct stl_look {
    char reference[STL_TAG_MAX + STL_DIGEST_TEXT_MAX]; /* a tag or a digest */
    int status;                                        /* 200, 404, or from 500 on: the registry cannot say */
    bool found;
    bool told; /* the registry has told the digest (Docker-Content-Digest) */
    struct stl_digest digest;
};

int stl_remote_look(struct stl_remote *remote, const char *name, struct stl_look *looks, size_t count,
                    struct stl_error *err);

#endif
