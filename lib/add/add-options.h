/*
 * The options of stl_add() (add.h).
 */
#ifndef STL_ADD_OPTIONS_H
#define STL_ADD_OPTIONS_H

#include "compress.h"
#include "images.h"

struct stl_add_report;

struct stl_add_options {
    enum stl_format format;
    const char *ref;                     /* only the image with this name or digest in the source; or NULL */
    const struct stl_platform *platform; /* of an index, only the manifest of this platform */
    struct stl_platforms platforms;      /* of indexes, which stay as they are, only these; none: all */
    const struct stl_remote_choice *remote; /* the source is a registry; or NULL */
    const struct stl_image_name *names;     /* its names in the registry; none: those of the source */
    size_t name_count;
    enum stl_compression compression; /* of layers that are plain tars, in manifests that we make */
    const char *prefix;               /* PREFIX/ is put in front of every name; or NULL */
    bool keep_host; /* names of the source keep the registry's host: host/app, or host_5000/app */
    const struct stl_add_report
        *before; /* what this command has added before: those tags may not move; or NULL */
    void (*progress)(void *context, uint64_t done, uint64_t total); /* bytes; one thread at a time; or NULL */
    void *progress_context;
};

#endif
