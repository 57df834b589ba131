/*
 * An opened source of images: a folder or an archive, as named files whose bytes can be read in any order and
 * by several threads (lib/images/images.h knows what they mean).
 *
 * - A folder is read in place, one path component at a time and without following links.
 * - An uncompressed tar in a file is indexed by its headers (lib/images/tar.h) and read in place.
 * - Everything else (gzip, zstd, xz, a pipe) is unpacked in one pass (lib/images/unpack.h): each member
 *   becomes a file of the stage and is hashed on the way, so that a blob gets its place by a rename. What the
 *   registry has is passed over.
 *
 * Nothing outside the source is ever reached. Sources come from strangers: sizes and counts have limits.
 */
#ifndef STL_SOURCE_H
#define STL_SOURCE_H

#include "copy.h"
#include "members.h"
#include "registry.h"

enum { STL_SOURCE_DOCUMENT_MAX = 8 << 20 /* bytes of index.json, manifest.json and the like */ };

struct stl_source {
    char *label; /* for messages */
    int fd;
    bool is_directory;
    const struct stl_registry *registry;
    const struct stl_stage *stage;
    struct stl_members members; /* of an archive */
};

#define STL_SOURCE_INIT                                                                                      \
    {                                                                                                        \
        .fd = -1                                                                                             \
    }

/* Opens the source behind `fd`, which it takes over, in any case. `label` names it in messages. `stage` is a
 * stage of `registry`; both outlive the source. `progress` is told of what is unpacked. */
int stl_source_open(struct stl_source *source, int fd, const char *label, const struct stl_registry *registry,
                    const struct stl_stage *stage, stl_copy_progress *progress, void *context,
                    struct stl_error *err);
void stl_source_close(struct stl_source *source);

/* Finds the regular file `path`: 1, or 0 if there is none, or -1: it is no regular file, or the path leads
 * out of the source. In an archive, links between members are followed if `follow`. On 1 the caller closes
 * the extent. Safe in several threads. */
int stl_source_find(const struct stl_source *source, const char *path, bool follow, struct stl_extent *extent,
                    struct stl_error *err);
/* Adds the whole of a small file to `buf`: 1, 0 if there is none, -1. More than `limit` bytes are an error.
 */
int stl_source_read(const struct stl_source *source, const char *path, size_t limit, struct stl_buf *buf,
                    struct stl_error *err);
/* Where in the stage the blob "blobs/<algorithm>/<hex>" was unpacked to, with its digest checked. Returns
 * false if it was not. */
bool stl_source_staged(const struct stl_source *source, const char *path, char name[STL_STAGED_NAME_MAX]);

#endif
