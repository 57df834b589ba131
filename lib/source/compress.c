#include "compress.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "mem.h"

enum {
    GZIP_LEVEL = 6,
    GZIP_MEMORY_LEVEL = 8, /* zlib's own default */
    GZIP_FLUSH = 64,       /* more than a flush can add */
    GZIP_BLOCK = 128 << 10,
    GZIP_WINDOW = 32 << 10,
    ZSTD_LEVEL = 3,
    ZSTD_BLOCK = 512 << 10,
    MEMORY_MAX = 16 << 20,
    GZIP_MEMORY = 1 << 20, /* roughly, of a thread and its two blocks */
    ZSTD_MEMORY = 4 << 20,
    THREADS_MAX = 64,
};

/* One block: filled by the calling thread, compressed by any, written by the calling thread. */
struct block {
    enum { BLOCK_FREE, BLOCK_FILLED, BLOCK_TAKEN, BLOCK_DONE } state;
    char *in, *out; /* `in` begins with `window` bytes of the block before */
    size_t window, in_length, out_length;
    uLong crc;
    bool last;
};

/* The compressor of a thread. */
struct codec {
    enum stl_compression how;
    z_stream stream;
    ZSTD_CCtx *zstd;
};

struct compressor {
    enum stl_compression how;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    struct block *blocks; /* a ring */
    size_t ring, block_size, out_size;
    uint64_t filled, taken, written; /* counts of blocks */
    bool stop;
    uLong crc;
    uint64_t length; /* of the input has been read */
};

static void codec_init(struct codec *codec, enum stl_compression how)
{
    *codec = (struct codec){.how = how};
    if (how == STL_COMPRESS_GZIP) {
        if (deflateInit2(&codec->stream, GZIP_LEVEL, Z_DEFLATED, -MAX_WBITS, GZIP_MEMORY_LEVEL,
                         Z_DEFAULT_STRATEGY))
            abort();
    } else {
        codec->zstd = ZSTD_createCCtx();
        if (!codec->zstd)
            abort();
        ZSTD_CCtx_setParameter(codec->zstd, ZSTD_c_compressionLevel, ZSTD_LEVEL);
    }
}

static void codec_clear(struct codec *codec)
{
    if (codec->how == STL_COMPRESS_GZIP)
        deflateEnd(&codec->stream);
    ZSTD_freeCCtx(codec->zstd);
}

/* Failure would be a bug: the output buffer has room for the worst case, and memory was allocated before. */
static void compress_gzip(struct codec *codec, struct block *block, size_t out_size)
{
    z_stream *stream = &codec->stream;
    unsigned char *start = (unsigned char *)block->in + block->window;
    deflateReset(stream);
    if (block->window && deflateSetDictionary(stream, (unsigned char *)block->in, (uInt)block->window))
        abort();
    stream->next_in = start;
    stream->avail_in = (uInt)block->in_length;
    stream->next_out = (unsigned char *)block->out;
    stream->avail_out = (uInt)out_size;
    int result = deflate(stream, block->last ? Z_FINISH : Z_SYNC_FLUSH);
    if (result != (block->last ? Z_STREAM_END : Z_OK) || stream->avail_in > 0 || stream->avail_out == 0)
        abort();
    block->out_length = out_size - stream->avail_out;
    block->crc = crc32(0, start, (uInt)block->in_length);
}

static void compress_zstd(struct codec *codec, struct block *block, size_t out_size)
{
    block->out_length =
        ZSTD_compress2(codec->zstd, block->out, out_size, block->in + block->window, block->in_length);
    if (ZSTD_isError(block->out_length))
        abort();
}

/* Takes the next filled block, if there is one. The mutex is held. */
static struct block *take_block(struct compressor *c)
{
    if (c->taken == c->filled)
        return NULL;
    struct block *block = &c->blocks[c->taken++ % c->ring];
    block->state = BLOCK_TAKEN;
    return block;
}

/* Compresses one block; the mutex is held before and after. */
static void work_on(struct compressor *c, struct codec *codec, struct block *block)
{
    pthread_mutex_unlock(&c->mutex);
    if (c->how == STL_COMPRESS_GZIP)
        compress_gzip(codec, block, c->out_size);
    else
        compress_zstd(codec, block, c->out_size);
    pthread_mutex_lock(&c->mutex);
    block->state = BLOCK_DONE;
    pthread_cond_broadcast(&c->changed);
}

static void *compress_blocks(void *argument)
{
    struct compressor *c = argument;
    struct codec codec;
    codec_init(&codec, c->how);
    pthread_mutex_lock(&c->mutex);
    while (!c->stop) {
        struct block *block = take_block(c);
        if (block)
            work_on(c, &codec, block);
        else
            pthread_cond_wait(&c->changed, &c->mutex);
    }
    pthread_mutex_unlock(&c->mutex);
    codec_clear(&codec);
    return NULL;
}

/* Fills the next free block; the mutex is not held. Returns 1 when it is the last. */
static int fill(struct compressor *c, const struct stl_stream *from, struct stl_error *err)
{
    struct block *block = &c->blocks[c->filled % c->ring];
    block->window = 0;
    if (c->filled > 0 && c->how == STL_COMPRESS_GZIP) {
        const struct block *before = &c->blocks[(c->filled - 1) % c->ring];
        block->window = GZIP_WINDOW;
        memcpy(block->in, before->in + before->window + before->in_length - GZIP_WINDOW, GZIP_WINDOW);
    }
    ssize_t n = stl_stream_next(from, block->in + block->window, c->block_size, err);
    if (n < 0)
        return -1;
    block->in_length = (size_t)n;
    block->last = (size_t)n < c->block_size;
    c->length += (uint64_t)n;
    pthread_mutex_lock(&c->mutex);
    block->state = BLOCK_FILLED;
    c->filled++;
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->mutex);
    return block->last;
}

