/*
 * Suggestions for a mistyped name: of any number of names, the few that are closest to the wanted one.
 */
#ifndef STL_NEAREST_H
#define STL_NEAREST_H

#include <stdbool.h>
#include <stddef.h>

enum { STL_NEAREST_MAX = 5 };

struct stl_nearest {
    const char *wanted; /* the caller's */
    char *names[STL_NEAREST_MAX];
    size_t distances[STL_NEAREST_MAX]; /* ascending */
    size_t kept, count;                /* count: all names that were added */
};

#define STL_AUTO_NEAREST __attribute__((cleanup(stl_nearest_clear)))

void stl_nearest_add(struct stl_nearest *nearest, const char *name);
void stl_nearest_clear(struct stl_nearest *nearest);
/* Whether the wanted name may well be a misspelling of the nearest one, or a part of it. */
bool stl_nearest_is_close(const struct stl_nearest *nearest);
/* "v1, v2, v3 and 132 more"; "" if there are none. The caller frees. */
char *stl_nearest_format(const struct stl_nearest *nearest);

#endif
