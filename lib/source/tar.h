/*
 * Reads the headers of an uncompressed tar file, to find where each member's bytes are (POSIX pax, ustar, and
 * the long names and large sizes of GNU tar). Everything else is read with libarchive (lib/source/unpack.h),
 * which does not tell where in the file the bytes are.
 */
#ifndef STL_TAR_H
#define STL_TAR_H

#include <stdbool.h>
#include <stdint.h>

#include "err.h"

enum stl_tar_type {
    STL_TAR_FILE,
    STL_TAR_HARD_LINK,
    STL_TAR_SYMBOLIC_LINK,
    STL_TAR_DIRECTORY,
    STL_TAR_OTHER
};

struct stl_tar_member {
    const char *name, *target; /* as written in the archive; `target` is that of a link, else "" */
    enum stl_tar_type type;
    int64_t offset, size; /* of the content of a file, in bytes */
};

/* Returns 0, or -1 with err set, which ends the walk. */
typedef int stl_tar_visit(void *context, const struct stl_tar_member *member, struct stl_error *err);

/* Calls `visit` for each member in order and returns 1. Returns 0 if the file does not begin with a tar
 * header, or has a sparse member, whose bytes are not all in the file: then ignore what was visited. A
 * damaged or truncated tar is an error, -1. With `beyond_end`, an archive that follows another one is
 * visited, too; anything else behind the end is not looked at. */
int stl_tar_walk(int fd, int64_t file_size, bool beyond_end, stl_tar_visit *visit, void *context,
                 struct stl_error *err);

#endif
