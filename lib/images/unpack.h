/*
 * Unpacking an archive that cannot be read in place: a compressed one, or a pipe.
 */
#ifndef STL_UNPACK_H
#define STL_UNPACK_H

#include "source.h"

struct archive;

#define STL_UNPACKED_NAME "member-%u" /* the name in the stage, made of the member's number */

/* Reads the archive from source->fd to its end, stages its files and adds them to source->members, which the
 * caller finishes. The content of a member "blobs/<algorithm>/<hex>" must have that digest. */
int stl_unpack(struct stl_source *source, stl_copy_progress *progress, void *context, struct stl_error *err);

/* A reader of libarchive for a tar, as it is or compressed with gzip, zstd or xz. The caller frees it with
 * archive_read_free(). */
struct archive *stl_unpack_reader(void);

/* Whether a member of that name is a blob of a layout, and its digest. */
bool stl_unpack_is_blob(const char *name, struct stl_digest *digest);

#endif
