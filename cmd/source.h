/*
 * What `stillage add` takes images from, as given on the command line: [FORMAT:]PATH[:REF], "-", or
 * docker://[HOST/]NAME[:TAG|@DIGEST], or s3://BUCKET[/PREFIX].
 */
#ifndef SOURCE_H
#define SOURCE_H

#include "address.h"
#include "err.h"
#include "images.h"

/* Whether an argument is a source or a NAME[:TAG]. Where it could be both (PERHAPS), nobody should guess: a
 * name can be written with its tag, and a file with ./ in front. MISSING is written as a path, but does not
 * exist. */
enum source_reading { SOURCE_NO, SOURCE_YES, SOURCE_PERHAPS, SOURCE_MISSING };
enum source_reading source_reads(const char *text);

struct source {
    int fd;                     /* the caller's */
    char *label;                /* its name in messages; on the heap */
    const char *ref;            /* in `text`, or NULL */
    enum stl_format format;     /* STL_FORMAT_REMOTE: `fd` is -1, and ... */
    struct stl_address address; /* ... this is where it is, unless ... */
    bool is_bucket;             /* ... it is a bucket (bucket-address.h) */
};

/* Fails with STL_USAGE for what can never be opened, such as images in daemons: says how to get them. */
int source_check(const char *text, struct stl_error *err);
/* Opens it. */
int source_open(const char *text, struct source *source, struct stl_error *err);

#endif
