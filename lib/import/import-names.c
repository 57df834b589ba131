/* The names of images in the registry. They are only ever derived forward, from the bundle's names to the
 * registry's. */
#include "import-run.h"

#include <stdlib.h>
#include <string.h>

#include "import.h"

static bool is_below(const char *name, const struct stl_name *folder)
{
    size_t length = strlen(folder->text);
    return !strncmp(name, folder->text, length) && (!name[length] || name[length] == '/');
}

int stl_import_destination(const struct stl_import_options *options, const char *source,
                           struct stl_name *name, struct stl_error *err)
{
    STL_AUTO_FREE char *text = stl_strdup(source);
    for (size_t i = 0; i < options->map_count; i++) {
        const struct stl_import_map *map = &options->maps[i];
        if (!is_below(source, &map->from))
            continue;
        free(text);
        text = stl_sprintf("%s%s", map->to.text, source + strlen(map->from.text));
        break;
    }
    STL_AUTO_FREE char *whole =
        stl_sprintf("%s%s%s", options->prefix ? options->prefix : "", options->prefix ? "/" : "", text);
    return stl_name_parse(whole, name, err);
}

static bool leads_to(const struct import *import, const char *source, const char *name)
{
    struct stl_error ignored = STL_ERROR_INIT;
    struct stl_name destination;
    return stl_import_destination(import->options, source, &destination, &ignored) == 0 &&
           !strcmp(destination.text, name);
}

size_t stl_import_count_images(const struct import *import, size_t first)
{
    const struct stl_imported *images = import->report->images + first;
    size_t count = 1;
    while (first + count < import->planned && !strcmp(images[count].name->text, images[0].name->text))
        count++;
    return count;
}

size_t stl_import_find_images(const struct import *import, const char *name, size_t *first)
{
    const struct stl_imported *images = import->report->images;
    size_t low = 0, high = import->planned;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(images[middle].name->text, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *first = low;
    return low < import->planned && !strcmp(images[low].name->text, name)
               ? stl_import_count_images(import, low)
               : 0;
}

static void add_source(const struct import *import, const char *source, const char *name,
                       struct stl_names *sources)
{
    for (size_t i = 0; i < sources->count; i++)
        if (!strcmp(sources->items[i], source))
            return;
    if (leads_to(import, source, name))
        stl_names_add(sources, source);
}

/* Every name that becomes `name` is one of these, so trying them all is enough. */
void stl_import_sources(const struct import *import, const char *name, struct stl_names *sources)
{
    const struct stl_import_options *options = import->options;
    size_t prefix = options->prefix ? strlen(options->prefix) : 0, first;
    if (prefix && (strncmp(name, options->prefix, prefix) || name[prefix] != '/'))
        return;
    const char *inner = prefix ? name + prefix + 1 : name;
    for (size_t i = 0; i < options->map_count; i++) {
        const struct stl_import_map *map = &options->maps[i];
        if (!is_below(inner, &map->to))
            continue;
        STL_AUTO_FREE char *source = stl_sprintf("%s%s", map->from.text, inner + strlen(map->to.text));
        add_source(import, source, name, sources);
    }
    if (options->map_count == 0 || stl_import_find_images(import, name, &first))
        add_source(import, inner, name, sources);
}
