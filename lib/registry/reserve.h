/*
 * reserve/: space that is kept for deleting.
 *
 * On a disk that is full to the last byte nothing could be deleted: the list that names a tag is written anew
 * before the tag goes, and what goes to the trash needs a name there. So a registry holds a few files without
 * content, which have their space and their inode. A deletion that finds no space removes one and goes on.
 * `stillage init` and `stillage gc` make them, where that leaves plenty.
 */
#ifndef STL_RESERVE_H
#define STL_RESERVE_H

#include "registry.h"

enum { STL_RESERVE_FILES = 16, STL_RESERVE_SIZE = 128 << 10 }; /* bytes of each */

/* Makes what is missing, unless that is more than a sixteenth of what is free. Failing is no error. */
void stl_reserve_fill(const struct stl_registry *registry);
/* Whether to try again what failed with `err`: that was for lack of space, and some of the reserve was given
 * up. Then err is cleared. */
bool stl_reserve_use(const struct stl_registry *registry, struct stl_error *err);

#endif
