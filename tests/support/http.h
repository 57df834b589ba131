/*
 * The client of the load tests: HTTP requests of a registry's client, over libcurl, and bytes to push.
 *
 * Requests are made one at a time with a CURL handle of the caller, which keeps its connections. Nothing here
 * ends the program or prints: a request that got no whole answer has status 0.
 */
#ifndef TESTS_HTTP_H
#define TESTS_HTTP_H

#include <curl/curl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HTTP_DIGEST = 80, HTTP_TYPE = 120, HTTP_URL = 2048, HTTP_TEXT = 64 << 10 };

#define HTTP_IMAGE "application/vnd.oci.image.manifest.v1+json"
#define HTTP_INDEX "application/vnd.oci.image.index.v1+json"
#define HTTP_BYTES "application/octet-stream"

double http_now(void); /* seconds, of a clock that only goes forward */
/* "sha256:<hex>" */
void http_digest(const void *bytes, size_t length, char text[HTTP_DIGEST]);
/* Bytes that look random and are the same for the same seed. */
void http_fill(char *bytes, size_t length, uint64_t seed);

/* What is sent: `length` bytes, or as many of a pattern that repeats every `period` bytes. */
struct http_body {
    const char *bytes;
    size_t length, period; /* period 0: does not repeat */
    bool chunked;          /* without a Content-Length */
    size_t sent;           /* for the client itself */
};

struct http_request {
    const char *method, *url;
    const char *type;       /* of the body */
    const char *header;     /* one more line, or NULL */
    long time_limit;        /* seconds for all of it; 0: none */
    bool fresh;             /* on a new connection: libcurl never repeats the request by itself then */
    struct http_body *body; /* NULL: empty, or none */
};

struct http_answer {
    long status; /* 0: none, or it was cut off */
    char location[HTTP_URL], digest[HTTP_DIGEST], type[HTTP_TYPE], range[64];
    char sum[HTTP_DIGEST]; /* digest of the body; empty for one without bytes */
    int64_t length;        /* of the body */
    char *text;            /* its first HTTP_TEXT bytes at most, with a NUL; to be freed with http_clear() */
    size_t text_length;
    void *hash;
};

void http_send(CURL *curl, const struct http_request *request, struct http_answer *answer);
void http_clear(struct http_answer *answer);

/* The URL of a Location, which may be a path, with a query added, which may be empty. */
void http_follow(const char *base, const char *location, const char *query, char url[HTTP_URL]);

#endif
