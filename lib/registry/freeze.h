/*
 * Maintenance: a frozen registry is served as ever, but nothing writes to it.
 *
 * The file `frozen` in the registry says so, and why. Whoever writes holds a lock meanwhile, so stl_freeze()
 * knows when the last of them is done. Open uploads stay, and go on afterwards.
 */
#ifndef STL_FREEZE_H
#define STL_FREEZE_H

#include "registry.h"

/* No write begins from now on; returns when the last one has ended. `reason` is told to those who come. */
int stl_freeze(const struct stl_registry *registry, const char *reason, struct stl_error *err);
/* Returns 1, or 0 if it was not frozen. */
int stl_thaw(const struct stl_registry *registry, struct stl_error *err);

/* To be called before a write: returns a descriptor whose closing says that the write has ended, or -1:
 * STL_UNAVAILABLE if the registry is frozen. */
int stl_write_begin(const struct stl_registry *registry, struct stl_error *err);

#endif
