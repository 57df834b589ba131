/*
 * `stillage add`: images of a source become images of a registry.
 *
 * Order: the list of images, their names, their manifests with everything that these lead to, then every blob
 * that the registry does not have, copied and checked. Only then is anything put in place: blobs, manifests
 * (children first), tags. So bad input changes nothing, and if the process is killed at any point, the
 * registry still serves what it served before; the next call completes the work. What is there already is
 * neither read nor written; what had arrived from a registry by then is not fetched again.
 */
#ifndef STL_ADD_H
#define STL_ADD_H

#include "add-options.h"
#include "registry.h"

struct stl_added {
    struct stl_name name;
    struct stl_tag tag; /* "": the image has no tag and is known by its digest */
    struct stl_digest digest;
    bool changed;           /* false: the tag was there already, with everything it leads to */
    size_t blobs;           /* blobs of the image and of what refers to it */
    uint64_t new_bytes;     /* of blobs that were new here; each is counted for the first image that has it */
    bool moved;             /* the tag pointed to another image */
    struct stl_digest from; /* that image; if moved */
};

struct stl_add_report {
    struct stl_added *items; /* sorted by name and tag */
    size_t count;
    struct stl_buf notes; /* further messages for people, one per line */
};

/* Adds the images of the source behind `fd`, which it takes over, or of options->remote; `label` names it in
 * messages. On success the caller clears the report. Durable on return. */
int stl_add(const struct stl_registry *registry, int fd, const char *label,
            const struct stl_add_options *options, struct stl_add_report *report, struct stl_error *err);
void stl_add_report_clear(struct stl_add_report *report);

#endif
