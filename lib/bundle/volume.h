/*
 * A volume of a bundle, or an unpacked bundle, opened for reading (lib/bundle/bundle.h says what is in it).
 *
 * - A folder, and an uncompressed tar in a file, whatever tool packed it: every member can be found and read
 *   in any order and by several threads. Where a tar is damaged, what lies behind the damage is found by
 *   calculation, since the list tells the size of everything.
 * - Anything else (compressed, a pipe) is a stream: its members are to be taken in the order in which they
 *   come, and the list has to be among the first of them.
 *
 * Nothing but the form of the list is checked here: digests are the caller's to check.
 */
#ifndef STL_VOLUME_H
#define STL_VOLUME_H

#include "bundle.h"
#include "extent.h"
#include "members.h"
#include "signature.h"
#include "source.h"

struct stl_volume_stream;

/* What stood in front of the list of a stream, which cannot be read again. */
struct stl_volume_early {
    char path[32];            /* cut if longer */
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
    struct stl_volume_stream *stream; /* NULL: it is no stream */
    struct stl_volume_early early[STL_VOLUME_EARLY_MAX];
    size_t early_count;
};

#define STL_VOLUME_INIT                                                                                      \
    {                                                                                                        \
        .fd = -1, .folder = STL_SOURCE_INIT                                                                  \
    }
#define STL_AUTO_VOLUME __attribute__((cleanup(stl_volume_close)))

/* Opens what is behind `fd`, which it takes over, in any case, and reads list and signature. Fails with
 * STL_INVALID where it is no bundle. */
int stl_volume_open(struct stl_volume *volume, int fd, const char *label, struct stl_error *err);
void stl_volume_close(struct stl_volume *volume);
/* Keeps of the list its identity only: for further volumes of a bundle, whose lists are all the same. */
void stl_volume_drop_list(struct stl_volume *volume);

/* Finds a member of a volume that is no stream: 1, or 0 if it is not there, or -1. On 1 the caller closes the
 * extent. Safe in several threads. */
int stl_volume_find(const struct stl_volume *volume, const char *path, struct stl_extent *extent,
                    struct stl_error *err);

/* Looks at the next file of a stream: 1, or 0 at its end, or -1. `path` and size are set on 1. */
int stl_volume_peek(struct stl_volume *volume, char path[STL_MEMBER_NAME_MAX], int64_t *size,
                    struct stl_error *err);
/* Goes on to that file; says the same. */
int stl_volume_next(struct stl_volume *volume, char path[STL_MEMBER_NAME_MAX], int64_t *size,
                    struct stl_error *err);
/* Reads on in the file at hand: the number of bytes, 0 at its end, or -1. */
ssize_t stl_volume_read(struct stl_volume *volume, void *bytes, size_t length, struct stl_error *err);

#endif
