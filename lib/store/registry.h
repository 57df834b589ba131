/*
 * A registry directory: opening, making and locking it (lib/LAYOUT.md).
 *
 * There are no globals: a process may have several registries open. A struct stl_registry does not change
 * once it is open, so threads may share it.
 */
#ifndef STL_REGISTRY_H
#define STL_REGISTRY_H

#include <stdbool.h>

#include "err.h"
#include "file.h"
#include "layout.h"
#include "settings.h"

enum { STL_STAMP_MAX = 80 };

struct stl_registry {
    char *path; /* absolute */
    struct stl_root root;
    struct stl_settings settings;
    char stamp[STL_STAMP_MAX]; /* of registry.yaml, taken before `settings` were read */
    int hook_runner;           /* the process that runs hooks (hook.h), owned by the caller; -1: this
                                  process */
    /* Called with one line for a person about what a change could not do; or NULL. */
    void (*notice)(const char *text);
};

/* Opens an existing registry. Fails with STL_NOT_REGISTRY if `path` holds no registry.yaml or one of a newer
 * version, STL_INVALID if registry.yaml is wrong. */
int stl_registry_open(struct stl_registry *registry, const char *path, struct stl_error *err);
void stl_registry_close(struct stl_registry *registry);
#define STL_AUTO_REGISTRY __attribute__((cleanup(stl_registry_close)))
#define STL_REGISTRY_INIT                                                                                    \
    {                                                                                                        \
        .root = {.fd = -1}, .hook_runner = -1                                                                \
    }

/* A string that changes whenever registry.yaml does: the settings of an open registry are out of date when it
 * differs from registry->stamp. */
void stl_registry_stamp(const struct stl_registry *registry, char stamp[STL_STAMP_MAX]);

/* Makes an empty registry at `path`, which must not exist or be empty; nobody but its owner can write to the
 * folder any more. `settings_text` becomes registry.yaml, `page` becomes www/index.html. Complete and durable
 * on return; if the process is killed halfway, it is not a registry yet, and a second call completes it. */
int stl_registry_make(const char *path, const char *settings_text, const char *page, struct stl_error *err);
/* Makes those of its folders that are missing, since a program that copied it left out what is empty. Durable
 * on return. */
int stl_registry_make_folders(const struct stl_registry *registry, struct stl_error *err);

/* Sets *wanted to the modes and the group that registry.yaml asks for, with the descriptor of the
 * registry. */
int stl_registry_wanted_modes(const struct stl_registry *registry, struct stl_root *wanted,
                              struct stl_error *err);

/* Locks: flock on permanent empty files in locks/, since locks on folders do not reach other machines on a
 * shared file system. They end with the process. Order: as here; the last five stand for themselves. */
enum stl_lock_kind {
    STL_LOCK_CONTENT,    /* shared: a push is between checking blobs and publishing; exclusive: garbage
                         collection */
    STL_LOCK_LISTS,      /* exclusive: tags, tags/list, referrers of one repository change */
    STL_LOCK_CATALOG,    /* exclusive: _catalog changes; `name` is NULL */
    STL_LOCK_REPOSITORY, /* shared: somebody pushes; exclusive: the repository is removed */
    STL_LOCK_STORE,  /* shared: a blob is put into a folder of the store, or linked from it; exclusive: blobs
                            leave it; `name` is that of the folder: stl_store_lock_name() */
    STL_LOCK_QUOTA,  /* exclusive: blobs are counted and one is added; taken for a moment, inside any other */
    STL_LOCK_USERS,  /* exclusive: auth/htpasswd, auth/oidc-keys or auth/projects/ changes; `name` is NULL */
    STL_LOCK_ACCESS, /* exclusive: auth/public changes; `name` is NULL */
    STL_LOCK_PULLS,  /* exclusive: log/pulls changes; `name` is NULL */
    STL_LOCK_WRITES, /* shared: something is being written; exclusive: waits until nothing is; `name` is
                        NULL */
};
/* Returns a descriptor that releases the lock when it is closed, or -1. */
int stl_registry_lock(const struct stl_registry *registry, enum stl_lock_kind kind,
                      const struct stl_name *name, bool exclusive, struct stl_error *err);

/* An exclusive lock; fails with STL_UNAVAILABLE if it cannot be taken within `milliseconds`. For work that
 * can be done later and must not queue up where pushes follow each other without a pause. */
int stl_registry_lock_within(const struct stl_registry *registry, enum stl_lock_kind kind,
                             const struct stl_name *name, unsigned milliseconds, struct stl_error *err);
/* For one process at a time that writes to `target`, which is outside the registry: an exclusive lock on the
 * file whose name is `prefix` and a hash of the target. Fails with STL_UNAVAILABLE if another process has
 * it. */
int stl_registry_lock_target(const struct stl_registry *registry, const char *prefix, const char *target,
                             struct stl_error *err);

#endif
