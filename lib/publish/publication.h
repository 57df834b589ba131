/*
 * The one way in which the tags and manifests of a repository change: a publication collects the changes,
 * and its commit makes all of them or none.
 *
 *     STL_AUTO_PUBLICATION struct stl_publication publication = STL_PUBLICATION_INIT;
 *     stl_publication_begin(&publication, &repo);
 *     stl_publication_set_tag(&publication, &tag, &manifest.digest, false);
 *     stl_publication_add_manifest(&publication, &manifest, bytes, false);
 *     return stl_publication_commit(&publication, err);
 *
 * Before the commit nothing changes, nobody is asked and no lock is held; a publication that ends without it
 * has been abandoned. The commit
 *
 *   1. asks whether all of it is allowed (consent.h): what a manifest refers to is there, the limits, the
 *      guard, the hook. A refusal leaves nothing behind. The caller has made sure that the registry is not
 *      frozen (freeze.h);
 *   2. adds what is new, each step durable before the next: blobs (stl_repo_put_blob, before all this) ->
 *      manifest bytes -> manifests/<digest> -> referrers -> manifests/<tag> -> tags/list -> _catalog. The
 *      limits and the guard are asked again while the tags are locked: that answer is binding;
 *   3. removes what is to be removed, in reverse order. It goes to the trash, and this works on a full
 *      disk (reserve.h);
 *   4. writes the events and the details (details.h), and starts the after-manifest hook: once for each
 *      manifest, with all its tags.
 *
 * A reader never sees a name whose content is missing, and a crash at any point leaves the old or the new
 * state of each name; repeating the call completes the work. When it returns 0, everything is durable.
 *
 * A commit that fails leaves the tags that were to be set, and their lists, as they were: everything that
 * takes space, including the new lists, is written before the first tag changes, and tags that have changed
 * are set back. Exceptions: the sync of tags/list or, after it, the rename of a finished _catalog fails; or
 * there is no space to set one of several tags back. A manifest that it wrote is taken back, too, with its
 * entry in a list of referrers, unless another commit has built on it meanwhile: has brought the same
 * manifest, an index of it, or a tag. One that was there under another media type keeps the new one.
 */
#ifndef STL_PUBLICATION_H
#define STL_PUBLICATION_H

#include "manifest.h"
#include "reserve.h"
#include "tagging.h"

struct stl_publication_manifest;

struct stl_publication {
    /* For the caller to set after stl_publication_begin(). */
    bool allow_missing_children; /* an index may come before its manifests */
    bool allow_missing_blobs;    /* an image may come before its blobs */
    bool only_tags_told;         /* no event and no hook for a written manifest to which no tag is set */
    stl_tag_guard *guard;        /* asked about each tag that is set or deleted; or NULL */
    void *guard_context;

    /* The rest belongs to lib/publish. */
    const struct stl_repo *repo;
    struct stl_publication_manifest *manifests; /* to come */
    struct stl_tagging *set;
    struct stl_tag *gone;
    struct stl_digest *doomed; /* manifests */
    size_t manifest_count, set_count, gone_count, doomed_count;
    int content, lists; /* the locks, or -1 */
    struct stl_reserve_loan loan;
};

#define STL_PUBLICATION_INIT                                                                                 \
    {                                                                                                        \
        .content = -1, .lists = -1                                                                           \
    }
#define STL_AUTO_PUBLICATION __attribute__((cleanup(stl_publication_end)))
/* `repo` must outlive the publication. */
void stl_publication_begin(struct stl_publication *publication, const struct stl_repo *repo);
void stl_publication_end(struct stl_publication *publication);

/* Points a tag at a manifest that is there, or comes with the publication. `repeated`: it points there
 * already, and completing that runs no hook and writes no event. */
void stl_publication_set_tag(struct stl_publication *publication, const struct stl_tag *tag,
                             const struct stl_digest *digest, bool repeated);
/* A manifest whose exact bytes are `bytes`; both must outlive the commit, which fails with
 * STL_MANIFEST_BLOB_UNKNOWN, naming the first thing that it refers to and the repository lacks, or with
 * STL_MANIFEST_INVALID if a size differs. `repeated`: it is there, but perhaps not completely: no hook, no
 * event. */
void stl_publication_add_manifest(struct stl_publication *publication, const struct stl_manifest *manifest,
                                  const char *bytes, bool repeated);
/* The same at once, for callers with more manifests than belong in memory: steps 1, 2 and 4 for this
 * manifest. Tags must have been set before, so that the hook is asked about the manifest with them, but
 * they change with the commit, in which events and hooks tell of them. The manifest stays if the
 * publication is abandoned. May be called by several threads. */
int stl_publication_write_manifest(const struct stl_publication *publication,
                                   const struct stl_manifest *manifest, const char *bytes, bool repeated,
                                   struct stl_error *err);
/* Deletes a tag and nothing else. If one of the tags may not be deleted, none is; if one does not exist, the
 * others are deleted, and the commit then fails with STL_MANIFEST_UNKNOWN. */
void stl_publication_delete_tag(struct stl_publication *publication, const struct stl_tag *tag);
/* Deletes a manifest, the tags that point to it and its entry in its subject's referrers, and nothing else:
 * its blobs, children and referrers are kept. The commit fails with STL_MANIFEST_UNKNOWN if it is not there,
 * and with STL_DENIED if an immutable tag leads to it. Several are deleted in the order of the calls. */
void stl_publication_delete_manifest(struct stl_publication *publication, const struct stl_digest *digest);

int stl_publication_commit(struct stl_publication *publication, struct stl_error *err);

/* How many tags have changed. */
struct stl_publication_replaced {
    size_t set, removed;
};
/* Instead of the commit, for tags only: all change in one step, so that a reader sees either the old tags or
 * the new ones. Other tags are deleted, unless `keep`. The hook is asked about those that change. Fails with
 * STL_UNAVAILABLE if other pushes leave no gap. */
int stl_publication_replace(struct stl_publication *publication, bool keep,
                            struct stl_publication_replaced *result, struct stl_error *err);

/* Takes the locks for deletions now (STL_LOCK_CONTENT, exclusive, and STL_LOCK_LISTS), for a caller that
 * reads the repository to decide what to delete; they are held to the end. Repository folders opened before
 * are outdated. Such a publication can only delete. Fails with STL_UNAVAILABLE after `milliseconds`. */
int stl_publication_lock(struct stl_publication *publication, unsigned milliseconds, struct stl_error *err);

/* Whether publishing the manifest would change nothing, not even complete an earlier attempt that was killed
 * halfway: returns 1, 0 or -1. Needs no lock. */
int stl_publication_is_done(const struct stl_repo *repo, const struct stl_manifest *manifest,
                            struct stl_error *err);

/* Deletes a whole repository, except for repositories nested in it. `actor` is for the log of events; NULL:
 * the command line. Fails with STL_NAME_UNKNOWN. */
int stl_repo_delete(const struct stl_registry *registry, const struct stl_name *name,
                    const struct stl_actor *actor, struct stl_error *err);

#endif
