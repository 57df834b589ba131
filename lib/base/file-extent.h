/*
 * A run of bytes in an open file: a whole file, or a member of an archive that is read in place.
 */
#ifndef STL_FILE_EXTENT_H
#define STL_FILE_EXTENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "err.h"

struct stl_extent {
    int fd;
    bool owned;           /* the extent closes the descriptor */
    int64_t offset, size; /* bytes */
};

#define STL_EXTENT_INIT                                                                                      \
    {                                                                                                        \
        .fd = -1                                                                                             \
    }
#define STL_AUTO_EXTENT __attribute__((cleanup(stl_extent_close)))
void stl_extent_close(struct stl_extent *extent);

/* Reads `length` bytes at `position` of the extent, fewer only at its end; a file that has become shorter is
 * an error. Returns the number of bytes, or -1. Thread-safe. */
ssize_t stl_extent_read(const struct stl_extent *extent, int64_t position, void *bytes, size_t length,
                        struct stl_error *err);

/* Whether two extents have the same bytes: 1, 0 or -1. */
int stl_extent_equal(const struct stl_extent *left, const struct stl_extent *right, struct stl_error *err);

#endif
