/*
 * What is missing here and comes from other registries (`upstream:` in registry.yaml): fetched when it is
 * asked for, over the way of fetcher.h.
 *
 * However many ask, a manifest or a blob is fetched once at a time, and to its end even if nobody waits any
 * longer. A blob is a file in tmp/ while it arrives (arriving.h), and who waits reads along; only when its
 * digest is right does it become a blob of the repository, and are those who wait told so. A manifest becomes
 * visible as with a push, before what it lists: hooks, quotas and immutable tags hold. What an upstream does
 * not have, or does not give, is not asked for again for a short while.
 *
 * Tags are asked for again with a HEAD when they have been here for `fresh-for`, in the background, and move
 * if they lead elsewhere; not before as much of the new image is here as there was of the old one: the same
 * platforms, and their blobs. A tag that is gone there stays here, and so does all if the upstream does not
 * answer.
 */
#ifndef STL_PULL_THROUGH_H
#define STL_PULL_THROUGH_H

#include "through.h"

/* Serves until *ending is set, and then until all that was begun has ended. Faults are told to
 * registry->notice. Fails only if it cannot start. */
int stl_pull_through_serve(const struct stl_pull_through *options, struct stl_error *err);

#endif
