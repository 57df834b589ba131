/*
 * Documents that may be large, on their way into a bundle: not in memory, but in a file without a name below
 * /tmp, where one follows the other. (Where none can be made there, in memory after all.)
 *
 *   stl_spool_open()
 *   add to `bytes`, and call stl_spool_pass() after every few lines;
 *   stl_spool_end() makes a document of what has come since the last one
 */
#ifndef STL_SPOOL_H
#define STL_SPOOL_H

#include "digest.h"
#include "extent.h"
#include "mem.h"

struct stl_spool {
    int fd;
    struct stl_buf bytes;     /* those that are not in the file yet */
    int64_t begin, end;       /* of the document, in the file */
    struct stl_hasher hasher; /* of the document */
};

#define STL_SPOOL_INIT                                                                                       \
    {                                                                                                        \
        .fd = -1                                                                                             \
    }

int stl_spool_open(struct stl_spool *spool, struct stl_error *err);
void stl_spool_close(struct stl_spool *spool);

/* Puts what there is into the file, if that is worth it. Fails with STL_INVALID if a document gets larger
 * than STL_BUNDLE_LIST_MAX. */
int stl_spool_pass(struct stl_spool *spool, struct stl_error *err);
/* Sets *document, which is good until the spool is closed, and its sha256. */
int stl_spool_end(struct stl_spool *spool, struct stl_extent *document, struct stl_digest *digest,
                  struct stl_error *err);
/* Forgets the document that was ended last, and what has come since: it is made again. */
void stl_spool_again(struct stl_spool *spool, const struct stl_extent *document);

#endif
