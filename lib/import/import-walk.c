/* Collects the manifests and blobs that images lead to. */
#include "import-run.h"

#include <stdlib.h>
#include <string.h>

#include "import.h"

void stl_import_walk_add(struct import_walk *walk, const struct stl_graph *graph, size_t root)
{
    size_t capacity = graph->manifests.count;
    if (walk->capacity < capacity) {
        walk->seen = stl_realloc(walk->seen, capacity * sizeof *walk->seen);
        walk->order = stl_realloc(walk->order, capacity * sizeof *walk->order);
        memset(walk->seen + walk->capacity, 0, (capacity - walk->capacity) * sizeof *walk->seen);
        walk->capacity = capacity;
    }
    walk->count += stl_graph_order(graph, root, walk->seen, walk->order + walk->count);
}

void stl_import_walk_reset(struct import_walk *walk)
{
    for (size_t i = 0; i < walk->count; i++)
        walk->seen[walk->order[i]] = false;
    walk->count = 0;
}

void stl_import_walk_clear(struct import_walk *walk)
{
    free(walk->seen);
    free(walk->order);
    *walk = (struct import_walk){0};
}
