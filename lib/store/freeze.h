/*
 * Maintenance: a frozen registry is served as usual, but nothing writes to it.
 *
 * The file `frozen` marks the registry as frozen and holds the reason. Every writer holds a lock while it
 * writes, so stl_freeze() knows when the last one is done. A writer that waits for bytes has to check from
 * time to time whether the registry has been frozen, and stop if so. Open uploads are kept and can be
 * continued afterwards.
 */
#ifndef STL_FREEZE_H
#define STL_FREEZE_H

#include "registry.h"

/* No write begins from now on; returns when the last one has ended. Works on a full disk. Whoever tries to
 * write is told `reason`. */
int stl_freeze(const struct stl_registry *registry, const char *reason, struct stl_error *err);
/* Returns 1, or 0 if it was not frozen. */
int stl_thaw(const struct stl_registry *registry, struct stl_error *err);

/* Whether the registry is frozen. The first is cheap enough to be called often; the second fails with
 * STL_UNAVAILABLE and the reason if it is. */
bool stl_is_frozen(const struct stl_registry *registry);
int stl_check_frozen(const struct stl_registry *registry, struct stl_error *err);

/* To be called before a write: returns a descriptor that the caller closes when the write has ended, or -1:
 * STL_UNAVAILABLE if the registry is frozen. */
int stl_write_begin(const struct stl_registry *registry, struct stl_error *err);

#endif
