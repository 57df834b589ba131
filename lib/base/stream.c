#include "stream.h"

ssize_t stl_stream_next(const struct stl_stream *stream, void *bytes, size_t length, struct stl_error *err)
{
    return stream->read(stream->context, bytes, length, err);
}

static ssize_t read_extent(void *context, void *bytes, size_t length, struct stl_error *err)
{
    struct stl_extent_reader *reader = context;
    ssize_t n = stl_extent_read(reader->extent, reader->position, bytes, length, err);
    reader->position += n > 0 ? n : 0;
    return n;
}

struct stl_stream stl_extent_stream(struct stl_extent_reader *reader)
{
    return (struct stl_stream){read_extent, reader};
}
