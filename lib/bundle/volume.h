/*
 * A volume of a bundle, or an unpacked bundle, opened for reading (lib/bundle/bundle.h says what is in it).
 *
 * - A folder, or an uncompressed tar file, whatever tool packed it: members can be found and read in any
 *   order and by several threads. If a tar is damaged, the offsets of members after the damage are computed,
 *   since the list has the size of everything.
 * - Anything else (compressed, a pipe) is a stream: its members must be read in order, and the list must be
 *   among the first of them.
 *
 * Only the form of the list is checked here: the caller checks digests.
 */
#ifndef STL_VOLUME_H
#define STL_VOLUME_H

#include "bundle.h"
#include "file-extent.h"
#include "members.h"
#include "signature.h"
#include "source.h"

struct stl_volume_stream;

/* A member that came before the list of a stream and cannot be read again. */
struct stl_volume_early {
    char path[32];            /* truncated if longer */
    struct stl_digest digest; /* sha256 */
    int64_t size;
};

enum { STL_VOLUME_EARLY_MAX = 8 };

struct stl_volume {
    char *label; /* for messages */
    struct stl_bundle bundle;
    bool is_signed;
    unsigned char signature[STL_SIGNATURE_SIZE];
    struct stl_error damage; /* STL_OK, or what is wrong with the tar */
    bool is_folder;
    int fd;
    struct stl_members members;       /* of a tar in a file */
    struct stl_source folder;         /* of a folder */
    struct stl_volume_stream *stream; /* NULL: it is not a stream */
    struct stl_volume_early early[STL_VOLUME_EARLY_MAX];
    size_t early_count;
};

#define STL_VOLUME_INIT                                                                                      \
    {                                                                                                        \
        .fd = -1, .folder = STL_SOURCE_INIT                                                                  \
    }
#define STL_AUTO_VOLUME __attribute__((cleanup(stl_volume_close)))

/* Opens the volume behind `fd`, which it takes over in any case, and reads the list and the signature. Fails
 * with STL_INVALID if it is not a bundle. */
int stl_volume_open(struct stl_volume *volume, int fd, const char *label, struct stl_error *err);
void stl_volume_close(struct stl_volume *volume);
/* Discards the list except its identity: for further volumes of a bundle, whose lists are all the same. */
void stl_volume_drop_list(struct stl_volume *volume);

/* Finds a member of a volume that is not a stream. Returns 1 (then the caller closes the extent), 0 if it is
 * not there, or -1. Thread-safe. */
int stl_volume_find(const struct stl_volume *volume, const char *path, struct stl_extent *extent,
                    struct stl_error *err);

/* Looks at the next file of a stream. Returns 1 and sets `path` and *size, 0 at the end, or -1. */
int stl_volume_peek(struct stl_volume *volume, char path[STL_MEMBER_NAME_MAX], int64_t *size,
                    struct stl_error *err);
/* Advances to that file; returns the same. */
int stl_volume_next(struct stl_volume *volume, char path[STL_MEMBER_NAME_MAX], int64_t *size,
                    struct stl_error *err);
/* Reads on in the current file, like a stream (stream.h). */
ssize_t stl_volume_read(struct stl_volume *volume, void *bytes, size_t length, struct stl_error *err);
/* The next `length` bytes of it; fewer are an error. */
int stl_volume_fill(struct stl_volume *volume, void *bytes, size_t length, struct stl_error *err);

#endif
