/*
 * Restoring manifests from a folder of manifests: the trash or a snapshot.
 *
 * A manifest is restored by publishing it again, so every rule of a push applies. With it come its children
 * and what refers to any of them, as far as the folder has them and the repository does not.
 */
#ifndef STL_RESTORE_H
#define STL_RESTORE_H

#include "repo-contents.h"

/* What was restored. */
struct stl_restored {
    size_t tags, manifests;
};

/* A folder of manifests that is open for restoring. */
struct stl_restore {
    const struct stl_repo *repo;
    const char *folder;           /* <folder>/<type>/<subtype>/<digest>, relative to the registry; borrowed */
    struct stl_contents contents; /* of the folder */
    bool *wanted;                 /* for each manifest of it */
    bool found;                   /* something was chosen that the repository already had */
    struct stl_restored restored;
};

#define STL_AUTO_RESTORE __attribute__((cleanup(stl_restore_end)))

/* Reads the folder, which need not exist. */
int stl_restore_begin(struct stl_restore *restore, const struct stl_repo *repo, const char *folder,
                      struct stl_error *err);
void stl_restore_end(struct stl_restore *restore);

/* Chooses a manifest, of the folder or the repository. Fails with STL_MANIFEST_UNKNOWN if neither has it. */
int stl_restore_want(struct stl_restore *restore, const struct stl_digest *digest, struct stl_error *err);
/* Publishes what was chosen, with what belongs to it, but sets no tags: that comes afterwards, in one
 * publication, so that an image's signatures exist when it appears. What the repository already has is
 * left as it is but made durable, since a killed restore may not have done that. */
int stl_restore_publish(struct stl_restore *restore, struct stl_error *err);

/* Restores a tag of the repository `name` from the trash, or a manifest by its digest; without a reference,
 * every tag that does not exist now, as it was when it was last deleted. The repository may have been
 * deleted. `actor` is for the log of events and hooks; NULL: the command line. Fails with
 * STL_MANIFEST_UNKNOWN if it is not in the trash, STL_CONFLICT if the tag exists and points elsewhere, unless
 * `force`. */
int stl_restore_from_trash(const struct stl_registry *registry, const struct stl_name *name,
                           const struct stl_reference *reference, bool force, const struct stl_actor *actor,
                           struct stl_restored *restored, struct stl_error *err);

#endif
