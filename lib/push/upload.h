/*
 * Upload sessions: blobs on their way in (distribution-spec, "Pushing blobs").
 *
 * A session that has no bytes yet is nothing but its identifier: a random UUID, the time, the algorithm, and
 * a keyed hash of these and the repository's name. So beginning one writes nothing, and an identifier cannot
 * be guessed or used for another repository. The files of a session lie in the folder of the hour in which it
 * began:
 *
 *     uploads/<hour>/<uuid>          the bytes that have arrived, in order; becomes the blob by rename(2)
 *     uploads/<hour>/<uuid>.hash     the running hash and how many bytes it covers, once a PATCH has ended
 *     uploads/<hour>/<uuid>.ended    if there are no bytes, the session is over: a hard link to
 *                                    uploads/<hour>/ended, or a symbolic one where machines share the file
 *                                    system
 *     uploads/by/<hash>/<uuid>       a symbolic link to the bytes, once stl_upload_hold() was called: <hash>
 *                                    says who holds the session. It may be dangling: whoever notices that
 *                                    removes it
 *     auth/upload-key                the key
 *
 * One writer at a time: stl_upload_open() holds a lock on the bytes until stl_upload_close(). A session whose
 * writer was killed continues where it stopped: the length of the file says how far it got, and bytes that
 * the saved hash does not cover are read again. On a local disk, nothing is durable before
 * stl_upload_finish() returns 0: after a restart of the machine a session may be shorter, and its bytes are
 * hashed anew. Where machines share the file system, bytes with a saved hash are durable, and another
 * machine goes on with it.
 */
#ifndef STL_UPLOAD_H
#define STL_UPLOAD_H

#include "upload-id.h"

enum {
    STL_UPLOAD_HOLDER_MAX = 64,
    STL_UPLOAD_IDLE = 900, /* seconds without a byte after which a session may be ended to make room */
};

#define STL_UPLOAD_HOLDERS "by" /* the folder of uploads/ that is no hour */

struct stl_upload {
    const struct stl_registry *registry; /* outlives the upload */
    char id[STL_UPLOAD_ID_LENGTH + 1];
    struct stl_name name;               /* of the repository it belongs to */
    int64_t size;                       /* bytes that have arrived */
    struct stl_hasher hasher;           /* of all of them */
    int64_t saved;                      /* how many of them the .hash file covers */
    int data, folder;                   /* open: its bytes, and the folder that its files are in */
    char holder[STL_UPLOAD_HOLDER_MAX]; /* the folder of its holder; "": not known */
    bool held;                          /* it may be in there */
    bool placed; /* the bytes are a blob, whose writer died before it had removed their name here */
};

#define STL_UPLOAD_INIT                                                                                      \
    {                                                                                                        \
        .data = -1, .folder = -1                                                                             \
    }
#define STL_AUTO_UPLOAD __attribute__((cleanup(stl_upload_close)))

/* Opens the session `id` of the repository `name` for writing. Fails with STL_BLOB_UPLOAD_UNKNOWN if there is
 * no such session, it belongs to another repository, or it has expired; with STL_CONFLICT if another writer
 * does not release it within four seconds. */
int stl_upload_open(struct stl_upload *upload, const struct stl_registry *registry,
                    const struct stl_name *name, const char *id, struct stl_error *err);
/* Releases the session and leaves it as it is; a session without bytes leaves nothing on disk. */
void stl_upload_close(struct stl_upload *upload);

/* Whether somebody is waiting in stl_upload_open() for this open session. */
bool stl_upload_is_wanted(const struct stl_upload *upload);

/* How many bytes have arrived. Takes no lock and works while somebody is writing. Fails like
 * stl_upload_open(). */
int stl_upload_size(const struct stl_registry *registry, const struct stl_name *name, const char *id,
                    int64_t *size, struct stl_error *err);

/* Sets the holder of the open session: any text that identifies them. */
void stl_upload_set_holder(struct stl_upload *upload, const char *who);
/* To be called before bytes are added, and from time to time while they arrive: counts the session among
 * those of its holder. Fails with STL_TOO_MANY_REQUESTS if there are more of them than registry.yaml allows
 * (push.open-uploads), or if with `coming` more bytes they would exceed open-bytes; with STL_DENIED if this
 * session alone would. *room is how large it may become. To make room, sessions of the same holder that
 * nobody has written to for a quarter of an hour are ended. Anybody else who has written to a session also
 * counts as its holder. A session that is to end at once need not be counted, unless it stays open with
 * bytes after all. */
int stl_upload_hold(struct stl_upload *upload, int64_t coming, int64_t *room, struct stl_error *err);
/* Continues with another algorithm; the bytes that have arrived are read once more for it. */
int stl_upload_use(struct stl_upload *upload, enum stl_algorithm algorithm, struct stl_error *err);
/* Appends bytes. On error, those that were written count. */
int stl_upload_append(struct stl_upload *upload, const void *bytes, size_t length, struct stl_error *err);
/* Saves the running hash, so that the next process need not read again what has arrived. */
int stl_upload_save(struct stl_upload *upload, struct stl_error *err);

/* Makes the bytes the blob `digest` of the repository and ends the session. stl_upload_use() must have been
 * called with the digest's algorithm. Durable on return. Fails with STL_DIGEST_INVALID if the bytes have
 * another digest. The session survives every error except one that occurs when its bytes are already in the
 * store and only the link in the repository is missing: then it is over. */
int stl_upload_finish(struct stl_upload *upload, const struct stl_digest *digest, struct stl_error *err);
/* Ends the session and discards its bytes; does nothing if it is over. */
int stl_upload_cancel(struct stl_upload *upload, struct stl_error *err);

/* Removes expired sessions and counts them in *swept. The first upload to write in an hour does this, too. */
int stl_upload_sweep(const struct stl_registry *registry, struct stl_swept *swept, struct stl_error *err);

/* --- for lib/push/upload*.c ----------------------------------------------------------------------------- */

enum { STL_UPLOAD_ENTRY_MAX = STL_UPLOAD_HOLDER_MAX + STL_UUID_LENGTH + 2 }; /* of a holder's folder */

/* Puts the open session into its holder's folder. */
int stl_upload_enter(struct stl_upload *upload, struct stl_error *err);
/* Removes it from there, if it may be there. */
void stl_upload_leave(const struct stl_upload *upload);
/* Ends a session unless somebody is writing to it. Only the path in its identifier counts. Returns whether it
 * has been removed. */
bool stl_upload_drop(const struct stl_registry *registry, const char *id);
/* Removes sessions that have ended from all holders' folders, and folders that are then empty. */
int stl_upload_sweep_holders(const struct stl_registry *registry, struct stl_error *err);

#endif
