/*
 * Faults: the system calls that change files, that open them, and that look for them, are counted; the one
 * with a given number is the last of the process, or fails. Whoever wants to can also watch them succeed
 * (powercut.h). The Makefile links the tests that use this with -Wl,--wrap for each call (FAULT_CALLS).
 */
#ifndef FAULTS_H
#define FAULTS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum fault {
    FAULT_NONE,
    FAULT_KILL, /* death just before the call; opening what is there is no point, since nothing has changed */
    FAULT_ERROR, /* the call fails */
    FAULT_SHORT, /* a write writes half */
    FAULT_MIXED, /* any of the errors that the call can have but EIO, or a short write, another for each call
                  */
};

enum { FAULT_KILLED = 42 }; /* the exit status */

/* From now on the call number `at`, from 1 on, of those that can have it, meets the fault. `number` is
 * the errno of a FAULT_ERROR: EMFILE is for what opens, ENOSPC and EDQUOT are for what takes space, EMLINK
 * is for links, EXDEV for links and for copies in the kernel, EIO alone for what looks. */
void fault_set(enum fault fault, int at, int number);
/* The name of the call that was struck, or NULL. */
const char *fault_struck(void);

/* Called before each call that changes something; it may wait, or leave the change for good (longjmp).
 * NULL: nothing is. */
void fault_set_before(void (*before)(void));

/* Moves the clock that time(2) shows. */
void fault_set_clock(int64_t ahead);
/* Whether it is another run of the system than it was at first (lib/base/boot.h). */
void fault_set_rebooted(bool rebooted);

/* A call that has succeeded. */
enum fault_call {
    CALL_CREATE,
    CALL_DATA,
    CALL_MODE,
    CALL_SYNC,
    CALL_SYNC_ALL,
    CALL_MKDIR,
    CALL_SYMLINK,
    CALL_LINK,
    CALL_UNLINK,
    CALL_RENAME,
    CALL_EXCHANGE
};
struct fault_event {
    enum fault_call call;
    int fd;           /* of the file, or the folder that `path` is relative to */
    const char *path; /* NULL: the file itself is meant */
    int to;           /* the same for the other name, of links and renames */
    const char *to_path;
    const char *target; /* of a symbolic link */
};
/* Called after each, by one thread at a time; what it does itself is not watched. NULL: nobody watches. Set
 * it while there is one thread. */
typedef void fault_watch(const struct fault_event *event);
void fault_set_watch(fault_watch *watch);

#endif
