/*
 * Writing a tar archive sequentially to a descriptor: a file, a pipe or a socket.
 *
 * The output depends only on the names, sizes and contents of the members: mode 0644, no owner, time 0, ustar
 * headers, and a pax header in front of a member whose name or size ustar cannot hold. The archive ends with
 * two zero blocks. The contents of files are copied inside the kernel. Compressed (lib/source/compress.h),
 * the archive goes through a pipe to another thread. Nothing is synced.
 */
#ifndef STL_ARCHIVE_H
#define STL_ARCHIVE_H

#include <stddef.h>
#include <stdint.h>

#include "compress.h"

/* Called every few MiB. */
typedef void stl_archive_progress(void *context, uint64_t bytes);

struct stl_archive_filter; /* the thread that compresses */

struct stl_archive {
    int fd;                            /* where the tar is written: not owned, or the filter's */
    size_t owed;                       /* zeros that pad the last member: what follows takes them along */
    struct stl_archive_filter *filter; /* NULL: not compressed */
    stl_archive_progress *progress;    /* or NULL */
    void *progress_context;
};

#define STL_ARCHIVE_INIT                                                                                     \
    {                                                                                                        \
        .fd = -1                                                                                             \
    }
#define STL_AUTO_ARCHIVE __attribute__((cleanup(stl_archive_abort)))

int stl_archive_begin(struct stl_archive *archive, int fd, enum stl_compression compression,
                      struct stl_error *err);
int stl_archive_add(struct stl_archive *archive, const char *name, const void *bytes, size_t length,
                    struct stl_error *err);
/* Adds `size` bytes of the file `fd` from `offset` on. It is an error if the file is shorter. */
int stl_archive_add_file(struct stl_archive *archive, const char *name, int fd, int64_t offset, int64_t size,
                         struct stl_error *err);
/* Writes the end of the archive. Call it once; nothing more can be added afterwards. */
int stl_archive_end(struct stl_archive *archive, struct stl_error *err);
void stl_archive_abort(struct stl_archive *archive);

/* The number of bytes that a member of that name and size takes before compression; and that the end of an
 * archive takes. */
int64_t stl_archive_member_size(const char *name, int64_t size);
enum { STL_ARCHIVE_END_SIZE = 1024 };

#endif
