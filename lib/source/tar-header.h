/*
 * The header of a member of a tar archive (POSIX 1003.1, pax, "ustar Interchange Format"). Numbers are octal.
 * Only lib/source uses this.
 */
#ifndef STL_TAR_HEADER_H
#define STL_TAR_HEADER_H

enum { STL_TAR_BLOCK = 512 }; /* bytes: contents are padded to a multiple of it */
/* How far behind the end of an archive another one is looked for: more than any program pads with. */
enum { STL_TAR_BEYOND_MAX = 1 << 20 };

struct stl_tar_header {
    char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type, link[100], magic[6],
        version[2], user[32], group[32], major[8], minor[8], prefix[155], padding[12];
};
_Static_assert(sizeof(struct stl_tar_header) == STL_TAR_BLOCK, "a header is one block");

#endif
