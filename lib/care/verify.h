/*
 * `stillage verify`: every rule of lib/LAYOUT.md, checked against what is on disk, and mended where it can be
 * derived.
 *
 * It runs while pushes, deletes and garbage collection go on. A repository is looked at without a lock first;
 * only where something seems wrong is it locked and looked at again, so that what is halfway done is not
 * taken for damage. With `repair`, derived files are built anew under that lock, and content whose digest is
 * wrong is moved to trash/damaged/, out of the store and of every repository, so that pushing it again heals
 * it. Nothing is deleted.
 */
#ifndef STL_VERIFY_H
#define STL_VERIFY_H

#include "registry.h"

struct stl_problem {
    const char *kind;   /* one word, for scripts: "damaged-blob" */
    const char *path;   /* relative to the registry directory */
    const char *what;   /* what is wrong */
    const char *advice; /* what to do */
    bool repaired;      /* it was, and has been mended */
    bool note;          /* worth knowing, but in order */
};

struct stl_verify_options {
    bool full; /* read every blob and compute its digest; else sizes only */
    bool repair;
    void (*problem)(void *context, const struct stl_problem *problem);
    void (*progress)(void *context, uint64_t done,
                     uint64_t total); /* bytes read; one thread at a time; or NULL */
    void *context, *progress_context;
};

struct stl_verify_result {
    uint64_t repositories, tags, manifests, blobs;
    uint64_t bytes;    /* of blobs */
    uint64_t problems; /* that remain */
    uint64_t repaired;
};

/* Problems are no error: they are reported. Fails only if the registry cannot be looked at. */
int stl_verify(const struct stl_registry *registry, const struct stl_verify_options *options,
               struct stl_verify_result *result, struct stl_error *err);

#endif
