#include "file-extent.h"

#include <string.h>

#include "io.h"
#include "mem.h"

void stl_extent_close(struct stl_extent *extent)
{
    if (extent->owned)
        stl_close_fd(&extent->fd);
    *extent = (struct stl_extent)STL_EXTENT_INIT;
}

ssize_t stl_extent_read(const struct stl_extent *extent, int64_t position, void *bytes, size_t length,
                        struct stl_error *err)
{
    int64_t left = extent->size - position;
    if (left < (int64_t)length)
        length = left > 0 ? (size_t)left : 0;
    ssize_t n = stl_pread_full(extent->fd, bytes, length, extent->offset + position);
    if (n < 0)
        return stl_error_errno(err, "cannot read");
    if (n < (ssize_t)length)
        return stl_error_set(err, STL_INVALID, "truncated: %lld bytes are missing", (long long)(left - n));
    return n;
}

int stl_extent_equal(const struct stl_extent *left, const struct stl_extent *right, struct stl_error *err)
{
    enum { CHUNK = 64 << 10 };
    STL_AUTO_FREE char *a = stl_alloc(CHUNK), *b = stl_alloc(CHUNK);
    if (left->size != right->size)
        return 0;
    for (int64_t position = 0; position < left->size; position += CHUNK) {
        ssize_t n = stl_extent_read(left, position, a, CHUNK, err);
        if (n < 0 || stl_extent_read(right, position, b, CHUNK, err) < 0)
            return -1;
        if (memcmp(a, b, (size_t)n) != 0)
            return 0;
    }
    return 1;
}
