/*
 * A registry as its client sees it (distribution-spec): requests with the authorization that it asks for.
 *
 * Nothing is asked in advance: a request that is answered with 401 is made again with what its
 * WWW-Authenticate wants, Basic or Bearer. A token is then used for all requests until shortly before it
 * expires. Credentials are those of the registry's host; the password is sent to that host, and to the
 * token server that it names over https (over http only if the registry itself is asked over http).
 */
#ifndef STL_REMOTE_H
#define STL_REMOTE_H

#include "address.h"
#include "credentials.h"
#include "exchange.h"

struct stl_s3;

struct stl_remote_options {
    const char *host; /* as in struct stl_address */
    /* A flat copy in an S3-compatible store, and no registry: only manifests, blobs and referrers can be
     * asked for, and the requests are signed. It outlives the remote. NULL: a registry. */
    const struct stl_s3 *store;
    bool plain; /* http instead of https */
    struct stl_http_options http;
    const struct stl_credentials *credentials; /* NULL: anonymous. Copied */
};

struct stl_remote {
    char *host, *url; /* "docker.io", "https://registry-1.docker.io" */
    bool plain;
    const struct stl_s3 *store;
    struct stl_http *http;
    struct stl_http *http_for_tokens; /* tokens are renewed while `http` is at work */
    unsigned parallel;                /* requests at once */
    struct stl_credentials credentials;
    char *scope; /* what a token is for: "repository:library/nginx:pull", or several with spaces between */
    char *authorization;       /* what is sent; NULL: nothing */
    double expires;            /* when it does, by the clock of exchange.h; 0: never */
    unsigned serial;           /* counts authorizations */
    enum stl_distance nearest; /* where it may send us: as far away as it is itself; 0: not known yet */
    char *realm, *service;     /* of the token server; NULL: not known yet */
    size_t requests;           /* so far */
};

#define STL_AUTO_REMOTE __attribute__((cleanup(stl_remote_close)))
int stl_remote_open(struct stl_remote *remote, const struct stl_remote_options *options,
                    struct stl_error *err);
void stl_remote_close(struct stl_remote *remote);

/* What the next requests are about: a token for something else is forgotten. `from`: a second repository,
 * which is only read; or NULL. */
void stl_remote_use(struct stl_remote *remote, const char *name, const char *actions, const char *from);

/* Like stl_http_send() and stl_http_run(), with request.authorization set. What is still 401 then is an
 * answer. */
int stl_remote_send(struct stl_remote *remote, struct stl_http_exchange *exchange, struct stl_error *err);
int stl_remote_run(struct stl_remote *remote, const struct stl_http_work *work, struct stl_error *err);
/* Frees an exchange that is on the heap, as is its URL: for stl_http_work.dropped, and at the end. */
void stl_remote_drop(void *context, struct stl_http_exchange *exchange);

/* For stl_remote_run(): answers the challenge of a 401. Returns 1 if there is a new authorization, 0 if there
 * is nothing more to offer, or -1. */
int stl_remote_authorize(struct stl_remote *remote, const struct stl_http_answer *answer,
                         struct stl_error *err);
/* Gets a new token if the present one is about to expire. */
int stl_remote_renew(struct stl_remote *remote, struct stl_error *err);

/* "<url>/v2/<name>/<path>"; on the heap. */
char *stl_remote_url(const struct stl_remote *remote, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* ".../manifests/<reference>" */
char *stl_remote_manifest_url(const struct stl_remote *remote, const char *name, const char *reference);

/* Sets an error for an answer that is not what was asked for: its status, and what the registry says about
 * it. Returns -1. */
int stl_remote_refused(const struct stl_remote *remote, const struct stl_http_exchange *exchange,
                       struct stl_error *err);

#endif
