#include "extent.h"

#include <errno.h>
#include <unistd.h>

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
    for (size_t done = 0; done < length;) {
        ssize_t n =
            pread(extent->fd, (char *)bytes + done, length - done, extent->offset + position + (int64_t)done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return stl_error_errno(err, "cannot read");
        if (n == 0)
            return stl_error_set(err, STL_INVALID, "truncated: %lld bytes are missing",
                                 (long long)(left - (int64_t)done));
        done += (size_t)n;
    }
    return (ssize_t)length;
}
