/*
 * One run of stl_verify() (verify.h), and its parts. Only lib/verify uses this.
 */
#ifndef STL_VERIFY_RUN_H
#define STL_VERIFY_RUN_H

#include <sys/stat.h>

#include "repo-contents.h"
#include "repos.h"

struct stl_verify_options;
struct stl_verify_result;

enum { VERIFY_LOCK_MILLISECONDS = 30000 }; /* how long to wait for a repository that is being pushed to */

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
    VERIFY_UNREADABLE, /* the system refuses to read it, so nothing is known and nothing is repaired */
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
    struct verify_blob *blobs;    /* blobs[i] belongs to store.items[i] */
    struct stl_digestset damaged; /* blobs found damaged and not moved away */
};

/* Adds a problem; `path` is relative to the registry. */
void stl_verify_add(struct verify_problems *problems, enum verify_kind kind, const char *path,
                    const char *what, ...) __attribute__((format(printf, 4, 5)));
/* Whether there is a problem of that kind with that path. */
bool stl_verify_has(const struct verify_problems *problems, const struct verify_problem *wanted);
void stl_verify_problems_clear(struct verify_problems *problems);
void stl_verify_report(struct verify *verify, const struct verify_problem *problem, bool repaired);
/* Reports all problems of `before` that are not in `after` as repaired, and all of `after`. */
void stl_verify_report_all(struct verify *verify, const struct verify_problems *before,
                           const struct verify_problems *after);

/* Looks at a path relative to the registry, without following a link. Returns false if it has disappeared
 * since it was listed, or if it cannot be looked at, which is reported. */
bool stl_verify_look(const struct verify *verify, const char *path, struct stat *st,
                     struct verify_problems *problems);
/* Checks the mode, group and owner of a folder or file. `path` is relative to the registry. */
void stl_verify_modes(const struct verify *verify, const char *path, const struct stat *st,
                      struct verify_problems *problems);
int stl_verify_repair_mode(const struct verify *verify, const char *path, struct stl_error *err);

/* Finds out which modes and which owner everything should have. */
int stl_verify_begin(struct verify *verify, struct stl_error *err);

/* Checks owners and modes of everything outside www/ and store/. */
int stl_verify_others(struct verify *verify, struct stl_error *err);

/* Checks store/: names, sizes and digests; and blobs of repositories that are copies. */
int stl_verify_store(struct verify *verify, struct stl_error *err);
/* Checks the number of links to each file of the store; after the repositories. */
void stl_verify_link_counts(struct verify *verify);

/* Check the page and the fixed answers; what is in www/v2 but is not a repository; the catalog. */
void stl_verify_files(struct verify *verify);
int stl_verify_foreign(struct verify *verify, struct stl_error *err);
int stl_verify_catalog(struct verify *verify, struct stl_error *err);
/* Checks what is counted of projects with a quota. */
int stl_verify_projects(struct verify *verify, struct stl_error *err);
/* Checks the manifests in the trash and in snapshots. */
int stl_verify_kept(struct verify *verify, struct stl_error *err);

/* An open repository, with what was found in it. */
struct verify_repo {
    struct verify *verify;
    struct stl_repo repo;
    char path[STL_PATH_MAX];      /* www/v2/<name> */
    struct stl_contents contents; /* intact manifests, and tags that point to a digest */
    struct verify_problems problems;
};

#define VERIFY_REPO_INIT                                                                                     \
    {                                                                                                        \
        .repo = STL_REPO_INIT                                                                                \
    }

void stl_verify_repo_clear(struct verify_repo *repo);
/* Checks everything; problems are added to repo->problems. Returns 1 if the repository is gone. */
int stl_verify_repo_collect(struct verify *verify, const char *name, struct verify_repo *repo,
                            struct stl_error *err);
/* Check the lists of referrers; rebuild one. */
int stl_verify_referrers(struct verify_repo *repo, struct stl_error *err);
int stl_verify_rebuild_referrers(struct verify_repo *repo, const struct stl_digest *subject,
                                 struct stl_error *err);
/* Repairs what it can; the caller holds both locks. Returns how many problems it worked on, and adds those
 * that it could not repair to `failed`, with the reason. */
int stl_verify_repo_repair(struct verify_repo *repo, struct verify_problems *failed);

/* Moves the file at `path`, relative to the registry, to trash/damaged/<name>. */
int stl_verify_set_aside(const struct verify *verify, const char *path, const char *name,
                         struct stl_error *err);

#endif
