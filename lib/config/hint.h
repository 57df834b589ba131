/*
 * Explains why a pattern (selection.h) matches nothing, and what exists instead: no such repository, no such
 * tag in it, or a '*' where '**' is meant.
 *
 *   hint = {.pattern = p}; for each repository: if (stl_hint_name(&hint, name)) for each tag: stl_hint_tag()
 *   stl_hint_format()
 */
#ifndef STL_HINT_H
#define STL_HINT_H

#include "nearest.h"
#include "selection.h"

struct stl_hint {
    const struct stl_selection_pattern *pattern; /* the caller's */
    struct stl_nearest names, tags;
    size_t matched; /* repositories whose name does match */
    char *only;     /* the first of these */
    char *wider;    /* one that would match if '*' were '**' */
    char *below;    /* one below the name */
    bool deeper;    /* `below` is not directly below it */
    bool of_bundle; /* the repositories are those of a bundle */
};

#define STL_AUTO_HINT __attribute__((cleanup(stl_hint_clear)))

/* Adds a repository; returns whether its tags should be added, too. */
bool stl_hint_name(struct stl_hint *hint, const char *name);
void stl_hint_tag(struct stl_hint *hint, const char *tag);
/* One line, without a full stop. The caller frees. */
char *stl_hint_format(struct stl_hint *hint);
void stl_hint_clear(struct stl_hint *hint);

#endif
