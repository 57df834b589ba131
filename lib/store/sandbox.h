/*
 * The sandbox: what a process that reads requests from strangers gives up for good, so that an exploited bug
 * reaches no further than the registry. For Linux; what the kernel lacks or forbids is left out and reported.
 *
 *   files         By Landlock, from version 2 (Linux 5.19): below the registry everything can be read; www/,
 *                 store/, uploads/, tmp/, locks/, auth/, log/, trash/ and reserve/ can be written. Outside
 *                 nothing can be opened or made, and registry.yaml, snapshots/ and imports/ cannot be
 *                 changed. No network, no signals to others.
 *   system calls  By seccomp: those that serving a request takes, and those that threads take, for a
 *                 process that has them. No programs, no processes, no sockets, no executable memory. For
 *                 x86-64, ARM64 and 64-bit RISC-V.
 *   and           No new privileges, no capabilities but those with which root writes files, no core dumps,
 *                 no processes (except for root, and for a process with threads).
 *
 * Hooks are run by a process that was started before (hook.h). Open descriptors stay usable. The rules apply
 * to the registry's folders as they are at that moment: a folder that replaces one of them later is out of
 * reach.
 */
#ifndef STL_SANDBOX_H
#define STL_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>

/* What is in force. */
struct stl_sandbox {
    int landlock; /* its version; 0: files are not confined */
    bool seccomp;
};

/* Enters it, for the registry at `path`. Never fails: `sandbox` says what is in force. */
void stl_sandbox_enter(const char *path, struct stl_sandbox *sandbox);

/* The same for a process that will start threads, which will all be inside. It must not have any yet. */
void stl_sandbox_enter_threaded(const char *path, struct stl_sandbox *sandbox);

/* The same for a process that fetches from other registries, and answers no stranger: it may connect to other
 * machines, but not listen, and read what that takes: certificates, and how names are resolved, in /etc, /usr
 * and /run, and the files of `readable`, which ends with NULL. Libraries have to be loaded before. */
void stl_sandbox_enter_fetching(const char *path, const char *const *readable, struct stl_sandbox *sandbox);

/* For sandbox.c only: allows only the listed system calls and those that starting threads or connecting
 * takes. no_new_privs must be set already. Returns whether that is in force. */
bool stl_sandbox_filter_calls(bool threads, bool network);

#endif
