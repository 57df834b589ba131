/*
 * The blobs that the other side is known to have, for `stillage export --without`.
 */
#ifndef STL_KNOWN_BLOBS_H
#define STL_KNOWN_BLOBS_H

#include "digestset.h"

/* Adds the blobs of what is at `path`: a registry directory, an inventory (lib/bundle/inventory.h), or any
 * volume of a bundle (the blobs that it brings and those that were left out of it). Fails with STL_INVALID if
 * it is none of these. */
int stl_known_blobs_add(struct stl_digestset *blobs, const char *path, struct stl_error *err);

#endif
