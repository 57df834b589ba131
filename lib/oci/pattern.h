/*
 * Patterns of names: '*' stands for any run within a component, '**' for any run, '/' included, '?' for any
 * character but '/'.
 */
#ifndef STL_PATTERN_H
#define STL_PATTERN_H

#include <stdbool.h>

#include "err.h"

/* Whether all of `text` matches. */
bool stl_pattern_match(const char *pattern, const char *text);
/* Orders patterns, the most specific first: by the length of the text before the first wildcard; then, one
 * without a wildcard; then, by the number of characters that are no wildcards; then, one with fewer '**'.
 * Returns < 0, 0 or > 0. */
int stl_pattern_compare(const char *a, const char *b);
/* Whether a pattern could match a repository name at all: only its letters and wildcards. Fails with
 * STL_INVALID. */
int stl_pattern_check(const char *pattern, struct stl_error *err);

#endif
