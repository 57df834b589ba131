/*
 * A repository, and the blobs in it (lib/LAYOUT.md).
 *
 * A blob lies once in store/ and is linked into each repository that holds it. Everything that returns 0 is
 * durable. No function needs a lock of the caller: names appear by rename(2) or link(2), and finding that
 * somebody else has put the same bytes there is success. Who takes a blob out of the store locks its folder
 * there.
 */
#ifndef STL_REPO_H
#define STL_REPO_H

#include "registry.h"

struct stat;
struct stl_actor;

struct stl_repo {
    const struct stl_registry *registry; /* outlives the repo */
    struct stl_name name;
    int fd; /* www/v2/<name> */
    /* Who changes it, for events and hooks; NULL: the command line. The caller sets it once it is open. */
    const struct stl_actor *actor;
};

#define STL_REPO_INIT                                                                                        \
    {                                                                                                        \
        .fd = -1                                                                                             \
    }
#define STL_AUTO_REPO __attribute__((cleanup(stl_repo_close), unused))

/* Opens an existing repository. Fails with STL_NAME_UNKNOWN. */
int stl_repo_open(struct stl_repo *repo, const struct stl_registry *registry, const struct stl_name *name,
                  struct stl_error *err);
/* The same where it need not exist: 1, or 0 (repo->fd is -1 then), or -1. */
int stl_repo_open_if_any(struct stl_repo *repo, const struct stl_registry *registry,
                         const struct stl_name *name, struct stl_error *err);
/* Opens a repository, and makes it if need be. It is not in the catalog before its first manifest. While it
 * is open, garbage collection does not remove it, empty as it may be. */
int stl_repo_make(struct stl_repo *repo, const struct stl_registry *registry, const struct stl_name *name,
                  struct stl_error *err);
void stl_repo_close(struct stl_repo *repo);
/* Removes the folders of a repository with all that is in them, its own folder, and those above that are left
 * empty. The caller holds STL_LOCK_CONTENT and STL_LOCK_LISTS, and has taken it off the catalog. Killed in
 * between, a second call finishes it. */
int stl_repo_unmake(const struct stl_repo *repo, struct stl_error *err);
/* Removes the folder of a repository that has gone, and those above it, as far as they are empty. */
int stl_repo_remove_folders(const struct stl_registry *registry, const struct stl_name *name,
                            struct stl_error *err);

/* Whether a blob is in the store or the repository: 1 and its size in bytes, 0, or -1 on error. */
int stl_store_has(const struct stl_registry *registry, const struct stl_digest *digest, int64_t *size,
                  struct stl_error *err);
/* Like stl_store_has(), for somebody who will link the blob in a while: garbage collection leaves it there
 * for the grace period. */
int stl_store_claim(const struct stl_registry *registry, const struct stl_digest *digest, int64_t *size,
                    struct stl_error *err);
int stl_repo_has_blob(const struct stl_repo *repo, const struct stl_digest *digest, int64_t *size,
                      struct stl_error *err);

/* Whether a path of a folder of blobs, <folder>/<digest>, leads to one: fills both. What vanished meanwhile
 * does not. */
bool stl_blob_look(int at, const char *path, struct stl_digest *digest, struct stat *st);

/* Makes a finished file, whose content has `digest`, a blob of the repository. Syncs it first, unless the
 * store has the blob: then the file stays where it is. */
int stl_repo_put_blob(const struct stl_repo *repo, struct stl_temp *temp, const struct stl_digest *digest,
                      struct stl_error *err);
/* Links a blob of the store into the repository. Fails with STL_BLOB_UNKNOWN if the store has none. */
int stl_repo_link_blob(const struct stl_repo *repo, const struct stl_digest *digest, struct stl_error *err);
/* The same for many blobs, with one sync of each folder instead of one for each blob: makes `temp`, whose
 * bytes are durable already, a blob of the repository, or, if it is NULL, links a blob of the store. */
int stl_repo_enter_blob(const struct stl_repo *repo, struct stl_temp *temp, const struct stl_digest *digest,
                        struct stl_error *err);
/* Makes durable that these blobs were entered, and all that were linked before. */
int stl_repo_sync_entered(const struct stl_repo *repo, const struct stl_digest *digests, size_t count,
                          struct stl_error *err);
/* Links a blob of another repository into this one (distribution-spec, "Mounting a blob from another
 * repository"). Fails with STL_BLOB_UNKNOWN if `from` does not hold it. */
int stl_repo_mount_blob(const struct stl_repo *repo, const struct stl_repo *from,
                        const struct stl_digest *digest, struct stl_error *err);
/* Moves a blob of the repository to the trash, where it stays for as long as a snapshot or a manifest in the
 * trash names it, and for the grace period at the least; a push or a restoration that needs it brings it
 * back. The caller holds no STL_LOCK_CONTENT. Fails with STL_BLOB_UNKNOWN. */
int stl_repo_delete_blob(const struct stl_repo *repo, const struct stl_digest *digest, struct stl_error *err);

#endif
