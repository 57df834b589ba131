/* Where the images of a bundle go: the only place that knows --map and --prefix. */
#include "import-run.h"

#include <stdlib.h>
#include <string.h>

#include "import.h"

void stl_import_list_sources(struct import *import)
{
    const struct stl_bundle *bundle = import->bundle;
    for (size_t i = 0; i < bundle->image_count; i++) {
        const char *name = bundle->images[i].name;
        if (i == 0 || strcmp(name, bundle->images[i - 1].name)) {
            stl_grow(import->sources, import->source_count);
            import->sources[import->source_count++] = (struct import_source){.text = name};
        }
        import->targets[i] = (struct import_target){
            .image = &bundle->images[i], .source = import->source_count - 1, .root = STL_NO_NODE};
    }
}

static int rename_source(const struct stl_import_options *options, const char *source, struct stl_name *name,
                         struct stl_error *err)
{
    return stl_name_map_apply(options->maps, options->map_count, options->prefix, source, name, err);
}

int stl_import_name_target(struct import *import, struct import_target *target, struct stl_error *err)
{
    struct import_source *source = &import->sources[target->source];
    struct stl_name name;
    if (!source->name) {
        if (rename_source(import->options, source->text, &name, err))
            return stl_error_context(err, "%s", source->text);
        source->name = stl_import_keep_name(import->report, &name);
    }
    target->name = source->name;
    return 0;
}

void stl_import_list_destinations(struct import *import)
{
    const struct stl_imported *images = import->report->images;
    for (size_t i = 0; i < import->planned; i++) {
        if (i == 0 || strcmp(images[i].name->text, images[i - 1].name->text)) {
            stl_grow(import->destinations, import->destination_count);
            import->destinations[import->destination_count++] =
                (struct import_destination){.name = images[i].name, .first = i};
        }
        import->destinations[import->destination_count - 1].count++;
    }
}

static int compare_destination(const void *name, const void *destination)
{
    return strcmp(name, ((const struct import_destination *)destination)->name->text);
}

const struct import_destination *stl_import_find_destination(const struct import *import, const char *name)
{
    return import->destination_count ? bsearch(name, import->destinations, import->destination_count,
                                               sizeof *import->destinations, compare_destination)
                                     : NULL;
}

static void add_source(const struct import *import, const char *source, const char *name,
                       struct stl_names *sources)
{
    struct stl_error ignored = STL_ERROR_INIT;
    struct stl_name derived;
    for (size_t i = 0; i < sources->count; i++)
        if (!strcmp(sources->items[i], source))
            return;
    if (rename_source(import->options, source, &derived, &ignored) == 0 && !strcmp(derived.text, name))
        stl_names_add(sources, source);
}

/* Every name that becomes `name` is one of these; those that do not are left out. */
void stl_import_find_sources(const struct import *import, const char *name, struct stl_names *sources)
{
    const struct stl_import_options *options = import->options;
    size_t prefix = options->prefix ? strlen(options->prefix) : 0;
    if (prefix && (strncmp(name, options->prefix, prefix) || name[prefix] != '/'))
        return;
    const char *inner = prefix ? name + prefix + 1 : name;
    for (size_t i = 0; i < options->map_count; i++) {
        const struct stl_name_map *map = &options->maps[i];
        if (!stl_name_is_below(inner, &map->to))
            continue;
        STL_AUTO_FREE char *source = stl_sprintf("%s%s", map->from.text, inner + strlen(map->to.text));
        add_source(import, source, name, sources);
    }
    if (options->map_count == 0 || stl_import_find_destination(import, name))
        add_source(import, inner, name, sources);
}
