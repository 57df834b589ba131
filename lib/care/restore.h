/*
 * Getting manifests back from a folder of them: the trash, or a snapshot.
 *
 * A manifest comes back by being published again, so every rule of a push holds, and with it come its
 * children and what refers to any of them, as far as the folder has them and the repository has not.
 */
#ifndef STL_RESTORE_H
#define STL_RESTORE_H

#include "contents.h"
#include "publish.h"

/* What came back. */
struct stl_restored {
    size_t tags, manifests;
};

/* A folder of manifests that is open for restoring. */
struct stl_restore {
    const struct stl_repo *repo;
    const char *folder;           /* <folder>/<type>/<subtype>/<digest>, relative to the registry; borrowed */
    struct stl_contents contents; /* of the folder */
    bool *wanted;                 /* for each manifest of it */
    bool found;                   /* something that the repository had already */
    struct stl_restored restored;
};

#define STL_AUTO_RESTORE __attribute__((cleanup(stl_restore_end)))

/* Reads the folder, which need not exist. */
int stl_restore_begin(struct stl_restore *restore, const struct stl_repo *repo, const char *folder,
                      struct stl_error *err);
void stl_restore_end(struct stl_restore *restore);

/* Chooses a manifest, of the folder or the repository. Fails with STL_MANIFEST_UNKNOWN if neither has it. */
int stl_restore_want(struct stl_restore *restore, const struct stl_digest *digest, struct stl_error *err);
/* Publishes what was chosen, with what belongs to it, and sets no tag: that is for stl_publish_tag_set(), so
 * that an image's signatures are there when it appears. What the repository has already is left as it is, but
 * made durable: a restoring that was killed may not have. */
int stl_restore_publish(struct stl_restore *restore, struct stl_error *err);

/* Brings a tag of the repository `name` back from the trash, or a manifest by its digest; without a
 * reference, every tag whose name is free, as it was when it was deleted last. The repository need not exist
 * any more. Fails with STL_MANIFEST_UNKNOWN if the trash has not got it, STL_CONFLICT if the tag exists and
 * points elsewhere, unless `force`. */
int stl_restore_from_trash(const struct stl_registry *registry, const struct stl_name *name,
                           const struct stl_reference *reference, bool force, struct stl_restored *restored,
                           struct stl_error *err);

#endif
