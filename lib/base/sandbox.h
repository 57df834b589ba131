/*
 * The sandbox: what a process that reads the requests of strangers gives up for good, so that a fault in it
 * reaches no further than the registry. For Linux; what the kernel has not, or forbids, is left out and
 * reported.
 *
 *   files         By Landlock, from version 2 (Linux 5.19): below the registry everything can be read; www/,
 *                 store/, uploads/, tmp/, locks/, auth/, log/, trash/ and reserve/ can be written. Outside
 *                 nothing can be opened or made, and registry.yaml, snapshots/ and imports/ cannot be
 *                 changed. No network, no signals to others.
 *   system calls  By seccomp: those that serving a request takes. No programs, no processes, no sockets, no
 *                 executable memory. For x86-64, ARM64 and 64-bit RISC-V.
 *   and           No new privileges, no capabilities but those with which root writes files, no core dumps,
 *                 no processes (for others than root).
 *
 * Hooks are run by a process that was started before (hook.h). Descriptors that are open stay usable. The
 * registry's folders are meant as they are at that moment: one that is put in their place later is out of
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

/* Enters it, for the registry at `path`. Never fails: `sandbox` says what has come of it. */
void stl_sandbox_enter(const char *path, struct stl_sandbox *sandbox);

/* Inside: allows only the system calls of the list, with no new privileges. Returns whether that is in force.
 */
bool stl_sandbox_filter_calls(void);

#endif
