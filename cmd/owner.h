/*
 * One account owns a registry, and everything is written as that account: the next push could not change a
 * file of another.
 *
 * So root becomes the owner of the registry that it works on, for good. It keeps the right to read every
 * file, so that it can be given archives, keys and the like that only root may read. Anybody else is told
 * which command to type. Root stays root if it owns the registry, and if nothing is written.
 */
#ifndef CMD_OWNER_H
#define CMD_OWNER_H

#include <sys/types.h>

#include "err.h"

/* What root keeps besides the right to read, for itself and for the programs that it starts. */
enum cmd_keep {
    CMD_KEEP_NOTHING,
    CMD_KEEP_WRITING, /* to write everywhere: rsync may have to make a replica where only root may write */
    CMD_KEEP_PORTS,   /* to listen on ports below 1024 */
};

/* Makes this process the owner's before anything in `directory` is opened for writing. A directory that does
 * not exist has no owner. Fails with STL_DENIED, before anything is changed. */
int cmd_become_owner(const char *directory, enum cmd_keep keep, struct stl_error *err);

/* Fails like cmd_become_owner() where somebody else owns `directory`; changes nothing. */
int cmd_refuse_others(const char *directory, struct stl_error *err);

/* Finds an account that owns nothing, for a web server that root starts to serve root's own files: www-data,
 * or else nobody. Returns 0 or -1. */
int cmd_find_reader(uid_t *uid, gid_t *gid);
/* Becomes that account, for good: it may read everything, write nothing, and listen on every port. Returns 0
 * or -1. */
int cmd_become_reader(void);

/* Remembers this command line, for messages that say how to type it again. */
void cmd_remember(int argc, char **argv);

#endif
