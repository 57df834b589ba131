/*
 * The parts of stl_verify(), for lib/care/verify*.c only.
 */
#ifndef STL_VERIFY_INTERNAL_H
#define STL_VERIFY_INTERNAL_H

#include <sys/stat.h>

#include "contents.h"
#include "repos.h"
#include "verify.h"

enum { VERIFY_LOCK_MILLISECONDS = 30000 }; /* how long a repository that is pushed to is waited for */

enum verify_kind {
    VERIFY_FOREIGN,
    VERIFY_MODE,
    VERIFY_OWNER,
    VERIFY_FOLDER,
    VERIFY_FILE,
    VERIFY_LINK,
    VERIFY_TYPE,
    VERIFY_DAMAGED_MANIFEST,
    VERIFY_INVALID_MANIFEST,
    VERIFY_UNREADABLE, /* the system says no, so nothing is known, and nothing is repaired */
    VERIFY_TAG,
    VERIFY_TAGS_LIST,
    VERIFY_CATALOG,
    VERIFY_REFERRERS,
    VERIFY_REFS,
    VERIFY_MISSING_BLOB,
    VERIFY_MISSING_CHILD,
    VERIFY_SIZE,
    VERIFY_DAMAGED_BLOB,
    VERIFY_NOT_IN_STORE,
    VERIFY_LINK_COUNT,
    VERIFY_BUSY,
    VERIFY_KINDS
};

struct verify_problem {
    enum verify_kind kind;
    char *path, *what;
};

struct verify_problems {
    struct verify_problem *items;
    size_t count;
};

/* One file of store/. */
struct verify_blob {
    ino_t inode;
    int64_t size;
    struct timespec changed; /* ctime */
    nlink_t links;           /* when we looked */
    nlink_t found;           /* links in repositories, in pending imports and in the trash */
};

struct verify {
    const struct stl_registry *registry;
    const struct stl_verify_options *options;
    struct stl_verify_result *result;
    struct stl_root wanted; /* modes and group as registry.yaml has them */
    uid_t owner;
    time_t started;
    struct stl_names names; /* repositories */
    struct stl_digestset store;
    struct verify_blob *blobs;    /* beside it */
    struct stl_digestset damaged; /* blobs found damaged, and not moved away */
};

/* A problem, with the path below the registry in `path`. */
void stl_verify_add(struct verify_problems *problems, enum verify_kind kind, const char *path,
                    const char *what, ...) __attribute__((format(printf, 4, 5)));
void stl_verify_problems_clear(struct verify_problems *problems);
void stl_verify_report(struct verify *verify, const struct verify_problem *problem, bool repaired);
/* Reports all of `before` that are not in `after` as repaired, and all of `after`. */
void stl_verify_report_all(struct verify *verify, const struct verify_problems *before,
                           const struct verify_problems *after);

/* Mode, group and owner of a folder or file. `path` is relative to the registry. */
void stl_verify_modes(const struct verify *verify, const char *path, const struct stat *st,
                      struct verify_problems *problems);
int stl_verify_repair_mode(const struct verify *verify, const char *path, struct stl_error *err);

/* store/: names, sizes, digests; the blobs of repositories that are copies. */
int stl_verify_store(struct verify *verify, struct stl_error *err);
/* After the repositories: links from outside. */
void stl_verify_link_counts(struct verify *verify);

/* The page and the fixed answers; what is in www/v2 and is no repository; the catalog. */
void stl_verify_files(struct verify *verify);
int stl_verify_foreign(struct verify *verify, struct stl_error *err);
int stl_verify_catalog(struct verify *verify, struct stl_error *err);
/* The manifests in the trash and in snapshots. */
int stl_verify_kept(struct verify *verify, struct stl_error *err);

/* A repository that is open, with what was found in it. */
struct verify_repo {
    struct verify *verify;
    struct stl_repo repo;
    char path[STL_PATH_MAX];      /* www/v2/<name> */
    struct stl_contents contents; /* manifests that are in order, and tags that point to a digest */
    struct verify_problems problems;
};

#define VERIFY_REPO_INIT                                                                                     \
    {                                                                                                        \
        .repo = STL_REPO_INIT                                                                                \
    }

void stl_verify_repo_clear(struct verify_repo *repo);
/* Looks at everything; problems go to repo->problems. 1: the repository is gone. */
int stl_verify_repo_collect(struct verify *verify, const char *name, struct verify_repo *repo,
                            struct stl_error *err);
/* The lists of referrers: check, and build one anew. */
int stl_verify_referrers(struct verify_repo *repo, struct stl_error *err);
int stl_verify_rebuild_referrers(struct verify_repo *repo, const struct stl_digest *subject,
                                 struct stl_error *err);
/* Mends what can be; the caller holds both locks. Returns how many problems it worked on, and adds those
 * where that failed to `failed`, with the reason. */
int stl_verify_repo_repair(struct verify_repo *repo, struct verify_problems *failed);

/* Moves what is at `path` below the registry to trash/damaged/<name>. */
int stl_verify_set_aside(const struct verify *verify, const char *path, const char *name,
                         struct stl_error *err);

#endif
