/*
 * Unpacking an archive that cannot be read in place: a compressed one, or a pipe.
 */
#ifndef STL_UNPACK_H
#define STL_UNPACK_H

#include "source.h"

#define STL_UNPACKED_NAME "member-%u" /* the name in the stage, made of the member's number */

/* Reads the archive from source->fd to its end, stages its files and adds them to source->members, which the
 * caller finishes. The content of a member "blobs/<algorithm>/<hex>" must have that digest. */
int stl_unpack(struct stl_source *source, stl_copy_progress *progress, void *context, struct stl_error *err);

/* Whether a member of that name is a blob of a layout, and its digest. */
bool stl_unpack_is_blob(const char *name, struct stl_digest *digest);

#endif
