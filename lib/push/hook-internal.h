/*
 * The inside of hooks (hook.h): the processes, and the one that starts them for others.
 */
#ifndef STL_HOOK_INTERNAL_H
#define STL_HOOK_INTERNAL_H

#include "registry.h"

enum { STL_HOOK_OUTPUT_MAX = 4096 };

/* Runs a hook to its end with `input` as its standard input. *status is that of waitpid(2), or -1 if the hook
 * ran out of time. */
int stl_hook_run(const struct stl_registry *registry, const char *program, int input, struct stl_buf *output,
                 int *status, struct stl_error *err);
/* Starts a hook without waiting for it. */
void stl_hook_start(const struct stl_registry *registry, const char *program, int input);

/* The same two, run by the process that stl_hook_runner_start() has started: the first for before-manifest,
 * the second for after-manifest. */
int stl_hook_runner_ask(int runner, int input, struct stl_buf *output, int *status, struct stl_error *err);
int stl_hook_runner_tell(int runner, int input, struct stl_error *err);

#endif
