/*
 * Pairs of changes that share a lock, in both orders (race.h), with the first stopped at each of its points.
 * What comes of it is what would have come of one after the other: both were done in one of the two orders;
 * or one was refused, and only the other was done. So nothing that was acknowledged is lost, no limit is
 * exceeded, and a condition that is met at the same time twice is met once.
 *
 * A short set of pairs is run, with some of their points; where CRASH_ALL is set (make crash), all of them.
 */
#ifndef RACE_PAIRS_H
#define RACE_PAIRS_H

#include "race.h"

enum { DEEDS_MAX = 12 };

struct deed {
    const char *name;
    race_deed *run;
};

/* Changes of one registry that share locks. */
struct scene {
    struct change change; /* its name, its settings, what is there */
    struct deed deeds[DEEDS_MAX];
    const char *pairs; /* of the short set: "01" is the first deed with the second */
};

/* Asks stillage.cgi. Fails unless the status is below 300. `header` may be NULL. */
int race_ask(struct unit *unit, const char *method, const char *uri, const char *header, const char *body,
             struct stl_error *error);

/* The file beside the registry whose text counts as what there is in the end: a deed that only looks writes
 * there what it has seen. */
#define RACE_NOTE "noted"
/* The file beside the registry that has the identifier of an upload session of lib/app, if there is one: how
 * far it has come counts, too. */
#define RACE_SESSION "session"

/* `builder`: a deed that builds on manifests which the other has begun to put there, so that they stay though
 * that one is refused; or NULL. Returns the exit status. */
int race_pairs_run(const struct scene *scenes, size_t count, race_deed *builder);

#endif
