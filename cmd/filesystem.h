/*
 * Reports what a file system promises (lib/store/promises.h): for `verify --filesystem`, and for `init`,
 * which checks doubtful file systems before it makes a registry there.
 */
#ifndef CMD_FILESYSTEM_H
#define CMD_FILESYSTEM_H

#include <stdbool.h>

#include "err.h"

/* Prints one line for each promise, or JSON. `second` is the same directory by another mount, or NULL.
 * Returns the exit status: 1 if a promise is not kept that a registry needs. */
int cmd_verify_filesystem(const char *directory, const char *second, bool quiet, bool json);

/* Fails if `directory`, or the one that it will be made in, is on a doubtful file system that does not
 * keep what a registry needs. */
int cmd_trust_filesystem(const char *directory, struct stl_error *err);

#endif
