/*
 * One run of stl_bucket_publish() (bucket.h), and its steps. Only lib/site uses this.
 */
#ifndef STL_BUCKET_RUN_H
#define STL_BUCKET_RUN_H

#include "arena.h"
#include "flat.h"
#include "s3.h"

struct stl_bucket_options;
struct stl_bucket_result;

/* An object as it has to be. */
struct bucket_object {
    char *key;
    const struct stl_flat_entry *entry;
    char *identity; /* what it is made of, and its type */
    char *etag;     /* that the store gave it; NULL: it has to be written */
};

/* An object as an earlier run left it. */
struct bucket_known {
    const char *key, *etag, *identity;
};

struct bucket {
    const struct stl_registry *registry;
    const struct stl_bucket_options *options;
    struct stl_bucket_result *result;
    struct stl_s3 *s3;
    struct bucket_object *objects; /* in the order of the flat copy */
    size_t count;
    struct stl_arena arena;
    struct bucket_known *known; /* in the order in which they were written */
    size_t known_count;
    const struct bucket_known **known_sorted;
    const struct bucket_object **sorted;
    char *state_etag;
    uint64_t done, total; /* bytes, for the progress */
};

/* Reads the state and the list of the bucket, and finds out what has to be written. */
int stl_bucket_look(struct bucket *bucket, const struct stl_flat *flat, struct stl_error *err);
void stl_bucket_forget(struct bucket *bucket);
/* Writes the state: with everything that earlier runs left, or, if `ended`, what is there now. */
int stl_bucket_note(struct bucket *bucket, bool ended, struct stl_error *err);
/* Whether it is gone from the registry. */
bool stl_bucket_is_gone(const struct bucket *bucket, const struct bucket_known *known);

/* Writes what has to be written: returns 0, 1 if the registry no longer has something, or -1. */
int stl_bucket_upload(struct bucket *bucket, struct stl_error *err);

#define BUCKET_STATE ".stillage/state"
#define BUCKET_LOCK ".stillage/lock"

#endif
