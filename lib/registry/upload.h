/*
 * Upload sessions: blobs on their way in (distribution-spec, "Pushing blobs").
 *
 * A session that has no bytes yet is nothing but its identifier: a random UUID, the time, the algorithm, and
 * a keyed hash of these and the repository's name. So beginning one writes nothing, and an identifier cannot
 * be guessed or taken to another repository. What a session has on disk lies in the folder of the hour in
 * which it began:
 *
 *     uploads/<hour>/<uuid>          the bytes that have arrived, in order; becomes the blob by rename(2)
 *     uploads/<hour>/<uuid>.hash     the running hash and how many bytes it covers, once a PATCH has ended
 *     uploads/<hour>/<uuid>.ended    if there are no bytes, the session is over: a hard link to
 *                                    uploads/<hour>/ended
 *     auth/upload-key                the key
 *
 * One writer at a time: stl_upload_open() holds a lock on the bytes until stl_upload_close(). What a killed
 * writer leaves behind is taken up where it stopped: the length of the file says how far it came, and bytes
 * that the saved hash does not cover are read again. Nothing is durable before stl_upload_finish() returns 0;
 * after a restart of the machine a session may be shorter, and its bytes are hashed anew.
 */
#ifndef STL_UPLOAD_H
#define STL_UPLOAD_H

#include "registry.h"

enum {
    STL_UPLOAD_UUID_LENGTH = 36,                                    /* RFC 9562, version 4 */
    STL_UPLOAD_ID_LENGTH = STL_UPLOAD_UUID_LENGTH + 1 + 8 + 1 + 24, /* "uuid.", time, algorithm, keyed hash */
};

struct stl_upload {
    const struct stl_registry *registry; /* outlives the upload */
    char id[STL_UPLOAD_ID_LENGTH + 1];
    struct stl_name name;     /* of the repository it belongs to */
    int64_t size;             /* bytes that have arrived */
    struct stl_hasher hasher; /* of all of them */
    int64_t saved;            /* how many of them the .hash file covers */
    int data;
};

#define STL_UPLOAD_INIT                                                                                      \
    {                                                                                                        \
        .data = -1                                                                                           \
    }
#define STL_AUTO_UPLOAD __attribute__((cleanup(stl_upload_close)))

/* Makes up the identifier of a new session. The repository need not exist. */
int stl_upload_begin(const struct stl_registry *registry, const struct stl_name *name,
                     enum stl_algorithm algorithm, char id[STL_UPLOAD_ID_LENGTH + 1], struct stl_error *err);
/* Opens the session `id` of the repository `name` for writing. Fails with STL_BLOB_UPLOAD_UNKNOWN if there is
 * none, it is another repository's, or it has expired; with STL_CONFLICT if another writer keeps it for two
 * seconds more. */
int stl_upload_open(struct stl_upload *upload, const struct stl_registry *registry,
                    const struct stl_name *name, const char *id, struct stl_error *err);
/* Releases the session and leaves it as it is. */
void stl_upload_close(struct stl_upload *upload);

/* How many bytes have arrived: without a lock, also while somebody writes. Fails like stl_upload_open(). */
int stl_upload_size(const struct stl_registry *registry, const struct stl_name *name, const char *id,
                    int64_t *size, struct stl_error *err);

/* Goes on with another algorithm, for which the bytes that are there are read once. */
int stl_upload_use(struct stl_upload *upload, enum stl_algorithm algorithm, struct stl_error *err);
/* Adds bytes at the end. On error those that were written count. */
int stl_upload_append(struct stl_upload *upload, const void *bytes, size_t length, struct stl_error *err);
/* Writes the running hash down, so that the next process need not read what has arrived. */
int stl_upload_save(struct stl_upload *upload, struct stl_error *err);

/* Makes the bytes the blob `digest` of the repository and ends the session. stl_upload_use() must have been
 * called with the digest's algorithm. Durable on return. Fails with STL_DIGEST_INVALID if the digest is
 * another. The session stays on every error but one that comes when its bytes are in the store already, and
 * only the repository lacks them: then it is over. */
int stl_upload_finish(struct stl_upload *upload, const struct stl_digest *digest, struct stl_error *err);
/* Ends the session and drops its bytes; nothing happens if it is over. */
int stl_upload_cancel(struct stl_upload *upload, struct stl_error *err);

/* Removes the sessions that have expired, and counts them in *swept. The first upload of an hour that begins
 * to write does so, too. */
int stl_upload_sweep(const struct stl_registry *registry, struct stl_swept *swept, struct stl_error *err);

#endif
