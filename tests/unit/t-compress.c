#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "compress.h"
#include "unit.h"

enum { MEBIBYTE = 1 << 20 };

struct stream {
    const char *in;
    size_t in_length, position;
    struct stl_buf out;
    size_t fail_read_at, fail_write_at; /* bytes; 0: never */
};

static ssize_t read_stream(void *context, void *bytes, size_t length, struct stl_error *error)
{
    struct stream *stream = context;
    size_t left = stream->in_length - stream->position;
    size_t n = left < length ? left : length;
    if (stream->fail_read_at && stream->position >= stream->fail_read_at)
        return stl_error_set(error, STL_INVALID, "read");
    memcpy(bytes, stream->in + stream->position, n);
    stream->position += n;
    return (ssize_t)n;
}

static int write_stream(void *context, const void *bytes, size_t length, struct stl_error *error)
{
    struct stream *stream = context;
    if (stream->fail_write_at && stream->out.length >= stream->fail_write_at)
        return stl_error_set(error, STL_NO_SPACE, "write");
    assert_int_equal(stl_buf_add(&stream->out, bytes, length), 0);
    return 0;
}

/* Like text in places, like noise in others; the same for the same seed. */
static char *make_input(size_t length, unsigned seed)
{
    char *input = stl_alloc(length + 1);
    for (size_t i = 0; i < length; i++) {
        seed = seed * 1103515245 + 12345;
        input[i] = (i >> 15) % 3 == 0   ? (char)(seed >> 16)
                   : (i >> 15) % 3 == 1 ? "lorem ipsum "[i % 12]
                                        : (char)(seed >> 28);
    }
    return input;
}

static void check_gzip(const struct stream *stream)
{
    STL_AUTO_FREE char *plain = stl_alloc(stream->in_length + 1);
    z_stream z = {.next_in = (unsigned char *)stream->out.data,
                  .avail_in = (uInt)stream->out.length,
                  .next_out = (unsigned char *)plain,
                  .avail_out = (uInt)stream->in_length + 1};
    assert_int_equal(inflateInit2(&z, MAX_WBITS + 16), Z_OK);
    assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
    assert_int_equal(z.total_out, stream->in_length);
    assert_int_equal(z.avail_in, 0); /* one member, nothing behind it */
    assert_memory_equal(plain, stream->in, stream->in_length);
    inflateEnd(&z);
}

static void check_zstd(const struct stream *stream)
{
    STL_AUTO_FREE char *plain = stl_alloc(stream->in_length + 1);
    size_t n = ZSTD_decompress(plain, stream->in_length + 1, stream->out.data, stream->out.length);
    assert_int_equal(n, stream->in_length);
    assert_memory_equal(plain, stream->in, stream->in_length);
}

static void compress_and_check(enum stl_compression how, const char *input, size_t length)
{
    static const size_t threads[] = {1, 2, 3, 16};
    STL_AUTO_BUF struct stl_buf first = STL_BUF_INIT;
    for (size_t i = 0; i < sizeof threads / sizeof *threads; i++) {
        struct stream stream = {.in = input, .in_length = length};
        OK(stl_compress(how, threads[i], &(struct stl_stream){read_stream, &stream}, write_stream, &stream,
                        &err));
        if (how == STL_COMPRESS_GZIP)
            check_gzip(&stream);
        else if (how == STL_COMPRESS_ZSTD)
            check_zstd(&stream);
        else
            assert_int_equal(stream.out.length, length);
        if (i == 0)
            first = stream.out;
        else {
            assert_int_equal(stream.out.length, first.length);
            assert_memory_equal(stream.out.data ? stream.out.data : "", first.data ? first.data : "",
                                first.length);
            stl_buf_clear(&stream.out);
        }
    }
}

static void every_length_comes_back(void **state)
{
    static const size_t lengths[] = {0,
                                     1,
                                     512,
                                     (128 << 10) - 1,
                                     128 << 10,
                                     (128 << 10) + 1,
                                     512 << 10,
                                     (512 << 10) + 1,
                                     3 * MEBIBYTE,
                                     5 * MEBIBYTE + 77};
    STL_AUTO_FREE char *input = make_input(6 * MEBIBYTE, 1);
    (void)state;
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
        for (int how = STL_COMPRESS_GZIP; how <= STL_COMPRESS_NONE; how++)
            compress_and_check((enum stl_compression)how, input, lengths[i]);
}

static void noise_and_nothing_come_back(void **state)
{
    STL_AUTO_FREE char *noise = stl_alloc(2 * MEBIBYTE), *zeros = stl_alloc(2 * MEBIBYTE);
    unsigned long long x = 88172645463325252ull;
    (void)state;
    for (size_t i = 0; i < 2 * MEBIBYTE; i++) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        noise[i] = (char)x;
    }
    for (int how = STL_COMPRESS_GZIP; how <= STL_COMPRESS_NONE; how++) {
        compress_and_check((enum stl_compression)how, noise, 2 * MEBIBYTE);
        compress_and_check((enum stl_compression)how, zeros, 2 * MEBIBYTE);
    }
}

/* The digest of a layer must not depend on when and by what machine it was made. */
static void gzip_header_says_nothing(void **state)
{
    struct stream stream = {.in = "x", .in_length = 1};
    (void)state;
    OK(stl_compress(STL_COMPRESS_GZIP, 1, &(struct stl_stream){read_stream, &stream}, write_stream, &stream,
                    &err));
    assert_memory_equal(stream.out.data, "\x1f\x8b\x08\0\0\0\0\0\0\xff", 10);
    stl_buf_clear(&stream.out);
}

/* Blocks look back, so cutting the stream costs little. */
static void blocks_cost_little(void **state)
{
    STL_AUTO_FREE char *input = make_input(4 * MEBIBYTE, 5);
    struct stream stream = {.in = input, .in_length = 4 * MEBIBYTE};
    uLongf whole = compressBound(4 * MEBIBYTE);
    STL_AUTO_FREE unsigned char *out = stl_alloc(whole);
    (void)state;
    assert_int_equal(compress2(out, &whole, (unsigned char *)input, 4 * MEBIBYTE, 6), Z_OK);
    OK(stl_compress(STL_COMPRESS_GZIP, 2, &(struct stl_stream){read_stream, &stream}, write_stream, &stream,
                    &err));
    assert_in_range(stream.out.length, 1, whole + whole / 100);
    stl_buf_clear(&stream.out);
}

static void failures_end_it(void **state)
{
    STL_AUTO_FREE char *input = make_input(8 * MEBIBYTE, 3);
    (void)state;
    for (int how = STL_COMPRESS_GZIP; how <= STL_COMPRESS_NONE; how++) {
        struct stream reading = {.in = input, .in_length = 8 * MEBIBYTE, .fail_read_at = 3 * MEBIBYTE};
        FAILS(STL_INVALID,
              stl_compress((enum stl_compression)how, 4, &(struct stl_stream){read_stream, &reading},
                           write_stream, &reading, &err));
        stl_buf_clear(&reading.out);
        struct stream writing = {.in = input, .in_length = 8 * MEBIBYTE, .fail_write_at = MEBIBYTE};
        FAILS(STL_NO_SPACE,
              stl_compress((enum stl_compression)how, 4, &(struct stl_stream){read_stream, &writing},
                           write_stream, &writing, &err));
        stl_buf_clear(&writing.out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_length_comes_back),  cmocka_unit_test(noise_and_nothing_come_back),
        cmocka_unit_test(gzip_header_says_nothing), cmocka_unit_test(blocks_cost_little),
        cmocka_unit_test(failures_end_it),
    };
    return unit_run(tests);
}
