/*
 * HTTP as a client, over libcurl: what this project asks of registries, object stores and websites.
 *
 * - An exchange is a request and its answer. Several run at once, in one thread; over HTTP/2, where the
 *   server offers it, they share a connection.
 * - Any status is an answer, not an error. 408, 429, 500, 502, 503, 504, cuts and failed connections are
 *   tried again, after a wait that doubles (with jitter) and is never shorter than Retry-After says. A
 *   request that is not safe to repeat (POST, PATCH) is repeated only where the server cannot have begun it:
 *   no connection, 429, 503. A body that goes to a writer continues where it was cut (Range).
 * - Redirects are followed for GET and HEAD, and with 307 and 308 for other methods, but never from https
 *   to http. The Authorization goes to the scheme, host and port of the first URL alone.
 * - No server is asked that is nearer than the one that named it (distance.h), whatever its name resolves to.
 * - Everything that is received is bounded: headers, bodies, redirects, attempts, waits; an answer slower
 *   than 1 KiB a second for a minute is a cut.
 *
 * libcurl is loaded when the first client is opened: a program that is linked with it takes 15 ms longer to
 * start. Nothing here reads the environment, and libcurl is kept from doing so.
 */
#ifndef STL_EXCHANGE_H
#define STL_EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "distance.h"
#include "err.h"
#include "http-options.h"
#include "mem.h"
#include "stream.h"

/* Like stl_extent_read(): fills `bytes` from `position` of the body, which may have to be sent again, and
 * returns their number. */
typedef ssize_t stl_http_read(void *context, int64_t position, void *bytes, size_t length,
                              struct stl_error *err);
struct stl_http_request {
    const char *method;         /* NULL: GET */
    const char *url;            /* http:// or https:// */
    const char *const *headers; /* "Name: value", with NULL at the end; or NULL */
    const char *authorization;  /* "Bearer ...", "Basic ..."; or NULL */
    enum stl_distance nearest;  /* of the servers that may be asked: that of whoever named the URL, or 0 */
    bool harmless;              /* to repeat, whatever the method */
    bool once;                  /* a cut is not followed by another attempt: the caller begins anew */
    const char *aws_region;     /* signs the request for S3 (AWS Signature Version 4) ... */
    const char *aws_key;        /* ... with this "ID:SECRET"; or both NULL. It is not redirected then */
    const void *body;           /* `length` bytes, or ... */
    stl_http_read *read;        /* ... reads them from `context`; or both NULL */
    int64_t length;
    stl_stream_write
        *write; /* gets the body of an answer 200 or 206, each byte once and in order whatever was
                                cut in between, with `context`; NULL: answer.body has it */
    void *context;
    int64_t from; /* with `write`: it has these bytes already; Range asks for the rest */
    int64_t most; /* bytes of the whole body of an answer; more are an error. 0: 1 MiB */
};

struct stl_http_answer {
    int status;
    struct stl_buf headers;     /* for stl_http_header() */
    struct stl_buf body;        /* of errors, only the first 64 KiB */
    char *url;                  /* where it came from: differs from the request's after redirects */
    unsigned requests;          /* that it took: with attempts and redirects */
    enum stl_distance distance; /* of the server that was asked first, unless request.nearest is set */
};

/* The caller fills in `request` and keeps all it points to until the exchange has ended. */
struct stl_http_exchange {
    struct stl_http_request request;
    struct stl_http_answer answer;
    struct stl_error
        error;   /* code STL_OK: there is an answer. STL_UNAVAILABLE: network; names method and URL */
    void *owner; /* the caller's */
};

struct stl_http; /* for one thread */

/* Loads libcurl. Fails with STL_UNSUPPORTED if it is not installed: says what to install. The caller closes
 * *http. */
int stl_http_open(struct stl_http **http, const struct stl_http_options *options, struct stl_error *err);
void stl_http_close(struct stl_http **http); /* does nothing for NULL */
#define STL_AUTO_HTTP __attribute__((cleanup(stl_http_close)))

/* Makes one exchange. Returns 0 with an answer, which the caller clears, or -1 with exchange->error in
 * *err. */
int stl_http_send(struct stl_http *http, struct stl_http_exchange *exchange, struct stl_error *err);

/* Makes as many as there are: `next` returns one to begin, or NULL if there is none for now; `ended` gets
 * each, with an answer or an error, clears it, and may have made more for `next` to return. Returns when
 * nothing runs and nothing comes; -1 as soon as `ended` does, with the rest given up. The callbacks must
 * not use the same client for anything else. */
struct stl_http_work {
    struct stl_http_exchange *(*next)(void *context);
    int (*ended)(void *context, struct stl_http_exchange *exchange, struct stl_error *err);
    void (*dropped)(void *context, struct stl_http_exchange *exchange); /* it was given up; or NULL */
    void *context;
};
int stl_http_run(struct stl_http *http, const struct stl_http_work *work, struct stl_error *err);
/* The work that is a single exchange; it sets *waiting to NULL once it has begun. */
struct stl_http_work stl_http_single(struct stl_http_exchange **waiting);

/* Frees the answer, so that the exchange can be used again. */
void stl_http_clear(struct stl_http_exchange *exchange);

/* The value of the first header of that name, or of the next one after `previous`; NULL: there is none. */
const char *stl_http_header(const struct stl_http_answer *answer, const char *name);
const char *stl_http_next_header(const struct stl_http_answer *answer, const char *name,
                                 const char *previous);

/* Resolves a URL that may be relative to `base`: on the heap, or NULL if it is not valid, not http or
 * https, or leads from https to http. */
char *stl_http_resolve(struct stl_http *http, const char *base, const char *url);
/* Whether two URLs have the same scheme, host and port. */
bool stl_http_same_origin(struct stl_http *http, const char *left, const char *right);

#endif
