#include "name-map.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"

int stl_name_map_parse(const char *text, struct stl_name_map *map, struct stl_error *err)
{
    STL_AUTO_FREE char *from = stl_strdup(text);
    char *to = strchr(from, '=');
    if (!to)
        return stl_error_set(err, STL_USAGE, "--map %s: give OLD=NEW", text);
    *to++ = '\0';
    if (stl_name_parse(from, &map->from, err))
        return -1;
    return stl_name_parse(to, &map->to, err);
}

bool stl_name_is_below(const char *name, const struct stl_name *folder)
{
    size_t length = strlen(folder->text);
    return !strncmp(name, folder->text, length) && (!name[length] || name[length] == '/');
}

int stl_name_map_apply(const struct stl_name_map *maps, size_t count, const char *prefix, const char *name,
                       struct stl_name *renamed, struct stl_error *err)
{
    const struct stl_name_map *map = NULL;
    for (size_t i = 0; i < count && !map; i++)
        if (stl_name_is_below(name, &maps[i].from))
            map = &maps[i];
    STL_AUTO_FREE char *whole =
        stl_sprintf("%s%s%s%s", prefix ? prefix : "", prefix ? "/" : "", map ? map->to.text : "",
                    map ? name + strlen(map->from.text) : name);
    return stl_name_parse(whole, renamed, err);
}
