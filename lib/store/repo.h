/*
 * A repository, its folders, and whether a blob is in it or in the store (lib/LAYOUT.md).
 *
 * A blob is stored once in store/ and linked into each repository that holds it; blobs.h puts it there.
 */
#ifndef STL_REPO_H
#define STL_REPO_H

#include "registry.h"

struct stat;
struct stl_actor;

struct stl_repo {
    const struct stl_registry *registry; /* outlives the repo */
    struct stl_name name;
    int fd;   /* www/v2/<name> */
    int lock; /* of one that was made (repo-make.h); else -1 */
    /* Who changes it, for events and hooks; NULL: the command line. Set by the caller after opening. */
    const struct stl_actor *actor;
};

#define STL_REPO_INIT                                                                                        \
    {                                                                                                        \
        .fd = -1, .lock = -1                                                                                 \
    }
#define STL_AUTO_REPO __attribute__((cleanup(stl_repo_close), unused))

/* Opens an existing repository. Fails with STL_NAME_UNKNOWN. */
int stl_repo_open(struct stl_repo *repo, const struct stl_registry *registry, const struct stl_name *name,
                  struct stl_error *err);
/* The same for a repository that need not exist: returns 1, 0 if it does not (then repo->fd is -1), or -1. */
int stl_repo_open_if_any(struct stl_repo *repo, const struct stl_registry *registry,
                         const struct stl_name *name, struct stl_error *err);
/* Opens its folder even if that is an incomplete repository or none at all: returns 1, 0 if there is no such
 * folder, or -1. */
int stl_repo_open_folder(struct stl_repo *repo, const struct stl_registry *registry,
                         const struct stl_name *name, struct stl_error *err);
void stl_repo_close(struct stl_repo *repo);
/* Removes one of its folders with everything in it that belongs to the repository. Nested repositories are
 * kept. */
int stl_repo_remove_folder(const struct stl_repo *repo, const char *folder, struct stl_error *err);
/* Opens one of its folders; the caller closes. Fails with STL_NAME_UNKNOWN if the repository was deleted
 * after it was opened. */
int stl_repo_enter_folder(const struct stl_repo *repo, const char *folder, struct stl_error *err);
/* Makes the entries of one of its folders durable. */
int stl_repo_sync_folder(const struct stl_repo *repo, const char *folder, struct stl_error *err);
/* Removes the folders of a repository with everything in them that belongs to it, then its own folder and
 * parent folders that are left empty. The caller holds STL_LOCK_CONTENT and STL_LOCK_LISTS, and has removed
 * it from the catalog. If the process is killed halfway, a second call completes the removal. */
int stl_repo_unmake(const struct stl_repo *repo, struct stl_error *err);
/* Removes the folder of a deleted repository and its parent folders, as far as they are empty. */
int stl_repo_remove_folders(const struct stl_registry *registry, const struct stl_name *name,
                            struct stl_error *err);

/* Whether a blob is in the store or the repository: returns 1 and sets *size (bytes), 0 if it is not, or -1
 * on error. */
int stl_store_has(const struct stl_registry *registry, const struct stl_digest *digest, int64_t *size,
                  struct stl_error *err);
/* Like stl_store_has(), for a caller that is going to link the blob later: garbage collection keeps it for
 * the grace period. */
int stl_store_claim(const struct stl_registry *registry, const struct stl_digest *digest, int64_t *size,
                    struct stl_error *err);
int stl_repo_has_blob(const struct stl_repo *repo, const struct stl_digest *digest, int64_t *size,
                      struct stl_error *err);

/* The same for a path: fails with STL_DAMAGED if something other than a file is there. */
int stl_blob_size(int at, const char *path, int64_t *size, struct stl_error *err);
/* What locks the folder <ab> of the store, for STL_LOCK_STORE: that of sha256 and that of sha512. */
struct stl_name stl_store_lock_name(const char *ab);
/* Locks the folder of the store that a blob belongs in, shared: while the lock is held, garbage collection
 * removes nothing from it. */
int stl_store_lock(const struct stl_registry *registry, const struct stl_digest *digest,
                   struct stl_error *err);

/* Whether the path <folder>/<digest> leads to a blob: returns 1 and fills *digest and *st; 0 if it does not,
 * or no longer; or -1. */
int stl_blob_look(int at, const char *path, struct stl_digest *digest, struct stat *st,
                  struct stl_error *err);

#endif
