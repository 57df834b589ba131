#include "copy.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum {
    CHUNK = 1 << 20,
    FLUSH = 8 << 20, /* the disk gets to work while we go on hashing */
    ALIGNMENT = 4096,
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

void stl_copy_begin(struct stl_copy *copy, int fd, enum stl_algorithm algorithm, stl_copy_progress *progress,
                    void *context)
{
    *copy = (struct stl_copy){.fd = fd, .progress = progress, .progress_context = context};
    stl_hasher_init(&copy->hasher, algorithm);
}

/* Small files are left to the sync that comes later: thousands of them go to the disk better together. */
static void flush(struct stl_copy *copy)
{
    if (copy->fd >= 0 && !copy->direct && copy->size >= CHUNK)
        sync_file_range(copy->fd, copy->flushed, copy->size - copy->flushed, SYNC_FILE_RANGE_WRITE);
    if (copy->progress)
        copy->progress(copy->progress_context, (uint64_t)(copy->size - copy->flushed));
    copy->flushed = copy->size;
}

/* Past the page cache: that saves copying every byte, and the cache is left to what is being served. */
static void set_direct(struct stl_copy *copy, bool direct)
{
    int flags = fcntl(copy->fd, F_GETFL);
    copy->direct = flags >= 0 && fcntl(copy->fd, F_SETFL, direct ? flags | O_DIRECT : flags & ~O_DIRECT) == 0 && direct;
}

static int write_bytes(struct stl_copy *copy, const void *bytes, size_t length, struct stl_error *err)
{
    if (copy->direct && length % ALIGNMENT)
        set_direct(copy, false);
    if (stl_write_all(copy->fd, bytes, length, err) == 0)
        return 0;
    if (!copy->direct || err->sys_errno != EINVAL)
        return -1;
    /* The file system cannot, or has written a part that is not aligned. */
    set_direct(copy, false);
    stl_error_clear(err);
    if (lseek(copy->fd, copy->size, SEEK_SET) < 0)
        return stl_error_errno(err, "cannot write");
    return stl_write_all(copy->fd, bytes, length, err);
}

int stl_copy_add(struct stl_copy *copy, const void *bytes, size_t length, struct stl_error *err)
{
    stl_hasher_update(&copy->hasher, bytes, length);
    if (copy->fd >= 0 && write_bytes(copy, bytes, length, err))
        return -1;
    copy->size += (int64_t)length;
    if (copy->size - copy->flushed >= FLUSH)
        flush(copy);
    return 0;
}

void stl_copy_end(struct stl_copy *copy, struct stl_digest *digest)
{
    flush(copy);
    stl_hasher_final(&copy->hasher, digest);
}

static int copy_extent(const struct stl_extent *extent, struct stl_copy *copy, struct stl_error *err)
{
    size_t length = extent->size < CHUNK ? (size_t)extent->size + 1 : CHUNK;
    STL_AUTO_FREE char *chunk = aligned_alloc(ALIGNMENT, (length + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT);
    ssize_t n;
    if (!chunk)
        abort();
    if (copy->fd >= 0 && length == CHUNK)
        set_direct(copy, true);
    while ((n = stl_extent_read(extent, copy->size, chunk, length, err)) > 0)
        if (stl_copy_add(copy, chunk, (size_t)n, err))
            return -1;
    return (int)n;
}

int stl_copy_blob(const struct stl_extent *extent, const struct stl_digest *digest, struct stl_temp *temp,
                  stl_copy_progress *progress, void *context, struct stl_error *err)
{
    struct stl_copy copy;
    struct stl_digest actual;
    struct stl_extent clone = {.fd = temp->fd, .size = extent->size};
    bool cloned = clone_blocks(extent, temp);
    stl_copy_begin(&copy, cloned ? -1 : temp->fd, digest->algorithm, progress, context);
    if (copy_extent(cloned ? &clone : extent, &copy, err))
        return -1;
    stl_copy_end(&copy, &actual);
    if (!stl_digest_equal(&actual, digest))
        return stl_error_set(err, STL_DIGEST_INVALID, "its content has another digest");
    return 0;
}
