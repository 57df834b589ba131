/*
 * The parts of tests/load/soak.c: what its workers know, and requests that are repeated until they are
 * acknowledged.
 */
#ifndef TESTS_SOAK_H
#define TESTS_SOAK_H

#include <pthread.h>
#include <stdatomic.h>

#include "http.h"

enum {
    SOAK_URLS = 8,
    SOAK_NAME = 48,
    SOAK_TAG = 64,
    SOAK_LAYER = 3 << 20,
    SOAK_LAYERS = 4,
    SOAK_MANIFEST = 8192
};

struct soak {
    const char *urls[SOAK_URLS]; /* servers of one registry */
    unsigned url_count;
    double grace; /* seconds, of the garbage collection that runs beside us */
    atomic_bool stop;
    atomic_long pushes, pulls, deletes, retags, mounts, resumed, repeated, late, busy, problems;
};

/* A thread, with a role. */
struct worker {
    struct soak *soak;
    int number;
    uint64_t random;
    unsigned made; /* images so far */
    CURL *curl;
    char *layer; /* SOAK_LAYER bytes */
};

struct blob {
    char digest[HTTP_DIGEST];
    size_t length;
    uint64_t seed; /* of its bytes */
    bool shared;   /* other images have it, too */
};

struct image {
    struct blob blobs[SOAK_LAYERS]; /* the first is the config */
    unsigned blob_count;
    char manifest[SOAK_MANIFEST], digest[HTTP_DIGEST];
    const char *type;
    size_t length;
    double since; /* when its first blob was there */
};

/* Reports what must not happen. */
void soak_problem(struct worker *worker, const char *format, ...) __attribute__((format(printf, 2, 3)));

unsigned soak_random(struct worker *worker, unsigned below);

/* How often something is tried again, and for how long. */
struct patience {
    double until;
    unsigned tries;
};
/* Waits a little before every try but the first. False, after a report, when it takes minutes. */
bool soak_again(struct worker *worker, struct patience *patience, const char *what);

/* One request to one of the servers. Returns its status, or 0 if it may have been cut short: the server, or
 * stillage.cgi, was killed. */
long soak_ask(struct worker *worker, const struct http_request *request, struct http_answer *answer);

/* Makes an image that nobody else has, with some layers that many have, or takes over its subject. */
void soak_make_image(struct worker *worker, struct image *image, const struct image *subject);
/* Makes all its blobs blobs of the repository. */
bool soak_push_blobs(struct worker *worker, const char *repository, struct image *image, const char *from);
/* One try of the manifest. 201; 0 if nobody knows; 404 if it came too late and the blobs have to be pushed
 * again. */
long soak_put_manifest(struct worker *worker, const char *repository, const char *reference,
                       struct image *image);
/* Deletes "manifests/<reference>" or "blobs/<digest>". `sure`: it is there now; made false if a request was
 * cut short. */
bool soak_delete(struct worker *worker, const char *repository, const char *what, bool *sure);

/* Asks until there is an answer, which the caller clears. */
long soak_get(struct worker *worker, const char *path, struct http_answer *answer);
/* Pulls a manifest with all it leads to, and tells its digest. What is not as a digest says is reported. */
enum soak_found { SOAK_MISSING, SOAK_WHOLE, SOAK_WRONG };
enum soak_found soak_pull(struct worker *worker, const char *repository, const char *reference,
                          char digest[HTTP_DIGEST]);

#endif
