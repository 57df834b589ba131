/*
 * `stillage publish`: a flat copy of the registry (flat.h) as objects of an S3-compatible store, which serves
 * them as they are: each has its media type as Content-Type, and Cache-Control.
 *
 * What is there is known from a list of the bucket and from the object .stillage/state, which says what each
 * object was made of and which entity tag the store gave it. An object that the list shows with another
 * entity tag or size, or not at all, is written again; a blob that the state does not know is assumed to
 * be right if it has the right size. Whatever the state says, only addresses of a flat copy are ever
 * written or removed.
 *
 * If anything has to change, the object .stillage/lock is created first, on the condition that it does not
 * exist, so that two publishers do not work at the same time. One that a killed process of the same
 * registry has left is replaced: a file in locks/ tells whose it is. New objects come in the order of flat.h;
 * what is gone is removed in the opposite order, and only if that is asked for. The state is extended first
 * and shortened last, so that a run that ends halfway leaves nothing unknown.
 */
#ifndef STL_BUCKET_H
#define STL_BUCKET_H

#include "flat.h"
#include "s3.h"

struct stl_bucket_options {
    bool remove;     /* what is no longer in the registry */
    bool dry_run;    /* change nothing */
    bool break_lock; /* somebody else's lock is removed */
    const char *who; /* for the lock: a line for others to read, different for each process */
    /* Gets the keys whose objects are other ones now, or gone; not those of new content. What fails in it is
     * done again by the next run. NULL: nobody has to know. */
    int (*changed)(void *context, const char *const *keys, size_t count, struct stl_error *err);
    void *changed_context;
    void (*progress)(void *context, uint64_t done, uint64_t total); /* bytes; or NULL */
    void *progress_context;
};

struct stl_bucket_result {
    uint64_t written, bytes, unchanged, removed; /* objects; bytes: of those written */
    uint64_t gone;                               /* that would be removed if that were asked for */
};

/* Returns 1 if something was deleted from the registry meanwhile: list again, and repeat. Fails with
 * STL_CONFLICT if somebody else is publishing, STL_UNSUPPORTED if the store cannot keep publishers apart. */
int stl_bucket_publish(const struct stl_registry *registry, const struct stl_flat *flat, struct stl_s3 *s3,
                       const struct stl_bucket_options *options, struct stl_bucket_result *result,
                       struct stl_error *err);

#endif
