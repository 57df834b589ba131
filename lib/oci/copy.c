#include "copy.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "pool.h"

enum {
    CHUNK = 1 << 20,
    FLUSH = 8 << 20, /* the disk writes while we go on hashing */
    ALIGNMENT = 4096,
    CHUNKS_AHEAD = 4,
    WORKERS_PER_CORE = 3,
    WORKERS_MAX = 12,
};

size_t stl_copy_workers(void)
{
    size_t workers = WORKERS_PER_CORE * stl_pool_cores();
    return workers < WORKERS_MAX ? workers : WORKERS_MAX;
}

/* If the file system supports it, the copy shares the original's blocks: then only hashing is left, and it is
 * the copy that is hashed, which nobody else can change. */
static bool clone_blocks(const struct stl_extent *extent, const struct stl_temp *temp)
{
    struct file_clone_range range = {
        .src_fd = extent->fd, .src_offset = (uint64_t)extent->offset, .src_length = (uint64_t)extent->size};
    return extent->size > 0 && ioctl(temp->fd, FICLONERANGE, &range) == 0;
}

void stl_copy_begin(struct stl_copy *copy, int fd, enum stl_algorithm algorithm, stl_copy_progress *progress,
                    void *context)
{
    off_t start = fd >= 0 ? lseek(fd, 0, SEEK_CUR) : 0;
    *copy = (struct stl_copy){
        .fd = fd, .start = start > 0 ? start : 0, .progress = progress, .progress_context = context};
    stl_hasher_init(&copy->hasher, algorithm);
}

/* Small files are left to the later sync: thousands of them are written to disk faster together. */
static void flush(struct stl_copy *copy)
{
    if (copy->fd >= 0 && !copy->direct && copy->size >= CHUNK)
        sync_file_range(copy->fd, copy->start + copy->flushed, copy->size - copy->flushed,
                        SYNC_FILE_RANGE_WRITE);
    if (copy->progress)
        copy->progress(copy->progress_context, (uint64_t)(copy->size - copy->flushed));
    copy->flushed = copy->size;
}

/* Bypasses the page cache: that saves copying every byte, and leaves the cache to files that are being
 * served. */
static void set_direct(struct stl_copy *copy, bool direct)
{
    int flags = fcntl(copy->fd, F_GETFL);
    copy->direct =
        flags >= 0 && fcntl(copy->fd, F_SETFL, direct ? flags | O_DIRECT : flags & ~O_DIRECT) == 0 && direct;
}

static int write_copy(struct stl_copy *copy, const void *bytes, size_t length, struct stl_error *err)
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
    if (lseek(copy->fd, copy->start + copy->size, SEEK_SET) < 0)
        return stl_error_errno(err, "cannot write");
    return stl_write_all(copy->fd, bytes, length, err);
}

