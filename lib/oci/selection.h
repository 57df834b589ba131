/*
 * Patterns that choose images: for `stillage export` and `stillage import`.
 *
 *   NAME:TAG        both may hold '*', '**' and '?' (stl_pattern_match): lib/app-?:v1.*, **:latest
 *   NAME            all tags of it
 *   NAME@DIGEST     a manifest, with a tag or without
 *   sha256:<hex>    a manifest, in whatever repositories it is
 */
#ifndef STL_SELECTION_H
#define STL_SELECTION_H

#include <stdbool.h>
#include <stddef.h>

#include "name.h"
#include "pattern.h"

struct stl_selection_pattern {
    char *text;       /* as it was given */
    char *name, *tag; /* patterns; tag is NULL where a digest is meant */
    struct stl_digest digest;
    bool matched; /* for the caller: set by stl_selection_matches() */
};

struct stl_selection {
    struct stl_selection_pattern *items;
    size_t count;
};

#define STL_SELECTION_INIT                                                                                   \
    {                                                                                                        \
        NULL, 0                                                                                              \
    }
#define STL_AUTO_SELECTION __attribute__((cleanup(stl_selection_clear)))

/* Adds a pattern. Fails with STL_USAGE. */
int stl_selection_add(struct stl_selection *selection, const char *text, struct stl_error *err);
/* Adds the patterns of a file, one in a line; empty lines and those that begin with '#' count for nothing.
 * `label` is for messages. */
int stl_selection_add_lines(struct stl_selection *selection, const char *label, const char *lines,
                            struct stl_error *err);
void stl_selection_clear(struct stl_selection *selection);

/* Whether an image is chosen: by its tag, which may be NULL, or by its digest, which may be NULL. Notes which
 * patterns did it. */
bool stl_selection_matches(struct stl_selection *selection, const char *name, const char *tag,
                           const struct stl_digest *digest);
/* The first pattern that has matched nothing, or NULL. */
const char *stl_selection_unmatched(const struct stl_selection *selection);

#endif
