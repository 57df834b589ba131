/*
 * One run of stl_add() (add.h), and its steps: each has its own file, and all share struct add.
 * Only lib/add uses this.
 */
#ifndef STL_ADD_RUN_H
#define STL_ADD_RUN_H

#include <pthread.h>

#include "add-options.h"
#include "graph.h"
#include "registry.h"
#include "targets.h"

enum add_blob_state {
    ADD_BLOB_STORED,  /* it was in the store when we began */
    ADD_BLOB_WANTED,  /* to be copied */
    ADD_BLOB_STAGED,  /* in the stage: checked and durable */
    ADD_BLOB_PLACED,  /* we put it into the store */
    ADD_BLOB_MISSING, /* it does not exist and need not */
};

/* The name in the stage of a staged blob of the graph. */
char *stl_add_staged_name(size_t number, char name[STL_STAGED_NAME_MAX]);

struct add {
    const struct stl_registry *registry;
    const struct stl_add_options *options;
    struct stl_stage stage;
    struct stl_source source;
    struct stl_images images;
    struct stl_targets targets;
    struct stl_graph graph;
    struct stl_platforms platforms; /* borrowed: those of the options, however they were given */
    size_t *roots;              /* for each image: number of its manifest, or STL_NO_NODE: it is not added */
    enum add_blob_state *blobs; /* for each blob of the graph */
};

/* Bytes read so far, for options->progress; stl_add_meter_note() may be called from any thread. */
struct add_meter {
    const struct stl_add_options *options;
    pthread_mutex_t mutex;
    uint64_t done, total;
};
void stl_add_meter_begin(struct add_meter *meter, const struct stl_add_options *options, uint64_t total);
void stl_add_meter_end(struct add_meter *meter);
void stl_add_meter_note(void *meter, uint64_t bytes);

/* Makes the manifests of a docker archive, except those that the registry has. Does nothing for other
 * formats. */
int stl_add_make(struct add *add, struct stl_error *err);
/* Whether the limits of the registry allow everything: checked before the long work, and again when things
 * are put in place. */
int stl_add_check(struct add *add, struct stl_error *err);
/* Copies and checks the blobs that the store does not have. */
int stl_add_fetch(struct add *add, struct stl_error *err);
/* Puts everything in place. */
int stl_add_place(struct add *add, struct stl_add_report *report, struct stl_error *err);

#endif
