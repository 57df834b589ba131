/*
 * Passwords come from the terminal, without echo, or from standard input: never from the arguments, which
 * every process on the machine can read.
 */
#ifndef PASSWORD_H
#define PASSWORD_H

#include <stdbool.h>

#include "err.h"

enum { PASSWORD_SIZE = 1024 };

/* Reads one line of standard input; or asks on the terminal, a new password twice. Wipe `password` after
 * use. */
int cmd_read_password(const char *user, bool from_stdin, bool is_new, char password[PASSWORD_SIZE],
                      struct stl_error *err);

#endif
