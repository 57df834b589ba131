/*
 * Importing a bundle (lib/bundle/bundle.h) into a registry.
 *
 * Everything that can be checked beforehand is checked before anything changes: signature, names, manifests,
 * blobs that the bundle expects to be here, tags that may not change, free space. Then blobs are copied, each
 * read once and its digest checked; blobs that the registry has are not read at all. An image appears when
 * all of it is there, its tag last. Until then its blobs wait in imports/ (pending-import.h), where the
 * import of the next volume, or of the same one after an interruption, finds them: nothing is stored twice.
 * The folder is removed with the last image.
 *
 * A blob that is damaged does not stop the others: it is reported, and the images that need it wait for an
 * intact copy.
 */
#ifndef STL_IMPORT_H
#define STL_IMPORT_H

#include "name-map.h"
#include "selection.h"
#include "volume.h"

struct stl_import_options {
    struct stl_selection *selection; /* which images; without patterns, all; patterns that match are
                                          noted */
    /* Several repositories may become one, which then has the images of all; if two images would get the same
     * tag, the import fails with STL_CONFLICT before anything changes. */
    const struct stl_name_map *maps;
    size_t map_count;
    const char *prefix; /* PREFIX/ is put in front of every name, after the maps; or NULL */
    /* Files of public keys: the bundle must be signed with one of them; none: it need not be signed. */
    const char *const *trust;
    size_t trust_count;
    bool of_our_own; /* this process has made the bundle: no signature is asked for */
    bool dry_run;    /* only report what would be done */
    /* Delete the tags that the export selected but the bundle does not have. Only repositories that images of
     * the bundle are, or would have been, imported into are affected: their names are derived with `maps` and
     * `prefix`, like those of the images. With maps, a repository that no map and no image leads to is left
     * alone. */
    bool mirror;
    void (*progress)(void *context, uint64_t done, uint64_t total); /* bytes; one thread at a time; or NULL */
    void *progress_context;
};

enum stl_import_state {
    STL_IMPORT_UNCHANGED, /* it was there already */
    STL_IMPORT_DONE,      /* with dry_run: it would be imported */
    STL_IMPORT_WAITING,   /* for blobs of other volumes, or for intact copies */
    STL_IMPORT_DELETED,   /* with `mirror` */
};

struct stl_imported {
    const struct stl_name *name; /* owned by the report */
    bool has_tag;
    struct stl_tag tag;
    struct stl_digest digest;
    enum stl_import_state state;
    bool moved;             /* the tag points, or pointed, to another image */
    struct stl_digest from; /* that image; if moved */
};

/* What is still to come from a volume. */
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
    struct stl_error damage;         /* STL_OK, or what else was wrong with a volume */
};

/* Imports from volumes of one bundle; only the first needs its list. Durable on return. Missing content is
 * not an error: the report says what is missing or damaged. On success the caller clears the report. Fails
 * with STL_DENIED for a signature, tag or name that is not allowed, with STL_BLOB_UNKNOWN if the registry
 * lacks a blob that was left out of the bundle, and with STL_NO_SPACE. */
int stl_import(const struct stl_registry *registry, struct stl_volume *volumes, size_t count,
               const struct stl_import_options *options, struct stl_import_report *report,
               struct stl_error *err);
void stl_import_report_clear(struct stl_import_report *report);

/* Calls `visit` for each incomplete bundle with what is known of it: its id and volumes, what is missing, and
 * the images that wait. */
typedef int stl_import_visit(void *context, const struct stl_import_report *report, struct stl_error *err);
int stl_import_status(const struct stl_registry *registry, stl_import_visit *visit, void *context,
                      struct stl_error *err);
/* Discards what has arrived of an incomplete bundle. Fails with STL_BLOB_UNKNOWN if there is no such
 * import. */
int stl_import_forget(const struct stl_registry *registry, const struct stl_digest *id,
                      struct stl_error *err);

#endif
