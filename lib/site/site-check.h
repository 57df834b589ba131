/*
 * Asks a host that serves a flat copy for every address of it, and reports what would make clients fail:
 * answers that are missing or old, wrong media types, wrong digests.
 *
 * Manifests and lists are fetched and compared; of blobs, only the length is looked at.
 */
#ifndef STL_SITE_CHECK_H
#define STL_SITE_CHECK_H

#include "exchange.h"
#include "flat.h"

struct stl_site_check {
    const struct stl_flat *flat; /* what should be there */
    const char *url;             /* of the host, without a slash at the end */
    void (*problem)(void *context, const char *path, const char *what);
    void (*progress)(void *context, uint64_t done, uint64_t total); /* addresses; or NULL */
    void *context, *progress_context;
    /* the result */
    uint64_t asked, problems;
    uint64_t without_digest; /* manifests without Docker-Content-Digest, which is no problem for most */
};

/* Fails with STL_UNAVAILABLE if the host cannot be reached. */
int stl_site_check(struct stl_site_check *check, struct stl_http *http, struct stl_error *err);

#endif
