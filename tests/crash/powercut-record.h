/*
 * What powercut-record.c writes down and powercut.c makes trees of.
 */
#ifndef POWERCUT_RECORD_H
#define POWERCUT_RECORD_H

#include "powercut.h"

#define NO_NODE ((size_t)-1)

struct change_of_name {
    size_t folder, node; /* NO_NODE: the name goes */
    char *name;
};

struct step {
    enum { STEP_NAMES, STEP_DATA, STEP_MODE, STEP_SYNC, STEP_SYNC_ALL } kind;
    size_t node;
    struct change_of_name names[2];
    size_t name_count;
    bool removes_folder; /* `node` */
    char *data;
    size_t length;
    mode_t mode;
    char *what;
};

struct record {
    struct tree start; /* with every node that ever was */
    size_t start_entries;
    dev_t device;
    struct tree live; /* its entries only: as they are now */
    struct step *steps;
    size_t count;
    bool *boring; /* for each node: it is in locks/ or log/, but not log/quota/ */
    uint64_t *seen;
    size_t seen_count;
};
extern struct record record;

/* A hash that goes on from `hash`; and that of the bytes of a file. */
uint64_t powercut_mix(uint64_t hash, const void *bytes, size_t length);
uint64_t powercut_hash(const struct tree_node *node);

#endif
