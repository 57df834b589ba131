/*
 * `stillage add`: images of a source become images of a registry.
 *
 * Order: the list of images, their names, their manifests with all that these lead to, then every blob that
 * the registry has not got, copied and checked. Only then does anything of it get its place: blobs, manifests
 * (children first), tags. So bad input changes nothing, and death at any moment leaves a tree that serves
 * what it served; the next call finishes the work. What is there already is neither read nor written.
 */
#ifndef STL_ADD_H
#define STL_ADD_H

#include "compress.h"
#include "images.h"
#include "registry.h"

struct stl_add_options {
    enum stl_format format;
    const char *ref;                     /* only the image that the source calls so, or has this digest */
    const struct stl_platform *platform; /* of an index, only the manifest of this platform */
    const struct stl_image_name *names;  /* what to call it; none: what the source calls it */
    size_t name_count;
    enum stl_compression compression; /* of layers that are tars, in manifests that we make */
    const char *prefix;               /* PREFIX/ goes in front of every name; or NULL */
    void (*progress)(void *context, uint64_t done, uint64_t total); /* bytes; one thread at a time; or NULL */
    void *progress_context;
};

struct stl_added {
    struct stl_name name;
    struct stl_tag tag;
    struct stl_digest digest;
    bool changed;       /* false: the tag was there, and so was all it leads to */
    size_t blobs;       /* blobs of the image and of what refers to it */
    uint64_t new_bytes; /* of blobs that were new here; each counts for the first image that has it */
};

struct stl_add_report {
    struct stl_added *items; /* sorted by name and tag */
    size_t count;
};

/* Adds the images of the source behind `fd`, which it takes over; `label` names it in messages. On success
 * the caller clears the report. Durable on return. */
int stl_add(const struct stl_registry *registry, int fd, const char *label,
            const struct stl_add_options *options, struct stl_add_report *report, struct stl_error *err);
void stl_add_report_clear(struct stl_add_report *report);

#endif
