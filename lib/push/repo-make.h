/*
 * Making a repository.
 */
#ifndef STL_REPO_MAKE_H
#define STL_REPO_MAKE_H

#include "repo.h"

/* Opens a repository, and makes it if it does not exist. It is not in the catalog before its first manifest,
 * unless it is created (repo-create.h). While it is open, garbage collection does not remove it, even if it
 * is empty. The caller may hold STL_LOCK_CONTENT, but no STL_LOCK_LISTS, for which this would wait forever:
 * it takes those of the outer repositories, and that of this one to finish a deletion. */
int stl_repo_make(struct stl_repo *repo, const struct stl_registry *registry, const struct stl_name *name,
                  struct stl_error *err);

#endif
