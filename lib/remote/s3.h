/*
 * An S3-compatible store, as its client: addresses, signed requests, lists, small objects, errors.
 */
#ifndef STL_S3_H
#define STL_S3_H

#include "arena.h"
#include "digest.h"
#include "exchange.h"

struct stl_s3 {
    struct stl_http *http; /* the caller's */
    const char *base;   /* URL of the bucket and the prefix, without a slash at the end; for messages, too */
    const char *bucket; /* URL of the bucket, which is asked for lists */
    const char *prefix; /* of all keys: "" or "images/" */
    const char *region, *key; /* "ID:SECRET" */
    const char *token;        /* of a session; or NULL */
    bool no_bulk;             /* the store cannot remove several objects with one request */
    uint64_t requests;        /* that were sent */
};

/* An object that the store has. */
struct stl_s3_object {
    const char *key;  /* without the prefix */
    const char *etag; /* without quotes */
    int64_t size;
};

struct stl_s3_listing {
    struct stl_arena arena;
    struct stl_s3_object *items; /* sorted by key */
    size_t count;
};

/* Lists everything below the prefix, 1,000 objects a request. */
int stl_s3_list(struct stl_s3 *s3, struct stl_s3_listing *listing, struct stl_error *err);
void stl_s3_listing_clear(struct stl_s3_listing *listing);
const struct stl_s3_object *stl_s3_find(const struct stl_s3_listing *listing, const char *key);

/* Uploads in parts, below the prefix, that were begun and not completed. Initialise with {0}. */
struct stl_s3_upload {
    const char *key, *id; /* without the prefix; as it stands in a query */
};

struct stl_s3_uploads {
    struct stl_arena arena;
    struct stl_s3_upload *items;
    size_t count;
};

int stl_s3_uploads(struct stl_s3 *s3, struct stl_s3_uploads *uploads, struct stl_error *err);
void stl_s3_uploads_clear(struct stl_s3_uploads *uploads);
/* One that does not exist is no error. */
int stl_s3_abandon(struct stl_s3 *s3, const char *key, const char *id, struct stl_error *err);

/* Which of its parts the store has: fills in parts[number - 1]. The caller frees the entity tags. */
struct stl_s3_part {
    char *etag; /* without quotes; NULL: the store does not have it */
    int64_t size;
};
int stl_s3_parts(struct stl_s3 *s3, const char *key, const char *id, struct stl_s3_part *parts, size_t count,
                 struct stl_error *err);

enum { STL_S3_HEADERS = 8 };

/* A request that is being made, with what it points to. */
struct stl_s3_request {
    struct stl_http_exchange exchange;
    char *url, *texts[STL_S3_HEADERS];
    const char *headers[STL_S3_HEADERS + 1];
    size_t header_count;
};

/* The hash of no bytes. */
#define STL_S3_EMPTY_HASH "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

/* `hash` is that of the body, in hexadecimal; NULL: it has none; "UNSIGNED-PAYLOAD": it is not signed. `query`
 * is sorted and percent-encoded, or NULL. */
void stl_s3_begin(const struct stl_s3 *s3, struct stl_s3_request *request, const char *method,
                  const char *key, const char *query, const char *hash);
void stl_s3_header(struct stl_s3_request *request, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
int stl_s3_send(struct stl_s3 *s3, struct stl_s3_request *request, struct stl_error *err);
void stl_s3_clear(struct stl_s3_request *request);

/* Whether the answer is a success; if not, sets the error that the store gives as the reason. */
int stl_s3_check(const struct stl_s3_request *request, struct stl_error *err);

/* Small objects. stl_s3_get() returns 1, 0 if there is no such object, or -1; *etag, which may be NULL, is on
 * the heap. stl_s3_put() returns 0; with `only_new`, 1 if the object exists already. */
int stl_s3_get(struct stl_s3 *s3, const char *key, struct stl_buf *bytes, char **etag, struct stl_error *err);
int stl_s3_put(struct stl_s3 *s3, const char *key, const char *media_type, const void *bytes, size_t length,
               bool only_new, struct stl_error *err);
int stl_s3_delete(struct stl_s3 *s3, const char *key, struct stl_error *err);
/* Removes them in any order, 1,000 a request, or, where the store has no such request, one by one. */
int stl_s3_delete_all(struct stl_s3 *s3, const char *const *keys, size_t count, struct stl_error *err);

/* Returns false where the cryptographic library refuses MD5. */
enum { STL_S3_MD5_BYTES = 16 };
bool stl_s3_md5(const void *bytes, size_t length, unsigned char md5[STL_S3_MD5_BYTES]);

/* The text of the first element of that name in XML, unescaped; on the heap, or NULL. `end` may be NULL. */
char *stl_s3_element(const char *xml, const char *end, const char *name);

/* "v2/app/blobs/sha256:..." as it stands in a URL. On the heap. */
char *stl_s3_encode(const char *text);
/* The same for a value in a query, where slashes are encoded, too. */
char *stl_s3_encode_value(const char *text);

/* Removes the quotes that some stores put around an entity tag. Returns `etag`, which may
 * be NULL. */
char *stl_s3_bare(char *etag);

/* The hash of a text, as stl_s3_begin() takes it. Returns `hex`. */
char *stl_s3_hash(const void *bytes, size_t length, char hex[STL_DIGEST_TEXT_MAX]);

#endif
