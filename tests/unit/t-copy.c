#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "copy.h"
#include "unit.h"

enum { MEBIBYTE = 1 << 20, BYTES = 7 * MEBIBYTE + 5 };

/* Reads from memory. */
struct source {
    const char *bytes;
    size_t size, position;
    size_t fail_at; /* 0: never */
};

static ssize_t read_source(void *context, void *bytes, size_t length, struct stl_error *error)
{
    struct source *source = context;
    size_t left = source->size - source->position, n = left < length ? left : length;
    if (source->fail_at && source->position >= source->fail_at)
        return stl_error_set(error, STL_INVALID, "read");
    memcpy(bytes, source->bytes + source->position, n);
    source->position += n;
    return (ssize_t)n;
}

typedef int copy_function(struct stl_copy *copy, int64_t size, const struct stl_stream *from,
                          struct stl_error *error);
static copy_function *const ways[] = {stl_copy_all, stl_copy_ahead};

static char *make_bytes(void)
{
    char *bytes = stl_alloc(BYTES);
    for (size_t i = 0; i < BYTES; i++)
        bytes[i] = (char)(i >> 20 ^ i >> 8 ^ i);
    return bytes;
}

static int create(const struct unit *unit)
{
    int fd = openat(unit->fd, "copy", O_RDWR | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    return fd;
}

static void check_file(int fd, int64_t start, const char *bytes, size_t size)
{
    STL_AUTO_FREE char *found = stl_alloc(size + 1);
    assert_int_equal(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_DIRECT),
                     0); /* which would ask for aligned memory */
    assert_int_equal(pread(fd, found, size + 1, start), size);
    assert_memory_equal(found, bytes, size);
}

static void add_bytes(void *context, uint64_t bytes)
{
    *(uint64_t *)context += bytes;
}

static void copy_arrives_whole(void **state)
{
    static const size_t sizes[] = {0, 1, MEBIBYTE - 1, MEBIBYTE, MEBIBYTE + 1, BYTES};
    static const int64_t starts[] = {0, 512, MEBIBYTE + 3};
    STL_AUTO_FREE char *bytes = make_bytes();
    for (size_t i = 0; i < 2 * 6 * 3; i++) {
        size_t size = sizes[i / 2 % 6];
        int64_t start = starts[i / 12];
        struct source source = {.bytes = bytes, .size = size};
        struct stl_digest wanted, actual;
        struct stl_copy copy;
        uint64_t told = 0;
        STL_AUTO_CLOSE int fd = create(*state);
        assert_int_equal(lseek(fd, start, SEEK_SET), start);
        stl_copy_begin(&copy, fd, STL_SHA256, add_bytes, &told);
        OK(ways[i % 2](&copy, (int64_t)size, &(struct stl_stream){read_source, &source}, &err));
        stl_copy_end(&copy, &actual);
        stl_digest_of(STL_SHA256, bytes, size, &wanted);
        assert_true(stl_digest_equal(&actual, &wanted));
        assert_int_equal(copy.size, size);
        assert_int_equal(told, size);
        check_file(fd, start, bytes, size);
    }
}

/* A size is what a header says. */
static void more_or_less_than_promised_is_copied(void **state)
{
    static const int64_t promised[] = {0, 2 * MEBIBYTE, 3 * (int64_t)BYTES};
    STL_AUTO_FREE char *bytes = make_bytes();
    for (size_t i = 0; i < 2 * 3; i++) {
        struct source source = {.bytes = bytes, .size = BYTES};
        struct stl_copy copy;
        STL_AUTO_CLOSE int fd = create(*state);
        stl_copy_begin(&copy, fd, STL_SHA256, NULL, NULL);
        OK(ways[i % 2](&copy, promised[i / 2], &(struct stl_stream){read_source, &source}, &err));
        check_file(fd, 0, bytes, BYTES);
    }
}

