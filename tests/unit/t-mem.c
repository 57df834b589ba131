#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static void alloc_is_zeroed_even_of_nothing(void **state)
{
    (void)state;
    STL_AUTO_FREE char *nothing = stl_alloc(0);
    STL_AUTO_FREE char *some = stl_alloc(100);
    assert_non_null(nothing);
    for (size_t i = 0; i < 100; i++)
        assert_int_equal(some[i], 0);
}

static void strings(void **state)
{
    (void)state;
    STL_AUTO_FREE char *copy = stl_strdup("abc"), *part = stl_strndup("abc\0def", 7),
                       *empty = stl_strndup("abc", 0);
    STL_AUTO_FREE char *text = stl_sprintf("%s-%d", "x", 5);
    assert_string_equal(copy, "abc");
    assert_memory_equal(part, "abc\0def", 8);
    assert_string_equal(empty, "");
    assert_string_equal(text, "x-5");
}

static void steal_leaves_nothing_to_clean(void **state)
{
    (void)state;
    char *stolen;
    {
        STL_AUTO_FREE char *text = stl_strdup("kept");
        stolen = stl_steal(text);
        assert_null(text);
    }
    assert_string_equal(stolen, "kept");
    stl_free_ptr(&stolen);
}

static void close_keeps_errno(void **state)
{
    (void)state;
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    errno = EXDEV;
    stl_close_fd(&fd);
    assert_int_equal(errno, EXDEV);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    int none = -1;
    errno = EXDEV;
    stl_close_fd(&none);
    assert_int_equal(errno, EXDEV);
}

static void grow_makes_room_for_one_more(void **state)
{
    (void)state;
    size_t *items = NULL, count = 0;
    for (; count < 1000; count++) {
        stl_grow(items, count);
        items[count] = count;
    }
    for (size_t i = 0; i < count; i++)
        assert_int_equal(items[i], i);
    stl_free_ptr(&items);
}

static void buffer_ends_with_nul(void **state)
{
    (void)state;
    STL_AUTO_BUF struct stl_buf buf = STL_BUF_INIT;
    assert_null(buf.data);
    assert_int_equal(stl_buf_add(&buf, NULL, 0), 0);
    assert_string_equal(buf.data, "");
    assert_int_equal(stl_buf_puts(&buf, "abc"), 0);
    assert_int_equal(stl_buf_add(&buf, "\0d", 2), 0);
    assert_int_equal(stl_buf_printf(&buf, "%03d", 7), 0);
    assert_int_equal(buf.length, 8);
    assert_memory_equal(buf.data, "abc\0d007", 9);
    stl_buf_clear(&buf);
    assert_null(buf.data);
    assert_int_equal(buf.length, 0);
    assert_int_equal(stl_buf_puts(&buf, "again"), 0);
    assert_string_equal(buf.data, "again");
}

/* Every size, so that every boundary of the capacity is met, NUL included. */
static void buffer_grows_at_every_size(void **state)
{
    (void)state;
    for (size_t size = 0; size < 1100; size += size < 520 ? 1 : 37) {
        STL_AUTO_BUF struct stl_buf buf = STL_BUF_INIT;
        STL_AUTO_FREE char *text = stl_alloc(size + 1);
        memset(text, 'x', size);
        assert_int_equal(stl_buf_add(&buf, text, size), 0);
        assert_int_equal(buf.length, size);
        assert_true(buf.capacity > size);
        assert_int_equal(strlen(buf.data), size);
    }
}

static void ceiling_is_exact_and_leaves_the_buffer_alone(void **state)
{
    (void)state;
    STL_AUTO_BUF struct stl_buf buf = {.ceiling = 10};
    assert_int_equal(stl_buf_puts(&buf, "12345678"), 0);
    errno = 0;
    assert_int_equal(stl_buf_puts(&buf, "9ab"), -1);
    assert_int_equal(errno, ENOBUFS);
    assert_string_equal(buf.data, "12345678");
    assert_int_equal(stl_buf_printf(&buf, "%s", "9ab"), -1);
    assert_int_equal(stl_buf_puts(&buf, "9a"), 0);
    assert_int_equal(stl_buf_add(&buf, "", 0), 0);
    assert_int_equal(stl_buf_add(&buf, "b", 1), -1);
    assert_int_equal(stl_buf_add(&buf, "b", SIZE_MAX), -1);
    assert_int_equal(buf.length, 10);
    assert_string_equal(buf.data, "123456789a");
}

static void default_ceiling_is_64_mib(void **state)
{
    (void)state;
    STL_AUTO_BUF struct stl_buf buf = STL_BUF_INIT;
    STL_AUTO_FREE char *much = stl_alloc(64 << 20);
    assert_int_equal(stl_buf_add(&buf, much, (64 << 20) - 1), 0);
    assert_int_equal(stl_buf_add(&buf, much, 2), -1);
    assert_int_equal(stl_buf_add(&buf, much, 1), 0);
    assert_int_equal(stl_buf_add(&buf, much, 1), -1);
}

static char *erased;
static void check_erased(char (*array)[8])
{
    erased = *array;
    assert_memory_equal(*array, "\0\0\0\0\0\0\0\0", 8);
}

static int leave_early(bool early)
{
    __attribute__((cleanup(check_erased))) char secret[8] = "secret";
    STL_WIPE_AT_END(secret);
    if (early)
        return -1;
    secret[0] = 'S';
    return 0;
}

/* An array on every way out of its scope; a buffer keeps what it holds while it moves. */
static void secrets_are_erased(void **state)
{
    (void)state;
    assert_int_equal(leave_early(true), -1);
    assert_non_null(erased);
    erased = NULL;
    assert_int_equal(leave_early(false), 0);
    assert_non_null(erased);
    STL_AUTO_BUF struct stl_buf buf = {.secret = true};
    for (int i = 0; i < 1000; i++)
        assert_int_equal(stl_buf_puts(&buf, "word "), 0);
    assert_int_equal(buf.length, 5000);
    for (int i = 0; i < 1000; i++)
        assert_memory_equal(buf.data + 5L * i, "word ", 5);
    assert_int_equal(buf.data[5000], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(alloc_is_zeroed_even_of_nothing),
        cmocka_unit_test(strings),
        cmocka_unit_test(steal_leaves_nothing_to_clean),
        cmocka_unit_test(close_keeps_errno),
        cmocka_unit_test(grow_makes_room_for_one_more),
        cmocka_unit_test(buffer_ends_with_nul),
        cmocka_unit_test(buffer_grows_at_every_size),
        cmocka_unit_test(ceiling_is_exact_and_leaves_the_buffer_alone),
        cmocka_unit_test(default_ceiling_is_64_mib),
        cmocka_unit_test(secrets_are_erased),
    };
    return unit_run(tests);
}
