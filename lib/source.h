/*
 * An opened source of images: a folder or an archive, as named members whose bytes can be read in any order and by
 * several threads (lib/images.h knows what they mean).
 *
 * - A folder is read in place, one path component at a time and without following links.
 * - An uncompressed tar in a file is indexed by its headers (lib/tar.h) and read in place.
 * - Everything else (gzip, zstd, xz, a pipe) is unpacked in one pass: each member into a file of the stage, hashed on
 *   the way, so that a blob gets its place by a rename. A blob that the registry has already is passed over.
 *
 * Nothing outside the source is ever reached: names that are absolute or hold "..", devices, and links that leave
 * the archive are errors. Sources come from strangers: all sizes and counts have limits.
 */
#ifndef STL_SOURCE_H
#define STL_SOURCE_H

#include "digest.h"
#include "registry.h"

enum {
    STL_SOURCE_MEMBERS_MAX = 100000,
    STL_SOURCE_DOCUMENT_MAX = 8 << 20, /* bytes of index.json, manifest.json and the like */
    STL_SOURCE_PATH_MAX = 1024,
};

/* A run of bytes in an open file. */
struct stl_extent {
    int fd;
    bool owned; /* the descriptor is the extent's own */
    int64_t offset, size;
};

#define STL_EXTENT_INIT {.fd = -1}
#define STL_AUTO_EXTENT __attribute__((cleanup(stl_extent_close)))
void stl_extent_close(struct stl_extent *extent);
/* Reads up to `length` bytes at `position`. Fewer only at the end of the extent; a file that has become shorter is
 * an error. Returns the number of bytes, or -1. Safe in several threads. */
ssize_t stl_extent_read(const struct stl_extent *extent, int64_t position, void *bytes, size_t length,
                        struct stl_error *err);

struct stl_member; /* of an archive */

struct stl_source {
    char *label; /* for messages */
    int fd;
    bool is_directory;
    const struct stl_stage *stage;
    struct stl_member *members; /* sorted by name */
    size_t count;
};

#define STL_SOURCE_INIT {.fd = -1}
#define STL_AUTO_SOURCE __attribute__((cleanup(stl_source_close)))

/* Opens the source behind `fd`, which it takes over, in any case. `label` names it in messages. `stage` is a stage of
 * `registry`; both outlive the source. */
int stl_source_open(struct stl_source *source, int fd, const char *label, const struct stl_registry *registry,
                    const struct stl_stage *stage, struct stl_error *err);
void stl_source_close(struct stl_source *source);

/* Finds the regular file `path`: 1, or 0 if there is none, or -1: it is no regular file. In an archive, links
 * between members are followed if `follow`. On 1 the caller closes the extent. Safe in several threads. */
int stl_source_find(const struct stl_source *source, const char *path, bool follow, struct stl_extent *extent,
                    struct stl_error *err);
/* Adds the whole of a small file to `buf`: 1, 0 if there is none, -1. More than `limit` bytes are an error. */
int stl_source_read(const struct stl_source *source, const char *path, size_t limit, struct stl_buf *buf,
                    struct stl_error *err);

#endif
