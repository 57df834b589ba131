/*
 * Patterns of names: '*' matches any characters within a component, '**' any characters including '/', '?'
 * one character other than '/'.
 */
#ifndef STL_PATTERN_H
#define STL_PATTERN_H

#include <stdbool.h>

#include "err.h"

/* Whether all of `text` matches. */
bool stl_pattern_match(const char *pattern, const char *text);
/* Whether `name` is `folder`, or lies below it. */
bool stl_pattern_below(const char *folder, const char *name);
/* Orders patterns, the most specific first: by the length of the text before the first wildcard; then one
 * without a wildcard before others; then by the number of characters that are not wildcards; then by fewer
 * '**'. Returns < 0, 0 or > 0. */
int stl_pattern_compare(const char *a, const char *b);
/* Checks that a pattern could match a repository name at all: only its characters and wildcards are checked.
 * Fails with STL_INVALID. */
int stl_pattern_check(const char *pattern, struct stl_error *err);

#endif
