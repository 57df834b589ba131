/*
 * Renaming repositories on their way to another registry: OLD=NEW and a prefix.
 */
#ifndef STL_NAME_MAP_H
#define STL_NAME_MAP_H

#include "name.h"

/* Applies to `from` itself and to every name below it: with lib -> mirror, lib/app becomes mirror/app. */
struct stl_name_map {
    struct stl_name from, to;
};

/* Reads "OLD=NEW", the argument of --map. Fails with STL_USAGE or STL_NAME_INVALID. */
int stl_name_map_parse(const char *text, struct stl_name_map *map, struct stl_error *err);
/* Whether a name is `folder` or below it. */
bool stl_name_is_below(const char *name, const struct stl_name *folder);
/* The new name: the first map that applies is used, and PREFIX/ (NULL: none) is put in front of the result.
 * Fails with STL_NAME_INVALID if it is too long. */
int stl_name_map_apply(const struct stl_name_map *maps, size_t count, const char *prefix, const char *name,
                       struct stl_name *renamed, struct stl_error *err);

#endif
