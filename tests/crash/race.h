/*
 * Races, one step at a time: of two processes that change a registry, one runs while the other stands still.
 * The first stops at one of its points: before it takes a lock, after it has, and before the next call that
 * changes something, which is between what it has checked and what it does. Then the second runs until it is
 * done or wants a lock that the first holds; and then each runs until it is done or wants what the other has.
 * Nothing depends on time.
 *
 * The Makefile links the test that uses this with -Wl,--wrap for flock and nanosleep.
 */
#ifndef RACE_H
#define RACE_H

#include "crash.h"

typedef int race_deed(struct unit *unit, struct stl_error *error);

struct race_end {
    enum stl_code code; /* STL_OK: it was done */
    char message[200];
};

struct race_course {
    bool stopped; /* the first had the point; otherwise the second has not begun before it ended */
    bool waited;  /* the second had to wait for the first */
    bool stuck;   /* each waited for the other */
    char point[64];
};

/* Runs both; the first stops at its point number `at`, from 1 on. `every`: each call that changes something
 * is a point, not only the first after a lock. */
void race_run(struct unit *unit, race_deed *first, race_deed *second, int at, bool every,
              struct race_end ends[2], struct race_course *course);

#endif
