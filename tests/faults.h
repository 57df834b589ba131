/*
 * Faults: the system calls that change files are counted, and the one with a given number is the last of the process,
 * or fails. The Makefile links the tests that use this with -Wl,--wrap for each of them (FAULT_CALLS).
 */
#ifndef FAULTS_H
#define FAULTS_H

enum fault { FAULT_NONE, FAULT_KILL, FAULT_ERROR };

enum { FAULT_KILLED = 42 }; /* the exit status */

/* From now on the call number `at`, from 1 on, does not happen. An error is EIO, or ENOSPC where that can be. */
void fault_set(enum fault fault, int at);
/* Whether the call has been reached. */
int fault_was_reached(void);

#endif
