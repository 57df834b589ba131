/*
 * trash/: what was taken out of the registry and can come back.
 *
 *     trash/blobs/<name>/<digest>      a blob that garbage collection took out of a repository, for the grace
 * period
 *
 * <name> is the repository's, with '~' for '/'. Nothing here is served.
 */
#ifndef STL_TRASH_H
#define STL_TRASH_H

#include "repo.h"

/* trash/<kind>/<name>, in a form for the *at() functions. */
char *stl_trash_path(const char *kind, const struct stl_name *name, char path[STL_PATH_MAX]);

/* Moves a blob of the repository to the trash. The caller holds STL_LOCK_CONTENT, exclusive. */
int stl_trash_blob(const struct stl_repo *repo, const struct stl_digest *digest, struct stl_error *err);
/* Brings it back: 1, durable; 0 if the trash has not got it. The caller holds STL_LOCK_CONTENT. */
int stl_trash_recall_blob(const struct stl_repo *repo, const struct stl_digest *digest,
                          struct stl_error *err);

#endif
