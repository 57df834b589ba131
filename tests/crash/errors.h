/*
 * Operations that meet an error: each system call fails in turn. Either the operation says so, or the result
 * is what it is without the error; what it opened is closed, what it did not open is not; and the same again
 * succeeds. For changes of repositories, crash.h looks at more.
 */
#ifndef ERRORS_H
#define ERRORS_H

#include "unit.h"

struct errors_op {
    const char *name;
    /* Says in `told` what it has found or done. */
    int (*operate)(struct unit *unit, struct stl_buf *told, struct stl_error *error);
    void (*prepare)(struct unit *unit); /* before each time; or NULL */
    const char *tells;                  /* what it says without an error; NULL: something */
};

/* For an operation: from now on nothing fails. */
void errors_calm(void);
/* The test of these operations, on one registry that `prepare` has filled. Returns what main() does. */
int errors_run(void (*prepare)(struct unit *unit), const struct errors_op *ops, size_t count);

#endif
