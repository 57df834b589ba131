/*
 * Importing a bundle (lib/bundle/bundle.h) into a registry.
 *
 * Everything that can be known beforehand is checked before anything changes: signature, names, manifests,
 * what is presumed to be here, tags that may not change, free space. Then blobs are copied, each read once
 * and its digest checked; what the registry has is not read at all. An image appears when all of it is there,
 * its tag last. Until then what has arrived waits in imports/ (lib/bundle/pending.h), where the next volume,
 * or the same one after an interruption, finds it: nothing is stored twice. With the last image the folder
 * goes.
 *
 * A blob that is damaged does not stop the others: it is reported, and the images that need it wait for a
 * good copy.
 */
#ifndef STL_IMPORT_H
#define STL_IMPORT_H

#include "publish.h"
#include "selection.h"
#include "volume.h"

/* FROM itself and every name below it: lib/app becomes mirror/app with lib -> mirror. */
struct stl_import_map {
    struct stl_name from, to;
};

struct stl_import_options {
    struct stl_selection *selection;   /* of the images; without patterns, all; those that match are noted */
    const struct stl_import_map *maps; /* the first that applies counts */
    size_t map_count;
    const char *prefix; /* PREFIX/ comes in front of every name, after the maps; or NULL */
    /* Files of public keys, by one of which the bundle must be signed; none: it need not be. */
    const char *const *trust;
    size_t trust_count;
    bool dry_run; /* only find out what would be done */
    bool mirror;  /* delete the tags that the bundle was exported for, and does not have */
    void (*progress)(void *context, uint64_t done, uint64_t total); /* bytes; one thread at a time; or NULL */
    void *progress_context;
};

enum stl_import_state {
    STL_IMPORT_UNCHANGED, /* it was there */
    STL_IMPORT_DONE,      /* with dry_run: it would be */
    STL_IMPORT_WAITING,   /* for blobs of other volumes, or for good copies */
    STL_IMPORT_DELETED,   /* with `mirror` */
};

struct stl_imported {
    const struct stl_name *name; /* the report's */
    bool has_tag;
    struct stl_tag tag;
    struct stl_digest digest;
    enum stl_import_state state;
};

/* What a volume still has to bring. */
struct stl_import_missing {
    uint32_t volume;
    size_t blobs;
    int64_t size;
};

struct stl_import_report {
    struct stl_digest id;
    uint32_t volumes;
    bool complete;               /* nothing is waiting */
    struct stl_imported *images; /* sorted by name and tag */
    size_t image_count;
    struct stl_arena arena; /* names */
    const struct stl_name *last_name;
    struct stl_import_missing *missing; /* sorted by volume */
    size_t missing_count;
    struct stl_bundle_lost *lost; /* damaged blobs of the volumes at hand */
    size_t lost_count;
    size_t new_blobs, present_blobs; /* of the images chosen */
    int64_t new_size, present_size;  /* new: copied now */
    struct stl_error damage;         /* STL_OK, or what was wrong with a volume besides */
};

/* Imports from volumes of one and the same bundle, of which only the first needs its list. Durable on return.
 * What did not come is no error: the report says what is missing or lost. On success the caller clears the
 * report. Fails with STL_DENIED for a signature, a tag or a name that may not be, STL_BLOB_UNKNOWN where
 * something was left out of the bundle that is not here, STL_NO_SPACE. */
int stl_import(const struct stl_registry *registry, struct stl_volume *volumes, size_t count,
               const struct stl_import_options *options, struct stl_import_report *report,
               struct stl_error *err);
void stl_import_report_clear(struct stl_import_report *report);

/* Calls `visit` for each bundle of which something is still to come, with what is known of it: id, volumes,
 * what is missing, and the images that wait. */
typedef int stl_import_visit(void *context, const struct stl_import_report *report, struct stl_error *err);
int stl_import_status(const struct stl_registry *registry, stl_import_visit *visit, void *context,
                      struct stl_error *err);
/* Gives up what has arrived of a bundle that is not complete. Fails with STL_BLOB_UNKNOWN if there is no
 * such. */
int stl_import_forget(const struct stl_registry *registry, const struct stl_digest *id,
                      struct stl_error *err);

#endif