int stl_copy_add(struct stl_copy *copy, const void *bytes, size_t length, struct stl_error *err)
{
    stl_hasher_update(&copy->hasher, bytes, length);
    if (copy->fd >= 0 && write_copy(copy, bytes, length, err))
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

/* Writes in large pieces; a page that is not entirely ours has to go through the cache. */
static void prepare(struct stl_copy *copy, size_t length)
{
    if (copy->fd >= 0 && length == CHUNK && (copy->start + copy->size) % ALIGNMENT == 0)
        set_direct(copy, true);
}

static char *alloc_chunks(size_t length)
{
    char *chunks = aligned_alloc(ALIGNMENT, (length + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT);
    if (!chunks)
        abort();
    return chunks;
}

int stl_copy_all(struct stl_copy *copy, int64_t size, const struct stl_stream *from, struct stl_error *err)
{
    size_t length = size < CHUNK - ALIGNMENT ? (size_t)size + ALIGNMENT : CHUNK;
    STL_AUTO_FREE char *chunk = alloc_chunks(length);
    ssize_t n;
    prepare(copy, length);
    while ((n = stl_stream_next(from, chunk, length, err)) > 0)
        if (stl_copy_add(copy, chunk, (size_t)n, err))
            return -1;
    return (int)n;
}

/* --- reading ahead -------------------------------------------------------------------------------------- */

/* A ring of chunks between a thread that reads and the one that copies. */
struct ahead {
    const struct stl_stream *from;
    char *chunks;
    ssize_t lengths[CHUNKS_AHEAD]; /* of the chunks; 0: the end; -1: it cannot be read */
    struct stl_error error;
    pthread_mutex_t mutex;
    pthread_cond_t moved;
    size_t filled, taken; /* chunks so far */
    bool stopped;         /* the reader of the ring has ended */
};

static char *ahead_chunk(const struct ahead *ahead, size_t number)
{
    return ahead->chunks + number % CHUNKS_AHEAD * CHUNK;
}

static void ahead_move(struct ahead *ahead, size_t filled, size_t taken, bool stop)
{
    pthread_mutex_lock(&ahead->mutex);
    ahead->filled += filled;
    ahead->taken += taken;
    ahead->stopped |= stop;
    pthread_cond_signal(&ahead->moved);
    pthread_mutex_unlock(&ahead->mutex);
}

/* Waits while the ring holds that many chunks. Returns false if the reader of the ring has ended. */
static bool ahead_wait(struct ahead *ahead, size_t count)
{
    pthread_mutex_lock(&ahead->mutex);
    while (ahead->filled - ahead->taken == count && !ahead->stopped)
        pthread_cond_wait(&ahead->moved, &ahead->mutex);
    bool wanted = !ahead->stopped;
    pthread_mutex_unlock(&ahead->mutex);
    return wanted;
}

static void *read_ahead(void *argument)
{
    struct ahead *ahead = argument;
    ssize_t n = 1;
    while (n > 0 && ahead_wait(ahead, CHUNKS_AHEAD)) {
        n = stl_stream_next(ahead->from, ahead_chunk(ahead, ahead->filled), CHUNK, &ahead->error);
        ahead->lengths[ahead->filled % CHUNKS_AHEAD] = n;
        ahead_move(ahead, 1, 0, false);
    }
    return NULL;
}

static int take_all(struct ahead *ahead, struct stl_copy *copy, struct stl_error *err)
{
    while (ahead_wait(ahead, 0)) {
        ssize_t n = ahead->lengths[ahead->taken % CHUNKS_AHEAD];
        if (n <= 0) {
            *err = n < 0 ? ahead->error : *err;
            return (int)n;
        }
        if (stl_copy_add(copy, ahead_chunk(ahead, ahead->taken), (size_t)n, err))
            return -1;
        ahead_move(ahead, 0, 1, false);
    }
    return 0;
}

int stl_copy_ahead(struct stl_copy *copy, int64_t size, const struct stl_stream *from, struct stl_error *err)
{
    struct ahead ahead = {.from = from,
                          .mutex = PTHREAD_MUTEX_INITIALIZER,
                          .moved = PTHREAD_COND_INITIALIZER,
                          .error = STL_ERROR_INIT};
    STL_AUTO_FREE char *chunks = size > CHUNK ? alloc_chunks(CHUNKS_AHEAD * CHUNK) : NULL;
    pthread_t thread;
    ahead.chunks = chunks;
    if (!chunks || pthread_create(&thread, NULL, read_ahead, &ahead))
        return stl_copy_all(copy, size, from, err);
    prepare(copy, CHUNK);
    int result = take_all(&ahead, copy, err);
    ahead_move(&ahead, 0, 0, true);
    pthread_join(thread, NULL);
    return result;
}

/* --- extents -------------------------------------------------------------------------------------------- */

int stl_copy_blob(const struct stl_extent *extent, const struct stl_digest *digest, struct stl_temp *temp,
                  stl_copy_progress *progress, void *context, struct stl_error *err)
{
    struct stl_copy copy;
    struct stl_digest actual;
    struct stl_extent clone = {.fd = temp->fd, .size = extent->size};
    bool cloned = clone_blocks(extent, temp);
    struct stl_extent_reader reader = {.extent = cloned ? &clone : extent};
    const struct stl_stream from = stl_extent_stream(&reader);
    stl_copy_begin(&copy, cloned ? -1 : temp->fd, digest->algorithm, progress, context);
    if (stl_copy_all(&copy, extent->size, &from, err))
        return -1;
    stl_copy_end(&copy, &actual);
    if (!stl_digest_equal(&actual, digest))
        return stl_error_set(err, STL_DIGEST_INVALID, "its content has another digest");
    return 0;
}
