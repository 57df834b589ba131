/*
 * trash/: what has been deleted from the registry and can be restored.
 *
 *     trash/blobs/<name>/<digest>                       a blob that was taken out of a repository
 *     trash/manifests/<name>/<type>/<subtype>/<digest>  a deleted manifest; its mtime is when
 *     trash/tags/<name>/<tag>@<time>                    a deleted tag: a symbolic link <digest>;
 *                                                       seconds since 1970, with six decimals
 *     trash/damaged/<digest>                            what `stillage verify --repair` moved here
 *
 * <name> is the repository's, with '~' for '/'. Files that move to the trash keep their inodes: this takes
 * space only if a folder has to be made or grows. On a full disk, tags and manifests for which there is no
 * space are deleted without going to the trash, and registry->notice is called; a blob stays where it is.
 * Nothing in the trash is served. Blobs are kept for the grace period; tags and manifests as long as
 * registry.yaml says (`trash: keep:`), and the blobs of a manifest in the trash as long as the manifest.
 */
#ifndef STL_TRASH_H
#define STL_TRASH_H

#include "manifest.h"
#include "tagging.h"

/* Moves a blob of the repository to the trash. Fails with STL_NO_SPACE on a full disk. The caller holds
 * STL_LOCK_CONTENT, exclusive. */
int stl_trash_blob(const struct stl_repo *repo, const struct stl_digest *digest, struct stl_error *err);
/* Brings a blob back from the trash: returns 1, 0 if it is not there, or -1: STL_DENIED if it exceeds the
 * quota. It is durable where it was until the folder is synced. The caller holds STL_LOCK_CONTENT. */
int stl_trash_recall_blob(const struct stl_repo *repo, const struct stl_digest *digest,
                          struct stl_error *err);

/* Moves the links of tags to the trash, or deletes them if deleted things are not kept. */
int stl_trash_tags(const struct stl_repo *repo, const struct stl_tagging *set, size_t count,
                   struct stl_error *err);
/* Records tags in the trash whose links the caller will remove. Does nothing if deleted things are not
 * kept. */
int stl_trash_note_tags(const struct stl_repo *repo, const struct stl_tagging *set, size_t count,
                        struct stl_error *err);
/* Links a manifest into the trash, before its own link is removed: this marks its deletion as begun. Does
 * nothing if deleted things are not kept. */
int stl_trash_doom_manifest(const struct stl_repo *repo, const struct stl_media_type *type,
                            const struct stl_digest *digest, struct stl_error *err);
/* Moves the file of a manifest that no longer has a link to the trash, or deletes it if deleted things are
 * not kept. */
int stl_trash_manifest(const struct stl_repo *repo, const struct stl_media_type *type,
                       const struct stl_digest *digest, struct stl_error *err);
/* For a repository that is being deleted: stl_trash_note_tags() for all its tags; the same for all its
 * manifests; and for all its manifests and blobs. Blobs are kept for the grace period in any case. */
int stl_trash_all_tags(const struct stl_repo *repo, struct stl_error *err);
int stl_trash_manifests(const struct stl_repo *repo, struct stl_error *err);
int stl_trash_content(const struct stl_repo *repo, struct stl_error *err);

/* A deleted tag or manifest. */
struct stl_trash_item {
    const char *path; /* relative to the registry */
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

/* Deletes the tags, manifests and damaged files that have been in the trash for more than `keep` seconds, or
 * all if that is negative; damaged files are kept for at least a day. The blobs of such manifests are left to
 * garbage collection. */
int stl_trash_empty(const struct stl_registry *registry, int64_t keep, struct stl_swept *swept,
                    struct stl_error *err);

#endif
