/*
 * Patterns that choose images: for `stillage export` and `stillage import`.
 *
 *   NAME:TAG          both may hold '*', '**' and '?' (stl_pattern_match): lib/app-?:v1.*, **:latest
 *   NAME              all tags of it
 *   NAME@DIGEST       a manifest, with a tag or without
 *   NAME:TAG@DIGEST   the same, with that tag where it points to that manifest
 *   sha256:<hex>      a manifest, in whatever repositories it is
 *   !PATTERN          excludes what PATTERN matches, whatever else chooses it and in any order
 *
 * If all patterns exclude, everything else is chosen. NAME may begin with a registry host, as in lists for
 * other tools: docker.io/library/app:1. The host is dropped if no repository has it in its name
 * (stl_selection_drop_hosts).
 */
#ifndef STL_SELECTION_H
#define STL_SELECTION_H

#include <stdbool.h>
#include <stddef.h>

#include "name.h"
#include "pattern.h"

struct stl_selection_pattern {
    char *text;       /* as it was given, but without a host that was dropped */
    char *host;       /* the host in front of the name; NULL: none */
    char *name, *tag; /* patterns; tag: NULL if only a digest is meant */
    struct stl_digest digest;
    bool has_digest, excludes;
    bool host_is_name, host_dropped;
    bool matched; /* for the caller: it has chosen something, or left out something */
};

struct stl_selection {
    struct stl_selection_pattern *items;
    size_t count;
    size_t chooser_count; /* those that do not exclude */
    bool has_digests;     /* some patterns name a digest */
};

#define STL_SELECTION_INIT                                                                                   \
    {                                                                                                        \
        NULL, 0, 0, false                                                                                    \
    }
#define STL_AUTO_SELECTION __attribute__((cleanup(stl_selection_clear)))

/* Adds a pattern. Fails with STL_USAGE. */
int stl_selection_add(struct stl_selection *selection, const char *text, struct stl_error *err);
/* Adds the patterns of a file, one per line; empty lines are ignored, and so is the rest of a line after a
 * '#' at its beginning or after a space. `label` is for messages. */
int stl_selection_add_lines(struct stl_selection *selection, const char *label, const char *lines,
                            struct stl_error *err);
void stl_selection_clear(struct stl_selection *selection);

/* To be called before anything is matched: the first, once for each repository; then the second, which drops
 * the hosts of patterns that match no repository with them. */
void stl_selection_note_name(struct stl_selection *selection, const char *name);
void stl_selection_drop_hosts(struct stl_selection *selection);

/* Whether an image is chosen by its tag or by its digest, each of which may be NULL. Notes which patterns
 * matched. */
bool stl_selection_matches(struct stl_selection *selection, const char *name, const char *tag,
                           const struct stl_digest *digest);
/* The same for a tag, which a digest alone does not choose. */
bool stl_selection_matches_tag(struct stl_selection *selection, const char *name, const char *tag,
                               const struct stl_digest *digest);
/* Whether a pattern excludes the image. */
bool stl_selection_excludes(struct stl_selection *selection, const char *name, const char *tag,
                            const struct stl_digest *digest);
/* Whether a repository may hold something that is chosen. */
bool stl_selection_enters(const struct stl_selection *selection, const char *name);
/* Whether all tags of a repository are chosen, including future ones. */
bool stl_selection_covers(const struct stl_selection *selection, const char *name);
/* The first pattern that was to choose something and has matched nothing, or NULL. */
const struct stl_selection_pattern *stl_selection_unmatched(const struct stl_selection *selection);

#endif
