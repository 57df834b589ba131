/*
 * Changes of a registry that are cut short, by death, by an error (faults.h), or by a power cut (powercut.h);
 * and what has to hold then:
 *
 * - readers find nothing torn: each tag leads to a whole manifest with all that belongs to it, whatever a
 * list names is there, and no file has another content than its name says;
 * - whatever was there before and will be there afterwards is there;
 * - what is counted of a project is not less than what is there, and all that is marked as counted;
 * - `verify --full` is content, or names only what a repair mends;
 * - the same change again finishes the work, and what is there in the end is what an undisturbed change
 * leaves.
 */
#ifndef CRASH_H
#define CRASH_H

#include "unit.h"

#include "faults.h"
#include "repos.h"
#include "tree.h"

struct change {
    const char *name;
    void (*prepare)(struct unit *unit);
    int (*operate)(struct unit *unit, struct stl_error *error);
    int ends; /* HTTP status of the error that the second time may say that nothing is left to do; or 0 */
    const char *settings; /* what registry.yaml has besides; or NULL */
    int64_t later;        /* seconds by which the clock is ahead */
    bool lazy;            /* nobody is told that it is durable */
    bool damaged;         /* what is there before is not in order */
    bool sets_tags;       /* an error, unless it is that of a sync, has not moved any (publication.h) */
};

/* The tables of changes: of the library (change-*.c) and by requests (change-push.c). A name of NULL ends
 * them. */
extern const struct change changes_of_content[], changes_of_upkeep[], changes_by_push[],
    changes_in_projects[];

/* A registry in which the change is about to happen. */
struct unit *crash_begin(const struct change *change);
/* The same from the tree of a test's folder, which has the registry in reg/. */
struct unit *crash_begin_with(const struct tree *tree);
void crash_end(struct unit *unit);
/* Runs it, with the clock that it wants. */
int crash_operate(const struct change *change, struct unit *unit, struct stl_error *error);

/* All that a registry holds, a line for each name: path, and type, link target or digest. The caller clears.
 * `modes`: those of folders too. */
void crash_list(const struct unit *unit, bool modes, struct stl_names *lines);
/* What a registry held before a change and holds after an undisturbed one. */
struct crash_wanted {
    struct stl_names before, after;
};
void crash_wanted_find(const struct change *change, bool modes, struct crash_wanted *wanted);
void crash_wanted_clear(struct crash_wanted *wanted);

/* `where` is for messages. Each fails the test. */
void crash_check_readers(const struct unit *unit, const char *where);
/* What has to hold wherever the change was cut. */
void crash_check_cut(const struct change *change, const struct unit *unit, const struct crash_wanted *wanted,
                     const char *where);
/* All of `wanted` is there, and nothing else, but for, unless `trash` is set, more in the trash. */
void crash_check_there(const struct unit *unit, const struct stl_names *wanted, bool modes, bool trash,
                       const char *where);
/* The tags and the lists of them are what they were. */
void crash_check_tags(const struct unit *unit, const struct stl_names *before, const char *where);
/* Does the change again, and checks the end: `strict`, with modes, and with nothing more in the trash. */
void crash_check_repeated(const struct change *change, struct unit *unit, const struct crash_wanted *wanted,
                          bool strict, const char *where);
/* Whether verify finds something; with `repair`, nothing may be left in the end. */
bool crash_has_problems(const struct unit *unit, bool repair, const char *where);

/* A test whose state is a change: it is cut short at each of its system calls in turn, by death and by
 * errors. Every seventh point is tried with death, every 16th with EIO, and every 20th with one of the
 * other errors by turns; or, where CRASH_ALL is set (make crash), each point with each of them. */
void crash_cut_short(void **state);

/* Runs the test with each change of the tables; the last table is NULL. CRASH_ONLY, if set, is a pattern of
 * those that are wanted, and it is an error if it matches none; CRASH_TELL has all that happens told. Returns
 * the exit status. */
int crash_run(void (*test)(void **state), const struct change *table, ...);

#endif
