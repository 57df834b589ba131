/*
 * One entry of `stillage mirror`: tags of a repository elsewhere become tags here, as by stl_add().
 *
 * Each tag is asked for with one HEAD; those that lead to the same image here are not fetched. The others
 * are added together; if that fails because of one of them, each is tried by itself. An immutable tag that
 * has moved there stays. With `prune`, what is no longer to be mirrored is then deleted, unless it is
 * immutable or belongs to an image, as cosign's tags do.
 */
#ifndef STL_ADD_MIRROR_H
#define STL_ADD_MIRROR_H

#include "add.h"
#include "lists.h"
#include "mirrors.h"

struct stl_mirrored {
    struct stl_name name; /* here */
    struct stl_tag tag;
    struct stl_digest digest; /* there; unless it failed or was removed */
    enum { STL_MIRROR_UNCHANGED, STL_MIRROR_CHANGED, STL_MIRROR_REMOVED, STL_MIRROR_FAILED } state;
    char *error; /* why it failed */
};

struct stl_mirror_report {
    struct stl_mirrored *items;
    size_t count, failed;
    size_t new_blobs_bytes; /* that were fetched */
    struct stl_buf notes;   /* as in struct stl_add_report */
};

/* `remote` is open for the host of mirror->from. With `dry_run`, nothing is fetched; what would be, counts as
 * changed. Fails if it could not look at the tags at all: no such repository, no network. The caller clears
 * the report in any case. */
int stl_mirror_update(const struct stl_registry *registry, const struct stl_mirror *mirror,
                      struct stl_remote *remote, bool dry_run, const struct stl_add_options *how,
                      struct stl_mirror_report *report, struct stl_error *err);
void stl_mirror_report_clear(struct stl_mirror_report *report);

#endif
