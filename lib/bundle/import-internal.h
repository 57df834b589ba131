/*
 * The steps of stl_import(), for lib/bundle/import*.c only. Each file is one step; they share struct import.
 */
#ifndef STL_IMPORT_INTERNAL_H
#define STL_IMPORT_INTERNAL_H

#include <pthread.h>

#include "bundle-manifests.h"
#include "copy.h"
#include "import.h"
#include "pending.h"

/* An image of the bundle and what becomes of it. */
struct import_target {
    const struct stl_bundle_image *image;
    const struct stl_name *name; /* in the registry; the report's */
    size_t root;                 /* number of its manifest in the graph, or STL_NO_NODE: it is not chosen */
    struct stl_imported *result;
};

struct import_blob {
    size_t listed; /* number in the bundle, or STL_NO_NODE: the bundle has not got it */
    bool stored;   /* the registry has it */
};

struct import {
    const struct stl_registry *registry;
    const struct stl_import_options *options;
    struct stl_import_report *report;
    struct stl_volume *volumes;
    size_t volume_count;
    const struct stl_bundle *bundle;
    struct stl_bundle_manifests manifests;
    struct import_target *targets; /* for each image of the bundle */
    struct stl_graph graph;
    struct import_blob *blobs; /* for each blob of the graph */
    struct stl_pending pending;
    bool interrupted;      /* the last time, while images were made visible */
    pthread_mutex_t mutex; /* for the report and the progress */
    uint64_t done, total;  /* bytes */
};

/* The bytes of a blob or part, front to back. */
struct import_reader {
    struct stl_extent extent;
    struct stl_volume *stream; /* NULL: the extent */
    int64_t position, size;
};

/* Reads on (stl_copy_read). */
ssize_t stl_import_read(void *reader, void *bytes, size_t length, struct stl_error *err);
/* Copies the rest of it. STL_DIGEST_INVALID: what was copied in all does not have the digest. */
int stl_import_copy(struct stl_copy *copy, const struct stl_digest *digest, struct import_reader *reader,
                    struct stl_error *err);
/* For struct stl_copy. */
void stl_import_progress(void *context, uint64_t bytes);

/* A copy for the report. Images come sorted by name, so the last one is often the same. */
const struct stl_name *stl_import_keep_name(struct stl_import_report *report, const struct stl_name *name);

/* Finds out what is to be done, and whether it can be. */
int stl_import_plan(struct import *import, struct stl_error *err);
/* Copies blobs from the volumes. */
int stl_import_fetch(struct import *import, struct stl_error *err);
/* Makes complete images visible. */
int stl_import_publish(struct import *import, struct stl_error *err);
/* Deletes tags that are gone, or only finds out whether that may be. */
int stl_import_mirror(struct import *import, bool check_only, struct stl_error *err);

/* Notes in the folder of the pending import which images wait for which blobs: for stl_import_status(). */
int stl_import_note_images(struct import *import, struct stl_error *err);
/* Adds up what a report has of missing blobs. `volumes` has an element for each volume and one in front. */
void stl_import_add_missing(struct stl_import_missing *volumes, const struct stl_bundle *bundle,
                            const struct stl_pending *pending, size_t listed);
void stl_import_set_missing(struct stl_import_report *report, struct stl_import_missing *volumes);

/* Large blobs and blobs in parts are put together in the folder of the pending import, parts/<digest>, where
 * an interruption leaves what there is of them. STL_DIGEST_INVALID: the bytes do not have the digest. */
enum { STL_IMPORT_LARGE = 128 << 20 }; /* bytes */
int stl_import_large(struct import *import, const struct stl_digest *digest, struct import_reader *reader,
                     struct stl_error *err);
int stl_import_part(struct import *import, const struct stl_bundle_piece *piece, struct import_reader *reader,
                    struct stl_error *err);
bool stl_import_has_part(const struct stl_pending *pending, const struct stl_digest *digest, uint32_t part);
/* Makes a blob of its parts, if all are there: 1, 0, -1. `number` is that of the bundle. */
int stl_import_join(struct import *import, size_t number, struct stl_error *err);

#endif
