/*
 * Streams: bytes that are read, or written, from beginning to end. What can be read at any position is an
 * extent (file-extent.h).
 */
#ifndef STL_STREAM_H
#define STL_STREAM_H

#include "file-extent.h"

/* Fills `bytes` and returns their number, less than `length` only at the end; or -1. */
typedef ssize_t stl_stream_read(void *context, void *bytes, size_t length, struct stl_error *err);
/* Takes the next bytes: all of them, or fails. */
typedef int stl_stream_write(void *context, const void *bytes, size_t length, struct stl_error *err);

struct stl_stream {
    stl_stream_read *read;
    void *context;
};

ssize_t stl_stream_next(const struct stl_stream *stream, void *bytes, size_t length, struct stl_error *err);

/* An extent as a stream. */
struct stl_extent_reader {
    const struct stl_extent *extent;
    int64_t position;
};
struct stl_stream stl_extent_stream(struct stl_extent_reader *reader);

#endif