/* Waits until the oldest block is done, helping with the others meanwhile, and writes it. */
static int drain(struct compressor *c, struct codec *codec, stl_stream_write *write, void *context,
                 struct stl_error *err)
{
    struct block *oldest = &c->blocks[c->written % c->ring];
    pthread_mutex_lock(&c->mutex);
    while (oldest->state != BLOCK_DONE) {
        struct block *block = take_block(c);
        if (block)
            work_on(c, codec, block);
        else
            pthread_cond_wait(&c->changed, &c->mutex);
    }
    pthread_mutex_unlock(&c->mutex);
    if (c->how == STL_COMPRESS_GZIP)
        c->crc = crc32_combine(c->crc, oldest->crc, (z_off_t)oldest->in_length);
    /* An empty last block would be an empty zstd frame, which only an empty input needs. */
    bool needed = c->how == STL_COMPRESS_GZIP || oldest->in_length > 0 || c->written == 0;
    if (needed && write(context, oldest->out, oldest->out_length, err))
        return -1;
    oldest->state = BLOCK_FREE;
    c->written++;
    return 0;
}

static int compress_all(struct compressor *c, struct codec *codec, const struct stl_stream *from,
                        stl_stream_write *write, void *context, struct stl_error *err)
{
    static const unsigned char header[] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255};
    int last = 0;
    if (c->how == STL_COMPRESS_GZIP && write(context, header, sizeof header, err))
        return -1;
    while (!last || c->written < c->filled) {
        if (last || c->filled - c->written == c->ring) {
            if (drain(c, codec, write, context, err))
                return -1;
        } else if ((last = fill(c, from, err)) < 0)
            return -1;
    }
    if (c->how != STL_COMPRESS_GZIP)
        return 0;
    unsigned char trailer[8];
    for (int i = 0; i < 4; i++) {
        trailer[i] = (unsigned char)(c->crc >> 8 * i);
        trailer[i + 4] = (unsigned char)(c->length >> 8 * i);
    }
    return write(context, trailer, sizeof trailer, err);
}

static void blocks_init(struct compressor *c, size_t threads)
{
    size_t window = c->how == STL_COMPRESS_GZIP ? GZIP_WINDOW : 0;
    c->block_size = c->how == STL_COMPRESS_GZIP ? GZIP_BLOCK : ZSTD_BLOCK;
    c->out_size = c->how == STL_COMPRESS_GZIP ? compressBound((uLong)c->block_size) + GZIP_FLUSH
                                              : ZSTD_compressBound(c->block_size);
    c->ring = 2 * threads;
    c->blocks = stl_alloc(c->ring * sizeof *c->blocks);
    for (size_t i = 0; i < c->ring; i++) {
        c->blocks[i].in = stl_alloc(window + c->block_size);
        c->blocks[i].out = stl_alloc(c->out_size);
    }
}

static void blocks_clear(struct compressor *c)
{
    for (size_t i = 0; i < c->ring; i++) {
        free(c->blocks[i].in);
        free(c->blocks[i].out);
    }
    free(c->blocks);
}

static int copy(const struct stl_stream *from, stl_stream_write *write, void *context, struct stl_error *err)
{
    STL_AUTO_FREE char *bytes = stl_alloc(GZIP_BLOCK);
    ssize_t n;
    while ((n = stl_stream_next(from, bytes, GZIP_BLOCK, err)) > 0)
        if (write(context, bytes, (size_t)n, err))
            return -1;
    return (int)n;
}

int stl_compress(enum stl_compression how, size_t threads, const struct stl_stream *from,
                 stl_stream_write *write, void *context, struct stl_error *err)
{
    size_t most = MEMORY_MAX / (how == STL_COMPRESS_GZIP ? GZIP_MEMORY : ZSTD_MEMORY);
    struct compressor c = {.how = how, .crc = crc32(0, NULL, 0)};
    struct codec codec;
    pthread_t others[THREADS_MAX];
    size_t started = 0;
    if (how == STL_COMPRESS_NONE)
        return copy(from, write, context, err);
    if (threads > most)
        threads = most;
    pthread_mutex_init(&c.mutex, NULL);
    pthread_cond_init(&c.changed, NULL);
    blocks_init(&c, threads);
    codec_init(&codec, how);
    while (started + 1 < threads && pthread_create(&others[started], NULL, compress_blocks, &c) == 0)
        started++;
    int result = compress_all(&c, &codec, from, write, context, err);
    pthread_mutex_lock(&c.mutex);
    c.stop = true;
    pthread_cond_broadcast(&c.changed);
    pthread_mutex_unlock(&c.mutex);
    for (size_t i = 0; i < started; i++)
        pthread_join(others[i], NULL);
    codec_clear(&codec);
    blocks_clear(&c);
    pthread_cond_destroy(&c.changed);
    pthread_mutex_destroy(&c.mutex);
    return result;
}

int stl_compression_parse(const char *name, enum stl_compression *compression, struct stl_error *err)
{
    static const char *const names[] = {
        [STL_COMPRESS_GZIP] = "gzip", [STL_COMPRESS_ZSTD] = "zstd", [STL_COMPRESS_NONE] = "none"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (!strcmp(name, names[i])) {
            *compression = (enum stl_compression)i;
            return 0;
        }
    }
    return stl_error_set(err, STL_USAGE, "compression '%.64s' is unknown: use gzip, zstd or none", name);
}
