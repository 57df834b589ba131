/*
 * One run of stl_import() (import.h), and its steps: each has its own file, and all share struct import.
 * Only lib/import uses this.
 */
#ifndef STL_IMPORT_RUN_H
#define STL_IMPORT_RUN_H

#include <pthread.h>

#include "bundle-manifests.h"
#include "copy.h"
#include "pending-import.h"
#include "repos.h"

struct stl_import_options;
struct stl_import_report;
struct stl_imported;
struct stl_import_missing;
struct stl_volume;

/* A repository of the bundle. */
struct import_source {
    const char *text;
    const struct stl_name *name; /* what it becomes here; NULL: nothing of it was chosen yet */
};

/* A repository that images of the bundle go to, and these: they are adjacent in the report. */
struct import_destination {
    const struct stl_name *name;
    size_t first, count;
};

/* An image of the bundle. */
struct import_target {
    const struct stl_bundle_image *image;
    size_t source;               /* number of its repository in the bundle */
    const struct stl_name *name; /* its repository here, if it is chosen; owned by the report */
    size_t root;                 /* number of its manifest in the graph, or STL_NO_NODE: it is not chosen */
    struct stl_imported *result;
};

/* The manifests that were reached from some roots, children first. Reuse one walk: its cost depends on what
 * is reached, not on the size of the graph. */
struct import_walk {
    bool *seen; /* for each manifest of the graph, of which there are `capacity` */
    uint32_t *order;
    size_t capacity, count;
};

struct import_blob {
    size_t listed; /* number in the bundle, or STL_NO_NODE: the bundle does not have it */
    bool stored;   /* the registry has it */
    bool held;     /* it had it before, and its name in the folder of the import is durable */
};

struct import {
    const struct stl_registry *registry;
    const struct stl_import_options *options;
    struct stl_import_report *report;
    struct stl_volume *volumes;
    size_t volume_count;
    const struct stl_bundle *bundle;
    struct stl_bundle_manifests manifests;
    struct import_target *targets;           /* for each image of the bundle */
    struct import_source *sources;           /* sorted by name */
    struct import_destination *destinations; /* sorted by name */
    size_t source_count, destination_count;
    size_t planned; /* the first `planned` images of the report come from the bundle */
    size_t *roots;  /* for each of these: number of its manifest in the graph */
    struct stl_graph graph;
    struct import_walk walk;   /* for one thread */
    struct import_blob *blobs; /* for each blob of the graph */
    struct stl_pending pending;
    bool interrupted;      /* the last import was interrupted while it made images visible */
    pthread_mutex_t mutex; /* for the report and the progress */
    uint64_t done, total;  /* bytes */
};

/* Reads the bytes of a blob or part sequentially. */
struct import_reader {
    struct stl_extent extent;
    struct stl_volume *stream; /* NULL: the extent */
    int64_t position, size;
};

/* Reads on (stl_stream_read). */
ssize_t stl_import_read(void *reader, void *bytes, size_t length, struct stl_error *err);
/* Copies the rest of it. Fails with STL_DIGEST_INVALID if all that was copied does not have the digest. */
int stl_import_copy(struct stl_copy *copy, const struct stl_digest *digest, struct import_reader *reader,
                    struct stl_error *err);
/* For struct stl_copy. */
void stl_import_progress(void *context, uint64_t bytes);

/* Copies a name for the report. Images are sorted by name, so it is often the same as the last one. */
const struct stl_name *stl_import_keep_name(struct stl_import_report *report, const struct stl_name *name);

/* destinations.c: the names of the bundle's repositories here are derived once, from there to here, and used
 * by all steps. The first function makes import->targets and ->sources; the second sets target->name; the
 * third makes import->destinations from the planned images of the report. */
void stl_import_list_sources(struct import *import);
int stl_import_name_target(struct import *import, struct import_target *target, struct stl_error *err);
void stl_import_list_destinations(struct import *import);
/* NULL: none of that name. */
const struct import_destination *stl_import_find_destination(const struct import *import, const char *name);
/* For mirrors, of which a repository may be gone from the bundle: the names there that would become `name`
 * here. With maps, a name that no map produces counts only if the bundle has images for it: a repository that
 * has the same name by chance is unrelated. */
void stl_import_find_sources(const struct import *import, const char *name, struct stl_names *sources);

/* The first adds what a root leads to, the second empties the walk. */
void stl_import_walk_add(struct import_walk *walk, const struct stl_graph *graph, size_t root);
void stl_import_walk_reset(struct import_walk *walk);
void stl_import_walk_clear(struct import_walk *walk);

/* Finds out what has to be done and whether it can be done. */
int stl_import_plan(struct import *import, struct stl_error *err);
/* Copies blobs from the volumes. */
int stl_import_fetch(struct import *import, struct stl_error *err);
/* Makes complete images visible. */
int stl_import_publish(struct import *import, struct stl_error *err);
/* Deletes tags that the bundle no longer has, or only checks whether that is allowed. */
int stl_import_mirror(struct import *import, bool check_only, struct stl_error *err);

/* Records in the folder of the pending import which images wait for which blobs, for stl_import_status(). */
int stl_import_note_images(struct import *import, struct stl_error *err);
/* Add up the missing blobs of a report. `volumes` is indexed by volume number and has one element more than
 * there are volumes. */
int stl_import_add_missing(struct stl_import_missing *volumes, const struct stl_bundle *bundle,
                           const struct stl_pending *pending, size_t listed, struct stl_error *err);
void stl_import_set_missing(struct stl_import_report *report, struct stl_import_missing *volumes);

/* Large blobs and blobs in parts are put together in the folder of the pending import, parts/<digest>, where
 * they are kept if the import is interrupted. Fail with STL_DIGEST_INVALID if the bytes do not have the
 * digest. */
enum { STL_IMPORT_LARGE = 128 << 20 }; /* bytes */
int stl_import_large(struct import *import, const struct stl_digest *digest, struct import_reader *reader,
                     struct stl_error *err);
int stl_import_part(struct import *import, const struct stl_bundle_piece *piece, struct import_reader *reader,
                    struct stl_error *err);
/* Returns 1, 0 or -1. */
int stl_import_has_part(const struct stl_pending *pending, const struct stl_digest *digest, uint32_t part,
                        struct stl_error *err);
/* Joins the parts of a blob, if all are there: returns 1, 0 or -1. `number` is its number in the bundle. */
int stl_import_join(struct import *import, size_t number, struct stl_error *err);

#endif
