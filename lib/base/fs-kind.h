/*
 * File systems that are not a local disk.
 */
#ifndef STL_FS_KIND_H
#define STL_FS_KIND_H

/* The kind of the file system of `fd` if other machines may share it or it may lack promises
 * (lib/store/promises.h): one of a network, FUSE, or one without links. NULL for the others. */
const char *stl_fs_doubtful(int fd);

#endif
