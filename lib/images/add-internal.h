/*
 * The steps of stl_add(), for lib/images/add*.c only. Each file is one step; they share struct add.
 */
#ifndef STL_ADD_INTERNAL_H
#define STL_ADD_INTERNAL_H

#include <pthread.h>

#include "add.h"
#include "graph.h"
#include "targets.h"

enum add_blob_state {
    ADD_BLOB_STORED,  /* it was in the store when we came */
    ADD_BLOB_WANTED,  /* to be copied */
    ADD_BLOB_STAGED,  /* in the stage: checked, and durable */
    ADD_BLOB_PLACED,  /* put into the store by us */
    ADD_BLOB_MISSING, /* nowhere, and need not be */
};

/* The name in the stage of a blob of the graph that was staged. */
char *stl_add_staged_name(size_t number, char name[STL_STAGED_NAME_MAX]);

struct add {
    const struct stl_registry *registry;
    const struct stl_add_options *options;
    struct stl_stage stage;
    struct stl_source source;
    struct stl_images images;
    struct stl_targets targets;
    struct stl_graph graph;
    size_t *roots;              /* for each image: its manifest's number, or STL_NO_NODE: not to be added */
    enum add_blob_state *blobs; /* for each blob of the graph */
};

/* Bytes read so far, for options->progress; `add_bytes` may be called from any thread. */
struct add_meter {
    const struct stl_add_options *options;
    pthread_mutex_t mutex;
    uint64_t done, total;
};
void stl_add_meter_begin(struct add_meter *meter, const struct stl_add_options *options, uint64_t total);
void stl_add_meter_end(struct add_meter *meter);
void stl_add_meter_note(void *meter, uint64_t bytes);

/* Makes the manifests of a docker archive, but for those that the registry has. Nothing to do for other
 * formats. */
int stl_add_make(struct add *add, struct stl_error *err);
/* Whether the limits of the registry let everything in: asked before the long work, and counted again when it
 * is placed. */
int stl_add_check(struct add *add, struct stl_error *err);
/* Copies and checks the blobs that the store has not got. */
int stl_add_fetch(struct add *add, struct stl_error *err);
/* Gives everything its place. */
int stl_add_place(struct add *add, struct stl_add_report *report, struct stl_error *err);

#endif
