/*
 * Routes: which handler answers which method and address (distribution-spec, "Endpoints").
 */
#ifndef ROUTE_H
#define ROUTE_H

#include "access.h"
#include "event.h"
#include "registry.h"
#include "repo.h"
#include "request.h"
#include "response.h"

/* A request and its answer. */
struct exchange {
    const struct stl_registry *registry;
    struct request request;
    struct response response;
    struct stl_identity identity; /* who the client is: auth.h */
    struct stl_actor actor;       /* the same for events and hooks */
    bool has_token, stale_token;  /* whether a bearer token was sent: a valid one, or another */
    const char *token;            /* the valid one, unless it is the anonymous one */
};

/* Answers the request, or returns -1 with err set: then the error is the answer, with the headers that were
 * given. */
typedef int handler(struct exchange *exchange, struct stl_error *err);

/* Finds the handler, and calls it if they may (auth.h) and, for what writes, the registry is not frozen.
 * Fails with STL_NOT_FOUND, STL_NAME_INVALID, STL_UNSUPPORTED, STL_UNAVAILABLE and as auth_require() and the
 * handler do. */
int route_request(struct exchange *exchange, struct stl_error *err);

handler serve_ping, serve_catalog, serve_details, serve_tags, serve_tag_details,
    serve_referrers;                                   /* lists.c */
handler serve_manifest, put_manifest, delete_manifest; /* manifests.c */
handler serve_blob, delete_blob;                       /* blobs.c */
handler give_token, give_token_by_form;                /* token.c */
handler serve_rights, serve_about, create_repository, change_repository, delete_repository, serve_trash,
    restore_tags;                                                              /* repos.c */
handler begin_upload, show_upload, patch_upload, finish_upload, cancel_upload; /* uploads.c */

/* Sends what the repository has under this digest: the manifest of that type, or if `manifest_type` is NULL
 * the blob. */
int send_stored(struct exchange *exchange, const struct stl_repo *repo, const struct stl_digest *digest,
                const char *manifest_type, struct stl_error *err); /* blobs.c */

/* Whether something that is unknown here, as the error says, may come from another registry. */
bool upstream_has(const struct exchange *exchange, const struct stl_error *err);
/* Asks for it to be fetched. Returns 0 if it is here now, 1 if the answer has been given, or -1. */
int upstream_get(struct exchange *exchange, bool manifest, struct stl_error *err); /* upstream.c */

#endif
