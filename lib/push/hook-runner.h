/*
 * A process that runs hooks (hook.h), and passes on messages, for processes that can neither start programs
 * nor connect (sandbox.h).
 */
#ifndef STL_HOOK_RUNNER_H
#define STL_HOOK_RUNNER_H

#include "err.h"
#include "mem.h"

/* Starts the process, for the registry at `path`. Returns a descriptor, which those others set as
 * registry->hook_runner and may share. The process reads registry.yaml anew each time, and ends when the
 * last copy of the descriptor is closed. */
int stl_hook_runner_start(const char *path, struct stl_error *err);

/* stl_hook_run() and stl_hook_start() (hook-run.h), done by that process, with the hooks of the project, or
 * (NULL) of all repositories. */
int stl_hook_runner_ask(int runner, const char *project, int input, struct stl_buf *output, int *status,
                        struct stl_error *err);
int stl_hook_runner_tell(int runner, const char *project, int input, struct stl_error *err);

/* Sends a message to the fetcher of its registry, with a descriptor (fetcher.h): those that cannot start
 * programs cannot connect either. At most STL_HOOK_PASSED_MAX bytes. */
enum { STL_HOOK_PASSED_MAX = 512 };
int stl_hook_runner_pass(int runner, const void *bytes, size_t length, int fd, struct stl_error *err);

#endif
