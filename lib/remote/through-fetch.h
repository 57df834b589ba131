/*
 * A manifest or a blob, fetched from an upstream and made part of a repository (pull-through.h). Only
 * lib/remote uses this.
 */
#ifndef STL_THROUGH_FETCH_H
#define STL_THROUGH_FETCH_H

#include "through.h"

/* Fetches what was asked for, unless it is here. Fails with STL_MANIFEST_UNKNOWN or STL_BLOB_UNKNOWN if the
 * upstream does not have or give it, with STL_DENIED if this registry refuses it. */
int stl_through_fetch(struct through *through, struct through_fetch *fetch, struct stl_error *err);
/* Fetches a manifest, and sets the tag if `reference` is one. */
int stl_through_get_manifest(struct through *through, struct stl_remote *remote,
                             const struct stl_address *address, const struct stl_name *name,
                             const char *reference, struct stl_error *err);

/* Fetches a blob, which has `size` bytes. `fetch`: by whom it was asked for; NULL: nobody waits for it. */
int stl_through_get_blob(struct through *through, struct through_fetch *fetch, struct stl_remote *remote,
                         const struct stl_address *address, const struct stl_name *name,
                         const struct stl_digest *digest, int64_t size, struct stl_error *err);

#endif
