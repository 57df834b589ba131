/*
 * trash/: what was taken out of the registry and can come back.
 *
 *     trash/blobs/<name>/<digest>                       a blob that was taken out of a repository
 *     trash/manifests/<name>/<type>/<subtype>/<digest>  a deleted manifest; its mtime is when
 *     trash/tags/<name>/<tag>@<time>                    a deleted tag: a symbolic link <digest>;
 *                                                       seconds since 1970, with six decimals
 *     trash/damaged/<digest>                            what `stillage verify --repair` moved here
 *
 * <name> is the repository's, with '~' for '/'. Nothing here is served. Blobs stay for the grace period; tags
 * and manifests as long as registry.yaml says (`trash: keep:`), and the blobs of a manifest in the trash as
 * long as it.
 */
#ifndef STL_TRASH_H
#define STL_TRASH_H

#include "publish.h"

/* trash/<kind>/<name>, in a form for the *at() functions. */
char *stl_trash_path(const char *kind, const struct stl_name *name, char path[STL_PATH_MAX]);

/* Moves a blob of the repository to the trash. The caller holds STL_LOCK_CONTENT, exclusive. */
int stl_trash_blob(const struct stl_repo *repo, const struct stl_digest *digest, struct stl_error *err);
/* Brings it back: 1, durable; 0 if the trash has not got it. The caller holds STL_LOCK_CONTENT. */
int stl_trash_recall_blob(const struct stl_repo *repo, const struct stl_digest *digest,
                          struct stl_error *err);

/* Notes, before tags are removed, what they point to. Does nothing if deleted things are not kept. */
int stl_trash_tags(const struct stl_repo *repo, const struct stl_tagging *set, size_t count,
                   struct stl_error *err);
/* Links a manifest into the trash, before its own link is removed: then everybody can see that its deletion
 * has begun. Does nothing if deleted things are not kept. */
int stl_trash_doom_manifest(const struct stl_repo *repo, const struct stl_media_type *type,
                            const struct stl_digest *digest, struct stl_error *err);
/* Moves the file of a manifest that has no link any more to the trash, or deletes it if deleted things are
 * not kept. */
int stl_trash_manifest(const struct stl_repo *repo, const struct stl_media_type *type,
                       const struct stl_digest *digest, struct stl_error *err);
/* Finishes the deletions of manifests that were killed: those that are in the trash, and have no link any
 * more, but still their file. Without that, it would keep its blobs. Returns how many there were; with
 * `dry_run` nothing changes. The caller holds STL_LOCK_LISTS, but for a dry run. */
int stl_trash_finish(const struct stl_repo *repo, bool dry_run, struct stl_error *err);
/* stl_trash_tags() for all tags; and the like for all manifests, and for all manifests and blobs, of a
 * repository that is being deleted. Blobs are kept for the grace period in any case. */
int stl_trash_all_tags(const struct stl_repo *repo, struct stl_error *err);
int stl_trash_manifests(const struct stl_repo *repo, struct stl_error *err);
int stl_trash_content(const struct stl_repo *repo, struct stl_error *err);

/* A deleted tag or manifest. */
struct stl_trash_item {
    const char *path; /* below the registry */
    struct stl_name name;
    struct stl_tag tag; /* "" for a manifest */
    struct stl_digest digest;
    struct stl_media_type media_type; /* of a manifest; else "" */
    int64_t size;                     /* of a manifest, bytes */
    time_t deleted;
};

/* Visits the tags, then the manifests, of one repository or (NULL) of all, in no order, until `visit` returns
 * non-zero, which is returned. */
typedef int stl_trash_visit(void *context, const struct stl_trash_item *item, struct stl_error *err);
int stl_trash_each(const struct stl_registry *registry, const struct stl_name *name, stl_trash_visit *visit,
                   void *context, struct stl_error *err);

/* Deletes the tags, manifests and damaged files that are in the trash for more than `keep` seconds, or all if
 * that is negative; damaged files stay for a day at the least. The blobs of such manifests are left to
 * garbage collection. */
int stl_trash_empty(const struct stl_registry *registry, int64_t keep, struct stl_swept *swept,
                    struct stl_error *err);

#endif
