/*
 * Images of this registry, sent to another one.
 *
 * What is there already is not sent: a tag that leads to the image there costs one HEAD; otherwise
 * manifests and blobs are asked for, several at once. A blob that was sent to another repository of the
 * same host in this run is mounted from there. Then come the manifests, children before their indexes and
 * subjects before their referrers, and tags last, so that nobody there finds half an image. Where the
 * registry has no referrers API, the index with the tag of the digest is kept up to date. A run that is
 * interrupted can be repeated.
 */
#ifndef STL_OUTGOING_H
#define STL_OUTGOING_H

#include "name-map.h"
#include "registry.h"
#include "remote.h"
#include "selection.h"

struct stl_outgoing_options {
    struct stl_remote *remote;
    struct stl_selection *selection;
    const struct stl_name_map *maps;
    size_t map_count;
    const char *prefix; /* PREFIX/ is put in front of every name, after the maps; or NULL */
    bool without_referrers, dry_run;
    void (*progress)(void *context, uint64_t done, uint64_t total); /* bytes; or NULL */
    void *progress_context;
};

struct stl_outgoing_image {
    struct stl_name from, to;
    struct stl_tag tag; /* "": only the manifest */
    struct stl_digest digest;
    bool there; /* it was there already */
};

struct stl_outgoing_report {
    struct stl_outgoing_image *items;
    size_t count;
    size_t blobs, mounted, manifests; /* that were sent; with dry_run, that would be */
    uint64_t bytes;                   /* of the blobs */
};

/* Sends what is chosen, repository by repository, and stops at the first failure: what was sent stays, and
 * `report`, which the caller clears in any case, says which images are complete there. */
int stl_outgoing_send(const struct stl_registry *registry, const struct stl_outgoing_options *options,
                      struct stl_outgoing_report *report, struct stl_error *err);
void stl_outgoing_report_clear(struct stl_outgoing_report *report);

#endif
