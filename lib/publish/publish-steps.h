/*
 * The steps of a commit (publication.h). Only lib/publish uses this.
 */
#ifndef STL_PUBLISH_STEPS_H
#define STL_PUBLISH_STEPS_H

#include <sys/stat.h>

#include "listing.h"
#include "manifest.h"
#include "repo.h"
#include "tagging.h"

struct stl_publication;

/* A manifest to be added. */
struct stl_publication_manifest {
    const struct stl_manifest *manifest;
    const char *bytes;
    bool repeated;
    bool retyped;        /* the same bytes were there under another media type */
    bool referrer;       /* it was not in the list of its subject's referrers before */
    int file;            /* the file that this commit wrote, locked until it ends; -1: it was there before */
    struct stat written; /* what it was then */
};
#define STL_PUBLICATION_MANIFEST(manifest_, bytes_, repeated_)                                               \
    (struct stl_publication_manifest)                                                                        \
    {                                                                                                        \
        .manifest = (manifest_), .bytes = (bytes_), .repeated = (repeated_), .file = -1                      \
    }

/* Tags that are being set. */
struct publish_tags {
    const struct stl_repo *repo;
    struct stl_tagging *set; /* the caller's */
    size_t count, done;      /* the first `done` of them may have changed */
    int folder, links;       /* tags/ and manifests/ */
    struct stl_listing_change list, catalog;
};
#define PUBLISH_TAGS_INIT                                                                                    \
    {                                                                                                        \
        .folder = -1, .links = -1, .list = STL_LISTING_CHANGE_INIT, .catalog = STL_LISTING_CHANGE_INIT       \
    }

/* publish-add.c: adds the manifests, and sets the first `set_count` tags of the publication: all or
 * none. */
int stl_publish_add(const struct stl_publication *publication, struct stl_publication_manifest *manifests,
                    size_t count, size_t set_count, struct stl_error *err);

/* publish-manifests.c. Whether everything that the manifest refers to is there; the caller holds
 * STL_LOCK_CONTENT. */
int stl_publish_check_content(const struct stl_publication *publication, const struct stl_manifest *manifest,
                              struct stl_error *err);
/* Only its children: blobs stay as long as the content is locked, manifests under STL_LOCK_LISTS alone. */
int stl_publish_check_children(const struct stl_publication *publication, const struct stl_manifest *manifest,
                               struct stl_error *err);
/* Writes the bytes, then the names that lead to them. The bytes are durable before any name exists, the names
 * only after stl_publish_sync(). */
int stl_publish_put_manifest(const struct stl_repo *repo, struct stl_publication_manifest *manifest,
                             struct stl_error *err);
/* The same under STL_LOCK_LISTS, if it has been deleted since, or pushed under another type: the last push
 * counts. Then *synced becomes false. */
int stl_publish_put_manifest_again(const struct stl_repo *repo, struct stl_publication_manifest *manifest,
                                   bool *synced, struct stl_error *err);
/* Makes the names of the manifests durable, and the lists that are written for them and not yet in place. */
int stl_publish_sync(const struct stl_repo *repo, const struct stl_publication_manifest *manifests,
                     size_t count, struct publish_tags *tags, struct stl_error *err);

/* publish-take-back.c. A commit that fails removes the manifests that it wrote, unless another has built on
 * them: has published the same, or what refers to it. While a commit goes on, it holds the lock (flock) of
 * each manifest's file that it wrote; whoever builds on such a file changes its time under STL_LOCK_LISTS
 * (settle), which the first commit sees under the same lock. */
void stl_publish_take_back(const struct stl_repo *repo, const struct stl_publication_manifest *manifests,
                           size_t count);
/* `path`: of the file of a manifest. `item`: the caller's own manifest with this digest, or NULL. The caller
 * holds STL_LOCK_LISTS. Returns 1, 0 if there is no such file, or -1. */
int stl_publish_settle(const struct stl_repo *repo, const char *path,
                       const struct stl_publication_manifest *item, struct stl_error *err);
/* Whether it is there, and nobody will take it back. Needs no lock. */
bool stl_publish_is_settled(const struct stl_repo *repo, const struct stl_digest *digest);

/* publish-tags.c. Sets the time of manifests/<reference> to now: it was pushed, or lost a tag. */
void stl_publish_touch(const struct stl_repo *repo, const char *reference);
#define STL_AUTO_PUBLISH_TAGS __attribute__((cleanup(stl_publish_tags_end)))
/* Writes the lists that the set needs; nothing is visible or durable yet. The caller holds STL_LOCK_LISTS and
 * has checked the tags. */
int stl_publish_tags_begin(struct publish_tags *tags, const struct stl_repo *repo, struct stl_tagging *set,
                           size_t count, struct stl_error *err);
/* Points the tags at their manifests, after stl_publish_sync(), and puts the lists in place. Durable on
 * return. */
int stl_publish_tags_finish(struct publish_tags *tags, struct stl_error *err);
void stl_publish_tags_end(struct publish_tags *tags);

/* publish-tell.c: reports what is new: to the log of events, then to the after-manifest hook, for which
 * nobody need wait under a lock. Repeated publications are not reported, and a manifest with tags is
 * reported when these are set. */
void stl_publish_write_events(const struct stl_publication *publication,
                              const struct stl_publication_manifest *manifests, size_t count,
                              size_t set_count);
void stl_publish_start_hooks(const struct stl_publication *publication,
                             const struct stl_publication_manifest *manifests, size_t count,
                             size_t set_count);

/* publish-remove.c: removes tags and manifests. */
int stl_publish_remove(struct stl_publication *publication, struct stl_error *err);
/* Called after the same bytes came under another media type, to which manifests/<digest> already leads:
 * updates everything else that records the type, and removes the files under other types. The caller holds
 * STL_LOCK_LISTS. */
int stl_publish_drop_other_types(const struct stl_repo *repo, const struct stl_manifest *manifest,
                                 struct stl_error *err);

#endif
