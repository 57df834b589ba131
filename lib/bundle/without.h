/*
 * What the other side is known to have: for `stillage export --without`.
 */
#ifndef STL_WITHOUT_H
#define STL_WITHOUT_H

#include "digestset.h"

/* Adds the blobs of what lies at `path`: a registry directory, an inventory (lib/bundle/inventory.h), or a
 * bundle, of which any volume will do: what it brings, and what it presumes. Fails with STL_INVALID where it
 * is neither. */
int stl_without_add(struct stl_digestset *blobs, const char *path, struct stl_error *err);

#endif
