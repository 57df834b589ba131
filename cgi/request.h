/*
 * A request: the only place that reads what the web server hands over.
 *
 * The path is that of REQUEST_URI, decoded once here, because servers decode and normalise PATH_INFO each in
 * their own way. Everything lives as long as the channel, but for what request_clear() frees.
 */
#ifndef REQUEST_H
#define REQUEST_H

#include <stdint.h>

#include "channel.h"
#include "err.h"
#include "name.h"

struct parameter {
    const char *key, *value;
};

struct request {
    struct channel *channel;
    const char *registry; /* its directory, as configured; NULL if it is not */
    const char *method;   /* "" if the server sent none */
    char *path;           /* decoded, begins with '/' */
    struct parameter *query;
    size_t query_count;
    const char *content_type, *content_range, *if_match, *if_none_match;          /* NULL if absent */
    const char *authorization, *remote_user, *remote_address, *host, *user_agent; /* NULL if absent */
    bool secure;                                                                  /* by TLS */

    int64_t length;       /* of the body, or -1 if unknown */
    int64_t received;     /* of it so far */
    bool ended, cut;      /* no more bytes will come; and some are missing */
    enum verdict verdict; /* or we stopped waiting for it */

    /* Set by the route. */
    int64_t rate;                                /* minimum rate of the body, in bytes a second; 0: none */
    const struct stl_registry *registry_written; /* by this request; NULL: none */
    const struct stl_upload *upload;             /* that the body goes to, while it is read; NULL: none */

    /* What the route found in the path. */
    struct stl_name name;
    const char *reference; /* the last segment where the route has one, else NULL */

    char *uri, *arguments; /* memory of path and query */
};

/* Reads all but the body. Fails with STL_NAME_INVALID (a path that is no possible address),
 * STL_SIZE_INVALID, STL_URI_TOO_LONG or STL_INVALID. The caller clears, also on error. */
int request_init(struct request *request, struct channel *channel, struct stl_error *err);
void request_clear(struct request *request);

/* The first value of a query parameter, or NULL. */
const char *request_query(const struct request *request, const char *key);
/* The values of a parameter one by one: starts with *position 0; NULL at the end. */
const char *request_query_next(const struct request *request, const char *key, size_t *position);

/* Decodes percent signs in place. Returns false if one is not followed by two digits, or for a NUL byte. */
bool request_decode(char *text);

/* Reads the body up to its end or CONTENT_LENGTH. Returns 0 at the end, also when that came too early: `cut`
 * tells. */
size_t request_read(struct request *request, void *bytes, size_t size);
/* Stops waiting for the body for now. */
void request_stop(struct request *request);
/* Reads what is left of the body and drops it, where the channel insists on it, for a few seconds at most. */
void request_drain(struct request *request);
/* Whether all of the body has certainly been read. */
bool request_is_whole(const struct request *request);
/* An error that says how much is missing, or why it was not waited for. */
int request_cut_error(const struct request *request, struct stl_error *err);

#endif
