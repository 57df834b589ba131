/*
 * A registry directory: open, make, lock (lib/LAYOUT.md).
 *
 * There are no globals: a process may have several registries open. A registry is not changed after it was
 * opened, so threads may share it.
 */
#ifndef STL_REGISTRY_H
#define STL_REGISTRY_H

#include <stdbool.h>

#include "err.h"
#include "file.h"
#include "name.h"
#include "settings.h"

enum { STL_STAMP_MAX = 80 };

struct stl_registry {
    char *path; /* absolute */
    struct stl_root root;
    struct stl_settings settings;
    char stamp[STL_STAMP_MAX]; /* of registry.yaml, taken before `settings` were read */
    int hook_runner;           /* who runs the hooks (hook.h), the caller's; -1: this process does */
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

/* A word that changes whenever registry.yaml does: the settings of an open registry are out of date when this
 * is not registry->stamp any more. */
void stl_registry_stamp(const struct stl_registry *registry, char stamp[STL_STAMP_MAX]);

/* Makes an empty registry at `path`, which must not exist or be empty. `settings_text` becomes registry.yaml,
 * `page` becomes www/index.html. Complete and durable on return; killed in between, it is no registry yet and
 * a second call finishes it. */
int stl_registry_make(const char *path, const char *settings_text, const char *page, struct stl_error *err);

/* Sets the modes and the group that registry.yaml asks for; the descriptor is that of the registry. */
int stl_registry_wanted_modes(const struct stl_registry *registry, struct stl_root *wanted,
                              struct stl_error *err);

/* Says whose the registry is when that is not the effective user; NULL when it is. For the warning that only
 * one account should write. The caller frees. */
char *stl_registry_owner(const struct stl_registry *registry);

/* Locks: flock on permanent empty files in locks/. They are gone with the process. Order: repository content,
 * repository lists, catalog. */
enum stl_lock_kind {
    STL_LOCK_CONTENT, /* shared: a push is between checking blobs and publishing; exclusive: garbage
                         collection */
    STL_LOCK_LISTS,   /* exclusive: tags, tags/list, referrers of one repository change */
    STL_LOCK_CATALOG, /* exclusive: _catalog changes; `name` is NULL */
    STL_LOCK_QUOTA,  /* exclusive: blobs are counted and one is added; taken for a moment, inside any other */
    STL_LOCK_USERS,  /* exclusive: auth/htpasswd changes; `name` is NULL */
    STL_LOCK_ACCESS, /* exclusive: auth/public changes; `name` is NULL */
    STL_LOCK_WRITES, /* shared: something is being written; exclusive: to wait until nothing is; `name` is
                        NULL */
};
/* Returns a descriptor whose closing releases the lock, or -1. */
int stl_registry_lock(const struct stl_registry *registry, enum stl_lock_kind kind,
                      const struct stl_name *name, bool exclusive, struct stl_error *err);

/* An exclusive lock that is waited for no longer than that: STL_UNAVAILABLE. For what can be done another
 * time, and must not queue up where pushes follow each other without a pause. */
int stl_registry_lock_within(const struct stl_registry *registry, enum stl_lock_kind kind,
                             const struct stl_name *name, unsigned milliseconds, struct stl_error *err);

/* A relative path below the registry directory, for the *at() functions. */
enum { STL_PATH_MAX = 1024 };
char *stl_path_repository(const struct stl_name *name, char path[STL_PATH_MAX]); /* www/v2/<name> */
char *stl_path_store(const struct stl_digest *digest, char path[STL_PATH_MAX]);  /* store/sha256/ab/<hex> */
char *stl_path_store_directory(const struct stl_digest *digest, char path[STL_PATH_MAX]);

/* Makes a repository name one file name: '/' becomes '~', which no name holds. Returns `name`. */
char *stl_path_flatten(char *name);
/* Whether `flat` is a repository name that was made so, and which. */
bool stl_path_unflatten(const char *flat, struct stl_name *name);

#endif
