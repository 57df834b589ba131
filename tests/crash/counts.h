/*
 * What is counted of projects (project-quota.h), in a registry that a change has left.
 */
#ifndef COUNTS_H
#define COUNTS_H

#include "unit.h"

/* Lets time pass, so that what does not fit is counted anew; but not because registry.yaml is another file,
 * as in a copy. */
void counts_wait(const struct unit *unit);
/* Not less than there is, and is marked as counted: that would let a project have more than its quota. */
void counts_check(const struct unit *unit, const char *where);
/* Counted anew, it is exact. */
void counts_renew(const struct unit *unit, const char *where);

#endif
