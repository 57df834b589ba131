/*
 * The processes of hooks (hook.h). Only lib/push uses this.
 */
#ifndef STL_HOOK_RUN_H
#define STL_HOOK_RUN_H

#include "registry.h"

enum { STL_HOOK_OUTPUT_MAX = 4096 };
/* Exit statuses of what could not be started, as those of a shell. */
enum { STL_HOOK_NOT_EXECUTABLE = 126, STL_HOOK_NOT_FOUND = 127 };

/* Runs before-manifest to its end with `input` as its standard input. *status is that of waitpid(2), or -1 if
 * the hook ran out of time. */
int stl_hook_run(const struct stl_registry *registry, const struct stl_hooks *hooks, int input,
                 struct stl_buf *output, int *status, struct stl_error *err);
/* Starts after-manifest without waiting for it. */
void stl_hook_start(const struct stl_registry *registry, const struct stl_hooks *hooks, int input);

#endif
