/*
 * One run of stl_outgoing_send() (outgoing.h), and its steps for one repository. Only lib/remote uses this.
 */
#ifndef STL_OUTGOING_RUN_H
#define STL_OUTGOING_RUN_H

#include "repo-contents.h"

struct stl_outgoing_options;
struct stl_outgoing_report;

/* A tag to be set there, or a manifest without one. */
struct outgoing_target {
    struct stl_tag tag; /* "": none */
    size_t manifest;    /* in `contents` */
    bool there;
};

struct outgoing {
    const struct stl_outgoing_options *options;
    struct stl_outgoing_report *report;
    struct stl_repo repo;
    struct stl_contents contents;
    struct stl_name to;
    struct outgoing_target *targets;
    size_t target_count;
    bool *missing; /* for each manifest: it has to be sent */
    uint64_t done, total;
    /* For all repositories: blobs that are there, and in which repository. */
    struct stl_digestset known;
    struct stl_name **known_in; /* known_in[i] belongs to known.items[i] */
    struct stl_name **names;    /* those of known_in */
    size_t name_count;
    const char *from; /* the repository that blobs of this one are mounted from; NULL: none */
};

/* Sends the blobs of the missing manifests, as far as they are not there. */
int stl_outgoing_blobs(struct outgoing *outgoing, struct stl_error *err);
/* Sends the missing manifests, then sets the tags. */
int stl_outgoing_manifests(struct outgoing *outgoing, struct stl_error *err);

#endif
