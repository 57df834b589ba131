/*
 * Images in a registry, as a source: their manifests, and their blobs once these have been fetched.
 */
#ifndef STL_IMAGES_REMOTE_H
#define STL_IMAGES_REMOTE_H

#include "fetched.h"
#include "lists.h"
#include "images.h"

struct stl_remote_images {
    const struct stl_remote_choice *choice;
    const struct stl_platforms *platforms;
    struct stl_temp spool; /* in the stage: manifests */
    struct stl_fetched fetched;
    struct stl_tags listed;     /* all tags there, where they were listed */
    struct stl_digestset blobs; /* to be fetched, or fetched */
    char **files;               /* of each, its file below the registry's folder; NULL: none */
    bool interrupted;           /* by trouble that passes, or a full disk: the files stay for another run */
};

/* A blob to be fetched. */
struct stl_remote_blob {
    struct stl_digest digest;
    int64_t size;
};

/* Fetches blobs, several at once, once for these images. Their digests have been checked; they are not
 * durable. What another run has left of them is used (arriving.h). Fails with STL_NO_SPACE (before the first
 * byte, if there is too little room for what is missing; otherwise what has arrived is kept),
 * STL_DIGEST_INVALID, STL_MANIFEST_BLOB_UNKNOWN, or as stl_remote_refused(). `progress` may be NULL. */
int stl_images_fetch(const struct stl_images *images, const struct stl_remote_blob *blobs, size_t count,
                     stl_copy_progress *progress, void *context, struct stl_error *err);
/* Makes the bytes of a fetched blob durable. */
int stl_images_sync(const struct stl_images *images, const struct stl_digest *digest, struct stl_error *err);
/* Gives the file of a fetched blob to the caller. Returns 1, 0 if another run has put it into the store, or
 * -1. */
int stl_images_take(const struct stl_images *images, const struct stl_digest *digest, struct stl_temp *temp,
                    struct stl_error *err);

#endif
