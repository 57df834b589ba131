/*
 * `stillage site`: a flat copy of the registry (flat.h) in a folder, for one kind of hosting (site-host.h).
 *
 * What the copy consists of is listed in DIR/.stillage/made, in the order in which it became visible. Nothing
 * else in DIR is ever overwritten or removed, and a DIR that has other things in it and no such list is
 * refused. The list is extended before a file is made, and shortened after files are removed, so that a run
 * that is killed leaves nothing that the next run does not know.
 *
 * Each file takes its place with one rename. A file named by its digest is assumed to be right if it has
 * the right size; all others are compared. A tag is a hard link to its manifest where that is possible.
 */
#ifndef STL_SITE_H
#define STL_SITE_H

#include "flat.h"
#include "site-host.h"

struct stl_site_options {
    const struct stl_site_host *host;
    bool hard_links; /* share files with the registry instead of copying their bytes */
    void (*progress)(void *context, uint64_t done, uint64_t total); /* bytes; or NULL */
    void *progress_context;
};

struct stl_site_result {
    uint64_t written, bytes, unchanged, removed; /* files; bytes: of those that were written */
};

/* Brings the folder `path`, which is made if it does not exist, into line with `flat`. Returns 1 if something
 * was deleted from the registry meanwhile: list again, and repeat. Fails with STL_CONFLICT if the folder, or
 * a file in it, was not made by stillage, and with STL_UNAVAILABLE if another process is writing to it. */
int stl_site_write(const struct stl_registry *registry, const struct stl_flat *flat, const char *path,
                   const struct stl_site_options *options, struct stl_site_result *result,
                   struct stl_error *err);

#endif
