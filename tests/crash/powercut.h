/*
 * Power cuts: what a change does to the files is recorded, and then every tree is made up that a cut may
 * leave.
 *
 * The model, which asks less of a file system than ext4, XFS and btrfs give:
 *
 * - Names. Making, linking, renaming and removing a name is one step that happens wholly or not at all; a
 * rename is one step even between two folders, and so is an exchange. fsync of a folder makes durable what
 * happened in it, on either side of a rename, and what that needs: earlier steps with the same names. A
 * folder is removed after what was in it. syncfs makes everything durable. Besides, steps are independent of
 * each other, also within one folder: any later one may be there without an earlier one. That a file has been
 * synced says nothing about its names.
 * - Bytes. fsync or fdatasync of a file makes its bytes, length and mode durable. Else it may have its new
 * bytes, those at its last sync, none of the new ones, half of them, or zeros instead, whatever has become of
 * its names.
 * - A symbolic link is made whole.
 * - The mode of a folder is a step of its own, durable when the folder is synced.
 *
 * locks/ and log/ are left out: nothing depends on them; but for the counts of projects in log/quota/, if
 * there is one before.
 */
#ifndef POWERCUT_H
#define POWERCUT_H

#include "tree.h"

/* From now on what happens below the folder is recorded, where it is `tree` that lies there. One at a time.
 */
void powercut_begin(int fd);
/* Ends that. Returns the number of steps. */
size_t powercut_end(void);
/* Forgets it. */
void powercut_clear(void);

/* Calls `visit` for each tree, each once, that a cut after so many steps may leave: nothing that was not
 * synced; all of it (only if `all`, since death leaves the same), with other bytes; all but one step; one
 * step alone; and some more, by chance, but always the same. With `again` also those that were visited
 * before. The tree is the visitor's for the call. */
typedef void powercut_visit(void *context, const struct tree *tree, const char *what);
void powercut_each(size_t steps, bool all, bool again, powercut_visit *visit, void *context);

/* What the last step was, for messages. */
const char *powercut_describe(size_t steps);

#endif