static void copy_goes_on_where_it_was_left(void **state)
{
    STL_AUTO_FREE char *bytes = make_bytes();
    for (size_t i = 0; i < 2; i++) {
        struct source source = {.bytes = bytes, .size = BYTES, .fail_at = 5 * MEBIBYTE};
        struct stl_digest wanted, actual;
        struct stl_copy copy;
        STL_AUTO_CLOSE int fd = create(*state);
        stl_copy_begin(&copy, fd, STL_SHA512, NULL, NULL);
        FAILS(STL_INVALID, ways[i](&copy, BYTES, &(struct stl_stream){read_source, &source}, &err));
        assert_string_equal(err.message, "read");
        assert_int_equal(copy.size, 5 * MEBIBYTE);
        source.fail_at = 0;
        OK(ways[i](&copy, BYTES - copy.size, &(struct stl_stream){read_source, &source}, &err));
        stl_copy_end(&copy, &actual);
        stl_digest_of(STL_SHA512, bytes, BYTES, &wanted);
        assert_true(stl_digest_equal(&actual, &wanted));
        check_file(fd, 0, bytes, BYTES);
    }
}

/* The one that reads ahead stops, soon. */
static void failure_to_write_ends_it(void **state)
{
    STL_AUTO_FREE char *bytes = make_bytes();
    unit_write(((struct unit *)*state)->fd, "copy", "");
    for (size_t i = 0; i < 2; i++) {
        struct source source = {.bytes = bytes, .size = BYTES};
        struct stl_copy copy;
        STL_AUTO_CLOSE int fd = openat(((struct unit *)*state)->fd, "copy", O_RDONLY);
        stl_copy_begin(&copy, fd, STL_SHA256, NULL, NULL);
        assert_int_equal(ways[i](&copy, BYTES, &(struct stl_stream){read_source, &source}, &err), -1);
        assert_int_equal(err.sys_errno, EBADF);
        assert_in_range(source.position, 1, 6 * MEBIBYTE);
        stl_error_clear(&err);
    }
}

/* A part of a file, which may be cloned where the file system can; its digest has to be right. */
static void a_part_becomes_a_blob(void **state)
{
    struct unit *unit = *state;
    STL_AUTO_FREE char *bytes = make_bytes();
    STL_AUTO_CLOSE int fd = create(unit);
    OK(stl_write_all(fd, bytes, BYTES, &err));
    static const struct {
        int64_t offset, size;
    } parts[] = {{0, BYTES}, {4096, MEBIBYTE}, {3, 5}, {0, 0}};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        const struct stl_extent extent = {.fd = fd, .offset = parts[i].offset, .size = parts[i].size};
        struct stl_digest wanted, other = unit_digest("other");
        STL_AUTO_TEMP struct stl_temp temp = STL_TEMP_INIT, wrong = STL_TEMP_INIT;
        stl_digest_of(STL_SHA256, bytes + parts[i].offset, (size_t)parts[i].size, &wanted);
        OK(stl_temp_begin(&unit->registry.root, &temp, &err));
        OK(stl_copy_blob(&extent, &wanted, &temp, NULL, NULL, &err));
        check_file(temp.fd, 0, bytes + parts[i].offset, (size_t)parts[i].size);
        OK(stl_temp_begin(&unit->registry.root, &wrong, &err));
        FAILS(STL_DIGEST_INVALID, stl_copy_blob(&extent, &other, &wrong, NULL, NULL, &err));
    }
}

static void there_are_workers(void **state)
{
    (void)state;
    assert_in_range(stl_copy_workers(), 2, 12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        registry_test(copy_arrives_whole),
        registry_test(more_or_less_than_promised_is_copied),
        registry_test(copy_goes_on_where_it_was_left),
        registry_test(failure_to_write_ends_it),
        registry_test(a_part_becomes_a_blob),
        cmocka_unit_test(there_are_workers),
    };
    return unit_run(tests);
}
