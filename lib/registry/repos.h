/*
 * The repositories that are on disk, whether or not the catalog names them.
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
/* Adds the repository whose flattened name (stl_path_flatten) a file has; a stl_dir_visit, to which `names`
 * is the struct stl_names. What is no such name is passed over. */
int stl_names_add_flat(void *names, const char *flat, unsigned char type, struct stl_error *err);
/* Sorts, and drops what is there twice. */
void stl_names_sort(struct stl_names *names);

/* Adds the names of all repositories: every folder below www/v2 that has one of a repository's own folders in
 * it, so one that is not whole counts too. */
int stl_repos_list(const struct stl_registry *registry, struct stl_names *names, struct stl_error *err);

/* Removes folders below www/v2 in which nothing is, and nobody was since `before`: what a killed deletion
 * left. */
int stl_repos_sweep(const struct stl_registry *registry, time_t before, struct stl_error *err);

/* Whether `name` is a folder that every repository has, or _refs. */
bool stl_repos_is_folder(const char *name);

#endif
