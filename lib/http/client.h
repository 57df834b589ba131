/*
 * An HTTP client (exchange.h) at work: the transfers that are under way. Only lib/http uses this.
 */
#ifndef STL_CLIENT_H
#define STL_CLIENT_H

#include <sys/socket.h>

#include "distance.h"
#include "err.h"
#include "http-options.h"
#include "libcurl.h"

struct stl_http_exchange;

enum {
    STL_EXCHANGE_HEADERS_MAX = 64 << 10,
    STL_HTTP_ERROR_BODY_MAX = 64 << 10,
    STL_HTTP_REDIRECTS_MAX = 5,
    STL_HTTP_PROGRESS = 1 << 20, /* bytes: an attempt that brought this many does not count */
};

struct stl_http_transfer {
    struct stl_http *http;
    struct stl_http_exchange *exchange;
    CURL *easy;
    struct curl_slist *headers;
    char *url; /* of this attempt */
    unsigned attempts, redirects;
    enum stl_distance nearest;     /* no server that is nearer may be asked */
    struct sockaddr_storage tried; /* the last address that it has tried to connect to */
    double not_before;             /* when it may begin, unless it runs; seconds */
    bool running;
    int64_t sent;            /* bytes of the request's body, in this attempt */
    int64_t written;         /* bytes that the writer has, from the first of the body on */
    int64_t skip;            /* bytes to come that the writer has already */
    int64_t received;        /* bytes of the body, in this attempt */
    bool judged;             /* its head has been looked at */
    struct stl_error broken; /* why a callback stopped it */
    struct stl_http_transfer *next;
};

struct stl_http {
    struct stl_curl curl;
    CURLM *multi;
    struct stl_http_options options; /* with the defaults filled in */
    struct stl_http_transfer *transfers;
};

/* Begins an attempt. */
int stl_http_begin(struct stl_http_transfer *transfer, struct stl_error *err);
/* The proxy of this attempt, unless its host is one that is asked directly; or NULL. */
const char *stl_http_proxy(const struct stl_http_transfer *transfer);
/* "HOST:PORT" of the proxy if this attempt has tried to reach it, on the heap; or NULL. */
char *stl_http_tried_proxy(const struct stl_http_transfer *transfer);
/* For CURLOPT_OPENSOCKETFUNCTION: refuses what is too near. */
int stl_http_socket(void *transfer, curlsocktype purpose, struct curl_sockaddr *address);
/* That of the server that has answered. What a proxy asks for us may be anywhere: that is far away. */
enum stl_distance stl_http_distance(const struct stl_http_transfer *transfer);
/* What remains of it when it has ended. */
void stl_http_release(struct stl_http_transfer *transfer);

/* The attempt has ended with that code. Returns true if there is to be another one, not before
 * transfer->not_before; otherwise the exchange has its answer or its error. */
bool stl_http_again(struct stl_http_transfer *transfer, CURLcode code);

#endif
