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

/* What root keeps besides the right to read, also for the programs that it starts from then on. */
enum cmd_keep {
    CMD_KEEP_NOTHING,
    CMD_KEEP_WRITING, /* to all folders: rsync may write a replica where only root may */
    CMD_KEEP_PORTS,   /* to listen on ports below 1024 */
};

/* Sees to it that this process is the owner of `directory` before anything in it is opened for writing; a
 * directory that does not exist has no owner. Fails with STL_DENIED, before anything was changed. */
int cmd_become_owner(const char *directory, enum cmd_keep keep, struct stl_error *err);

/* Fails like cmd_become_owner() where somebody else owns `directory`; changes nothing. */
int cmd_refuse_others(const char *directory, struct stl_error *err);

/* An account that owns nothing, for a web server which root starts on what is root's own: www-data, else
 * nobody. Returns 0 or -1. */
int cmd_find_reader(uid_t *uid, gid_t *gid);
/* Becomes it, for good: it may read everything, write nothing, and listen on every port. Returns 0 or -1. */
int cmd_become_reader(void);

/* Keeps the words of this command line, for messages that say how to type it again. */
void cmd_remember(int argc, char **argv);

#endif
