/*
 * `stillage verify`: every rule of lib/LAYOUT.md, checked against what is on disk; what can be derived is
 * repaired.
 *
 * It runs while pushes, deletes and garbage collection go on. A repository is first checked without a lock;
 * only if something seems wrong is it locked and checked again, so that an unfinished change is not taken for
 * damage. With `repair`, derived files are rebuilt under that lock, and content with the wrong digest is
 * moved to trash/damaged/, out of the store and of every repository, so that pushing it again replaces it.
 * Nothing is deleted.
 */
#ifndef STL_VERIFY_H
#define STL_VERIFY_H

#include "registry.h"

struct stl_problem {
    const char *kind;   /* one word, for scripts: "damaged-blob" */
    const char *path;   /* relative to the registry directory */
    const char *what;   /* what is wrong */
    const char *advice; /* what to do */
    bool repaired;      /* it has been repaired */
    bool note;          /* worth knowing, but not a fault */
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

/* Problems are not errors: they are reported and added to *result, which starts as {0}. Fails only if the
 * registry cannot be checked at all. */
int stl_verify(const struct stl_registry *registry, const struct stl_verify_options *options,
               struct stl_verify_result *result, struct stl_error *err);

/* Checks only who owns everything, including www/ and store/; with `repair`, files that belong to others are
 * given to the owner of the registry's folder. Only root can do that, before it becomes that owner. */
int stl_verify_own(const struct stl_registry *registry, const struct stl_verify_options *options,
                   struct stl_verify_result *result, struct stl_error *err);

#endif
