/*
 * Routes: which handler answers which method and address (distribution-spec, "Endpoints").
 */
#ifndef ROUTE_H
#define ROUTE_H

#include "registry.h"
#include "request.h"
#include "response.h"

/* One request and its answer. */
struct exchange {
    const struct stl_registry *registry;
    struct request request;
    struct response response;
};

/* Answers the request, or returns -1 with err set: then the error is the answer, with the headers that were given. */
typedef int handler(struct exchange *exchange, struct stl_error *err);

/* Finds the handler and calls it. Fails with STL_NOT_FOUND, STL_NAME_INVALID, STL_UNSUPPORTED and as the handler does. */
int route_request(struct exchange *exchange, struct stl_error *err);

/* Sets the header Allow: the methods of this address but for `but`, which may be NULL. */
void route_allow(struct exchange *exchange, const char *but);

handler serve_ping, serve_catalog, serve_tags, serve_referrers;                /* lists.c */
handler serve_manifest, put_manifest, delete_manifest;                         /* manifests.c */
handler serve_blob, delete_blob;                                               /* blobs.c */
handler begin_upload, show_upload, patch_upload, finish_upload, cancel_upload; /* uploads.c */

/* Sends the file `fd` of `size` bytes as the body. */
void send_file(struct exchange *exchange, int fd, int64_t size, const char *type); /* blobs.c */

#endif
