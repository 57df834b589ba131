#include "nearest.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"

/* Longer names are compared by their beginning. */
enum { COMPARED_MAX = 64 };

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* How many characters have to be inserted, deleted or changed. */
static size_t edits(const char *a, const char *b)
{
    size_t length = strnlen(b, COMPARED_MAX), row[COMPARED_MAX + 1];
    for (size_t k = 0; k <= length; k++)
        row[k] = k;
    for (size_t i = 0; i < COMPARED_MAX && a[i]; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t k = 0; k < length; k++) {
            size_t changed = diagonal + (a[i] != b[k]);
            diagonal = row[k + 1];
            row[k + 1] = least(changed, least(row[k], row[k + 1]) + 1);
        }
    }
    return row[length];
}

/* A name that contains the wanted one is near, however long it is. So is a name inside the wanted one, but
 * less so. */
static size_t distance(const char *wanted, const char *name)
{
    size_t steps = edits(wanted, name);
    if (*wanted && strstr(name, wanted))
        return least(steps, 1 + steps / 16);
    return *name && strstr(wanted, name) ? least(steps, 1 + (steps + 2) / 3) : steps;
}

void stl_nearest_add(struct stl_nearest *nearest, const char *name)
{
    size_t steps = distance(nearest->wanted, name), place = nearest->kept;
    for (size_t i = 0; i < nearest->kept; i++)
        if (!strcmp(nearest->names[i], name))
            return;
    nearest->count++;
    while (place > 0 && nearest->distances[place - 1] > steps)
        place--;
    if (place == STL_NEAREST_MAX)
        return;
    if (nearest->kept == STL_NEAREST_MAX)
        free(nearest->names[--nearest->kept]);
    for (size_t i = nearest->kept++; i > place; i--) {
        nearest->names[i] = nearest->names[i - 1];
        nearest->distances[i] = nearest->distances[i - 1];
    }
    nearest->names[place] = stl_strdup(name);
    nearest->distances[place] = steps;
}

void stl_nearest_clear(struct stl_nearest *nearest)
{
    for (size_t i = 0; i < nearest->kept; i++)
        free(nearest->names[i]);
    nearest->kept = nearest->count = 0;
}

bool stl_nearest_is_close(const struct stl_nearest *nearest)
{
    return nearest->kept > 0 && nearest->distances[0] <= 1 + strlen(nearest->wanted) / 4;
}

char *stl_nearest_format(const struct stl_nearest *nearest)
{
    char *text = stl_strdup("");
    bool all = nearest->count == nearest->kept;
    for (size_t i = 0; i < nearest->kept; i++) {
        STL_AUTO_FREE char *before = text;
        const char *between = i == 0 ? "" : all && i + 1 == nearest->kept ? " and " : ", ";
        text = stl_sprintf("%s%s%.128s", before, between, nearest->names[i]);
    }
    if (!all) {
        STL_AUTO_FREE char *before = text;
        text = stl_sprintf("%s and %zu more", before, nearest->count - nearest->kept);
    }
    return text;
}
