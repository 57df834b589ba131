/*
 * What lib/registry/publish*.c share, and the parts of deleting that prune puts together in its own way.
 */
#ifndef STL_PUBLISH_INTERNAL_H
#define STL_PUBLISH_INTERNAL_H

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
/* Removes a manifest to which no tag points, and takes it off its subject's list. */
int stl_publish_remove_manifest(const struct stl_repo *repo, const struct stl_digest *digest,
                                struct stl_error *err);

#endif
