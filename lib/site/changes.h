/*
 * Notices that a registry has changed, without a process that is told: for `stillage publish --watch`.
 */
#ifndef STL_CHANGES_H
#define STL_CHANGES_H

#include "registry.h"

/* A value that is another one after a manifest, a tag, a list, a setting or a user has changed: it is made of
 * the times of folders and files. A change that follows another within the resolution of these times may
 * leave it as it is, so it counts only once it has stayed the same for a while. Takes a few system calls for
 * each repository, and no lock. Works across machines that share the folder. */
int stl_changes_stamp(const struct stl_registry *registry, struct stl_digest *stamp, struct stl_error *err);

#endif
