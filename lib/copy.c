#include "copy.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum {
    CHUNK = 256 << 10, /* stays in the processor's cache between reading, hashing and writing */
    FLUSH = 8 << 20,   /* the disk gets to work while we go on hashing */
};

/* On a file system that can, the copy shares the original's blocks: then only hashing is left, and what is hashed
 * is the copy, which nobody else can change. */
static bool clone_blocks(const struct stl_extent *extent, const struct stl_temp *temp)
{
    struct file_clone_range range = {.src_fd = extent->fd,
                                     .src_offset = (uint64_t)extent->offset,
                                     .src_length = (uint64_t)extent->size};
    return extent->size > 0 && ioctl(temp->fd, FICLONERANGE, &range) == 0;
}

static int copy_chunks(const struct stl_extent *from, int to, struct stl_hasher *hasher,
                       stl_copy_progress *progress, void *context, struct stl_error *err)
{
    STL_AUTO_FREE char *chunk = stl_alloc(CHUNK);
    int64_t flushed = 0, position = 0;
    for (;;) {
        ssize_t n = stl_extent_read(from, position, chunk, CHUNK, err);
        if (n < 0)
            return -1;
        stl_hasher_update(hasher, chunk, (size_t)n);
        if (to >= 0 && stl_write_all(to, chunk, (size_t)n, err))
            return -1;
        position += n;
        if (position - flushed < FLUSH && n > 0)
            continue;
        if (to >= 0)
            sync_file_range(to, flushed, position - flushed, SYNC_FILE_RANGE_WRITE);
        if (progress)
            progress(context, (uint64_t)(position - flushed));
        flushed = position;
        if (n == 0)
            return 0;
    }
}

int stl_copy_blob(const struct stl_extent *extent, const struct stl_digest *digest, struct stl_temp *temp,
                  stl_copy_progress *progress, void *context, struct stl_error *err)
{
    struct stl_hasher hasher;
    struct stl_digest actual;
    struct stl_extent copy = {.fd = temp->fd, .size = extent->size};
    bool cloned = clone_blocks(extent, temp);
    stl_hasher_init(&hasher, digest->algorithm);
    if (copy_chunks(cloned ? &copy : extent, cloned ? -1 : temp->fd, &hasher, progress, context, err))
        return -1;
    stl_hasher_final(&hasher, &actual);
    if (!stl_digest_equal(&actual, digest))
        return stl_error_set(err, STL_DIGEST_INVALID, "its content has another digest");
    return 0;
}
