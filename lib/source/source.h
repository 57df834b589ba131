/*
 * An opened source of images: a folder or an archive, as named files whose bytes can be read in any order and
 * by several threads (lib/source/images.h knows what they mean).
 *
 * - A folder is read in place.
 * - An uncompressed tar in a file is indexed by its headers (lib/source/tar.h) and read in place.
 * - Everything else (gzip, zstd, xz, bzip2, lz4, a pipe, sparse members) is unpacked in one pass
 *   (lib/source/unpack.h): each member becomes a file of the stage and is hashed on the way, so that a blob
 *   is put in place with a rename. Blobs that the registry has are skipped.
 *
 * Links are followed within the source and never lead outside it. Sources are untrusted: sizes and counts are
 * limited.
 */
#ifndef STL_SOURCE_H
#define STL_SOURCE_H

#include "copy.h"
#include "members.h"
#include "registry.h"

struct stl_source {
    char *label; /* for messages */
    int fd;
    bool is_directory;
    bool is_indexed; /* an uncompressed tar in a file */
    const struct stl_registry *registry;
    const struct stl_stage *stage;
    struct stl_members members; /* of an archive */
};

#define STL_SOURCE_INIT                                                                                      \
    {                                                                                                        \
        .fd = -1                                                                                             \
    }

/* Opens the source behind `fd`, which it takes over, in any case. `label` names it in messages. `stage` is a
 * stage of `registry`; both outlive the source. `progress` is called while unpacking. */
int stl_source_open(struct stl_source *source, int fd, const char *label, const struct stl_registry *registry,
                    const struct stl_stage *stage, stl_copy_progress *progress, void *context,
                    struct stl_error *err);
/* A source without a file, for images in a registry. */
void stl_source_elsewhere(struct stl_source *source, const char *label, const struct stl_registry *registry,
                          const struct stl_stage *stage);
void stl_source_close(struct stl_source *source);
/* Whether the end of an uncompressed tar is missing: it is zeros. */
bool stl_source_is_cut(const struct stl_source *source);

/* Finds the regular file `path`. Returns 1 (then the caller closes the extent), 0 if it does not exist, or -1
 * if it is not a regular file or the path, or a link on it, leads out of the source. Thread-safe. */
int stl_source_find(const struct stl_source *source, const char *path, struct stl_extent *extent,
                    struct stl_error *err);
/* Appends a small file to `buf`. Returns 1, 0 if it does not exist, or -1. More than `limit` bytes are an
 * error. */
int stl_source_read(const struct stl_source *source, const char *path, size_t limit, struct stl_buf *buf,
                    struct stl_error *err);
/* Finds the file in the stage to which the blob "blobs/<algorithm>/<hex>" was unpacked, with its digest
 * checked. Returns false if there is none. */
bool stl_source_staged(const struct stl_source *source, const char *path, char name[STL_STAGED_NAME_MAX]);

#endif
