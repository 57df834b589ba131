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
    int phase;      /* stl_flat_phase() */
    char *identity; /* what it is made of, and its type */
    char *etag;     /* that the store gave it; NULL: it has to be written */
    bool written;   /* by this run, or to be */
};

/* An object as an earlier run left it. */
struct bucket_known {
    const char *key, *etag, *identity;
    int phase;
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
    struct stl_s3_uploads uploads; /* that earlier runs have left */
    char *state_etag;
    uint64_t done, total; /* bytes, for the progress */
};

/* Reads the state and the list of the bucket, and finds out what has to be written. */
int stl_bucket_look(struct bucket *bucket, const struct stl_flat *flat, struct stl_error *err);
void stl_bucket_forget(struct bucket *bucket);
/* Writes the state: with everything that earlier runs left, or, if `ended`, what is there now. */
int stl_bucket_note(struct bucket *bucket, bool ended, struct stl_error *err);
/* The object with that key; NULL: the registry has none, or no longer. */
const struct bucket_object *stl_bucket_find(const struct bucket *bucket, const char *key);

/* Writes what has to be written: returns 0, BUCKET_VANISHED or -1. */
int stl_bucket_upload(struct bucket *bucket, struct stl_error *err);
enum { BUCKET_VANISHED = 1 }; /* the registry no longer has it */

/* A request that sends an object, or a part of it. */
struct bucket_upload {
    struct stl_s3_request request; /* first: its owner is this */
    struct bucket_object *object;
    int fd;
    int64_t start; /* of a part */
    size_t part;   /* from 0 */
};

int stl_bucket_open(const struct bucket *bucket, const struct stl_flat_entry *entry, struct stl_error *err);
void stl_bucket_headers(struct stl_s3_request *request, const struct stl_flat_entry *entry);
stl_http_read stl_bucket_read; /* its context is a struct bucket_upload */
void stl_bucket_upload_free(struct bucket_upload *upload);
void stl_bucket_drop(void *context, struct stl_http_exchange *exchange);
void stl_bucket_advance(struct bucket *bucket, int64_t bytes);
/* Sets *etag, on the heap, to what the store says of what it got. */
int stl_bucket_take(struct bucket *bucket, struct bucket_upload *upload, char **etag, struct stl_error *err);

/* An object in parts. Goes on with an upload that was begun by an earlier run, after those parts that have
 * the right bytes. Returns 0, BUCKET_VANISHED or -1; then the next run goes on. */
bool stl_bucket_is_large(const struct bucket_object *object);
int stl_bucket_upload_parts(struct bucket *bucket, struct bucket_object *object, struct stl_error *err);
/* Finds uploads that earlier runs have left, and gives up those of no use. */
int stl_bucket_find_parts(struct bucket *bucket, struct stl_error *err);

#define BUCKET_STATE ".stillage/state"
#define BUCKET_LOCK ".stillage/lock"

#endif
