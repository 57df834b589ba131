/*
 * What `stillage mirror` fetches: the section `mirror:` of registry.yaml, or a list of lines.
 *
 *   mirror:
 *     - from: docker.io/library/nginx    a repository; or one image, with its tag
 *       to: mirror/nginx                 its name here; without this line: its name there, without the host
 *       tags: ["1.*", latest]            patterns; without this line and without a tag: latest
 *       newest: 5                        only the five highest versions of these
 *       platforms: [linux/amd64]         of indexes, which stay as they are; without this line: all
 *       referrers: false                 neither signatures nor the like; without this line: with them
 *       prune: true                      of the tags here that these lines choose, those that are not chosen
 *                                        there go to the trash; without this line: they stay
 *
 * A line of a list is "FROM [TO]"; the rest of a line after '#' is ignored.
 */
#ifndef STL_MIRRORS_H
#define STL_MIRRORS_H

#include <stdint.h>

#include "access-rules.h"

struct stl_mirror {
    char *from, *to; /* to: NULL: not given */
    size_t line;     /* in the list, or in registry.yaml */
    struct stl_words tags, platforms;
    int64_t newest; /* 0: all */
    bool referrers, prune;
};

struct stl_mirrors {
    struct stl_mirror *items;
    size_t count;
};

/* Adds the lines of a list. `label` is for messages. Fails with STL_USAGE. */
int stl_mirrors_add_lines(struct stl_mirrors *mirrors, const char *label, const char *text,
                          struct stl_error *err);
void stl_mirrors_clear(struct stl_mirrors *mirrors);

#endif
