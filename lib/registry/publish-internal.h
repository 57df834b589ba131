/*
 * What lib/registry/publish*.c share, and the parts of deleting that prune puts together in its own way.
 */
#ifndef STL_PUBLISH_INTERNAL_H
#define STL_PUBLISH_INTERNAL_H

#include "listing.h"
#include "publish.h"

/* "../_manifests/<type>/<subtype>/<digest>" */
enum { PUBLISH_TARGET_MAX = STL_MEDIA_TYPE_MAX + STL_DIGEST_TEXT_MAX + 32 };

char *stl_publish_link_path(const char *reference, char path[STL_PATH_MAX]); /* manifests/<reference> */
/* The target of manifests/<digest>. Fails with STL_MANIFEST_UNKNOWN. */
int stl_publish_read_target(const struct stl_repo *repo, const struct stl_digest *digest,
                            char target[PUBLISH_TARGET_MAX], struct stl_error *err);
int stl_publish_sync_folder(const struct stl_repo *repo, const char *folder, struct stl_error *err);
/* Sets the time of manifests/<reference> to now: it was pushed, or lost a tag. */
void stl_publish_touch(const struct stl_repo *repo, const char *reference);
/* Whether a tag may change: the registry's limits, then what the caller wants (a guard, or NULL). *added
 * counts the new tags of one change. */
int stl_publish_check_tag(const struct stl_repo *repo, const struct stl_tag *tag,
                          const struct stl_digest *current, const struct stl_digest *wanted,
                          stl_tag_guard *guard, void *guard_context, size_t *added, struct stl_error *err);

int stl_publish_check_tags(const struct stl_repo *repo, const struct stl_tagging *set, size_t count,
                           stl_tag_guard *guard, void *guard_context, struct stl_error *err);
/* The tags of `how` as a set, for the caller to free. */
struct stl_tagging *stl_publish_taggings(const struct stl_publish *how, const struct stl_digest *digest);
int stl_publish_sync_refs(const struct stl_repo *repo, struct stl_error *err);

/* A set of tags on its way. */
struct publish_tags {
    const struct stl_repo *repo;
    const struct stl_tagging *set; /* the caller's */
    size_t count, done;            /* of them the first `done` may have changed */
    char **old;                    /* what those pointed to; NULL: they did not exist */
    int folder, v2;
    struct stl_listing_change list, catalog;
};
#define PUBLISH_TAGS_INIT                                                                                    \
    {                                                                                                        \
        .folder = -1, .v2 = -1, .list = STL_LISTING_CHANGE_INIT, .catalog = STL_LISTING_CHANGE_INIT          \
    }
#define STL_AUTO_PUBLISH_TAGS __attribute__((cleanup(stl_publish_tags_end)))
/* Writes the lists that the set needs; nothing shows. The caller holds STL_LOCK_LISTS and has checked the
 * tags. */
int stl_publish_tags_begin(struct publish_tags *tags, const struct stl_repo *repo,
                           const struct stl_tagging *set, size_t count, struct stl_error *err);
/* Points the tags at their manifests, whose names are durable, and puts the lists into their place. Durable
 * on return. */
int stl_publish_tags_finish(struct publish_tags *tags, struct stl_error *err);
void stl_publish_tags_end(struct publish_tags *tags);

/* After the same bytes were pushed under another media type, to which manifests/<digest> leads already: makes
 * what else tells of the type follow, and removes the files under other types. The caller holds
 * STL_LOCK_LISTS. */
int stl_publish_drop_other_types(const struct stl_repo *repo, const struct stl_manifest *manifest,
                                 struct stl_error *err);

/* Deleting under locks that the caller holds: STL_LOCK_LISTS, and where manifests go while others push,
 * STL_LOCK_CONTENT, exclusive. What goes, goes to the trash. */

/* Removes tags that exist, from the list first. */
int stl_publish_remove_tags(const struct stl_repo *repo, const char *const *tags, size_t count,
                            struct stl_error *err);
/* Remove Apache's file of a tag or digest; that and the link of a tag. Not durable yet. */
int stl_publish_remove_ref(const struct stl_repo *repo, const char *reference, struct stl_error *err);
int stl_publish_unlink_tag(const struct stl_repo *repo, const char *tag, struct stl_error *err);
/* Removes a manifest to which no tag points, and takes it off its subject's list. */
int stl_publish_remove_manifest(const struct stl_repo *repo, const struct stl_digest *digest,
                                struct stl_error *err);

#endif
