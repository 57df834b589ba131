/*
 * The repositories on disk, whether or not the catalog lists them.
 */
#ifndef STL_REPOS_H
#define STL_REPOS_H

#include <time.h>

#include "registry.h"

/* Names in the order of strcmp. Initialise with {0}. */
struct stl_names {
    char **items; /* each is a valid repository name */
    size_t count;
};

#define STL_AUTO_NAMES __attribute__((cleanup(stl_names_clear)))

void stl_names_clear(struct stl_names *names);
void stl_names_add(struct stl_names *names, const char *name);
/* Adds the repository whose flattened name (stl_path_flatten) is `flat`; a stl_dir_visit whose context
 * `names` is the struct stl_names. Other file names are skipped. */
int stl_names_add_flat(void *names, const char *flat, unsigned char type, struct stl_error *err);
/* Sorts and removes duplicates. */
void stl_names_sort(struct stl_names *names);

/* Adds the names of all repositories: every folder below www/v2 that has one of a repository's own folders in
 * it, so an incomplete one counts too. A folder that only leads to nested ones does not (nesting.h). */
int stl_repos_list(const struct stl_registry *registry, struct stl_names *names, struct stl_error *err);

/* The same, and removes folders below www/v2 that are empty and have not been used since `before`: leftovers
 * of killed deletions. */
int stl_repos_sweep(const struct stl_registry *registry, time_t before, struct stl_names *names,
                    struct stl_error *err);

#endif
