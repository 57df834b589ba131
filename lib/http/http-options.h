/*
 * The options of an HTTP client (exchange.h).
 */
#ifndef STL_HTTP_OPTIONS_H
#define STL_HTTP_OPTIONS_H

#include <stdbool.h>

/* All may be 0 or NULL; the strings outlive the client. */
struct stl_http_options {
    const char *agent;       /* User-Agent; NULL: none is sent */
    const char *ca;          /* a file of certificates (PEM) that are trusted instead of the system's */
    const char *trusted;     /* certificates (PEM) that are trusted besides the system's */
    const char *certificate; /* a file with our own certificate (PEM), for servers that want one, and ... */
    const char *key;         /* ... with its key */
    bool insecure;           /* any certificate is accepted */
    bool any_address;        /* servers may name others that are nearer than themselves */
    const char *proxy_http;  /* for http: the value of http_proxy */
    const char *proxy_https; /* for https: the value of https_proxy */
    const char *no_proxy;    /* hosts that are asked directly: the value of no_proxy */
    unsigned parallel;       /* exchanges at once; 0: 6 */
    unsigned attempts;       /* of each request; 0: 5 */
    unsigned backoff;        /* milliseconds before the second attempt; 0: 500 */
    unsigned patience;       /* seconds: if Retry-After is longer, there is no further attempt; 0: 120 */
    unsigned idle;           /* seconds without enough bytes until it is a cut; 0: 60 */
};

#endif
