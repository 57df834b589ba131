/*
 * Holds possibly large documents for a bundle: not in memory, but one after the other in an unnamed file
 * below /tmp. (If no file can be made there, they are kept in memory after all.)
 *
 *   stl_spool_open()
 *   add to `bytes`, and call stl_spool_pass() after every few lines;
 *   stl_spool_end() makes a document of what has come since the last one
 */
#ifndef STL_DOCUMENT_SPOOL_H
#define STL_DOCUMENT_SPOOL_H

#include "digest.h"
#include "file-extent.h"
#include "mem.h"

struct stl_spool {
    int fd;
    struct stl_buf bytes;     /* bytes that are not in the file yet */
    int64_t begin, end;       /* of the document, in the file */
    struct stl_hasher hasher; /* of the document */
};

#define STL_SPOOL_INIT                                                                                       \
    {                                                                                                        \
        .fd = -1                                                                                             \
    }

int stl_spool_open(struct stl_spool *spool, struct stl_error *err);
void stl_spool_close(struct stl_spool *spool);

/* Sets the error that a document, or the bundle, becomes too large. Returns -1. */
int stl_spool_full(struct stl_error *err);

/* Writes the collected bytes to the file once there are enough of them. Fails with STL_INVALID if a document
 * becomes larger than STL_BUNDLE_LIST_MAX. */
int stl_spool_pass(struct stl_spool *spool, struct stl_error *err);
/* Sets *document, which is valid until the spool is closed, and its sha256. */
int stl_spool_end(struct stl_spool *spool, struct stl_extent *document, struct stl_digest *digest,
                  struct stl_error *err);
/* Discards the document that was ended last and everything added since, so that it can be made again. */
void stl_spool_again(struct stl_spool *spool, const struct stl_extent *document);

#endif
