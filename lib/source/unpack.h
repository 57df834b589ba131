/*
 * Unpacking an archive that cannot be read in place: a compressed one, or a pipe.
 */
#ifndef STL_UNPACK_H
#define STL_UNPACK_H

#include "copy.h"
#include "members.h"
#include "registry.h"

enum { STL_UNPACK_HOLES_GIB = 16 };
#define STL_UNPACK_HOLES_MAX ((int64_t)STL_UNPACK_HOLES_GIB << 30)

struct archive;

#define STL_UNPACKED_NAME "member-%u" /* the name in the stage, made from the member's number */

/* Reads the archive from `fd` to its end, stages its files and adds them to `members`, which the caller
 * finishes. The content of a member "blobs/<algorithm>/<hex>" must have that digest. The holes of sparse
 * members are filled with zeros, at most STL_UNPACK_HOLES_MAX bytes in the whole archive. */
int stl_unpack(int fd, const struct stl_registry *registry, const struct stl_stage *stage,
               struct stl_members *members, stl_copy_progress *progress, void *context,
               struct stl_error *err);

/* A libarchive reader for a tar, plain or compressed with gzip, zstd, xz, bzip2 or lz4. The caller frees it
 * with archive_read_free(). */
struct archive *stl_unpack_reader(void);

/* At the end of an archive: reads the padding behind it from a pipe, at most 64 MiB: otherwise the writer
 * would die of SIGPIPE. */
void stl_unpack_read_padding(int fd);

/* Whether a member of that name is a blob of a layout; if so, sets *digest. */
bool stl_unpack_is_blob(const char *name, struct stl_digest *digest);

#endif
