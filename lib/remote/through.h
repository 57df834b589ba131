/*
 * What the threads of pull-through.h share: what is being fetched, and clients for the upstreams.
 */
#ifndef STL_THROUGH_H
#define STL_THROUGH_H

#include <pthread.h>
#include <signal.h>

#include "fetcher.h"
#include "named-blobs.h"
#include "remote.h"

enum { STL_THROUGH_IDLE_MAX = 16, STL_THROUGH_PAST_MAX = 256 };

struct stl_pull_through {
    const struct stl_registry *registry;
    const struct stl_http_options *http;       /* http[i]: for registry->settings.upstreams.items[i] */
    const struct stl_credentials *credentials; /* credentials[i]: the same */
    unsigned parallel;                         /* fetches at once */
    int socket;                                /* of stl_fetch_listen() */
    const volatile sig_atomic_t *ending;       /* set: no further request is taken */
};

/* Something that is being fetched, or waits for it. */
struct through_fetch {
    struct stl_fetch_request request;
    const struct stl_upstream *upstream;
    bool running, asked;           /* asked: the upstream, for it */
    struct stl_fetch_answer begun; /* step STL_FETCH_BEGUN once its size is known, otherwise DONE */
    int *waiters;
    size_t waiter_count;
    struct through_fetch *next;
};

/* What could not be fetched a short while ago. */
struct through_past {
    struct stl_fetch_request request;
    struct stl_fetch_answer answer;
    double until; /* by the clock of stl_monotonic() */
};

struct through {
    const struct stl_pull_through *options;
    pthread_mutex_t lock; /* of all below */
    pthread_cond_t work;  /* there is something to fetch, or `ending` is set */
    bool ending;
    struct through_fetch *first; /* in the order in which they were asked for */
    size_t waiters;
    struct through_past past[STL_THROUGH_PAST_MAX];
    size_t past_next;
    struct through_idle {
        const struct stl_upstream *upstream; /* NULL: free */
        struct stl_remote remote; /* a client that is not being used, with connections and a token */
    } idle[STL_THROUGH_IDLE_MAX];
    struct stl_named_blobs named; /* has a lock of its own */
};

/* A client for the upstream that a repository comes from, whose address is *address; it is given back with
 * stl_through_give_back(). */
int stl_through_take(struct through *through, const struct stl_upstream *upstream, const char *name,
                     struct stl_remote *remote, struct stl_address *address, struct stl_error *err);
void stl_through_give_back(struct through *through, const struct stl_upstream *upstream,
                           struct stl_remote *remote);
/* Tells those who wait for something; the caller has the lock. */
void stl_through_tell(const struct through_fetch *fetch, const struct stl_fetch_answer *answer);
/* The file of a blob has a name, and it will have so many bytes. */
void stl_through_begun(struct through *through, struct through_fetch *fetch, const char *file, int64_t size);

#endif
