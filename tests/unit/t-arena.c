#include "arena.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "unit.h"

enum { MANY = 10000 };

static void nothing_moves(void **state)
{
    (void)state;
    struct stl_arena arena = {0};
    static char *texts[MANY];
    static uint64_t *numbers[MANY];
    char text[16];
    for (size_t i = 0; i < MANY; i++) {
        snprintf(text, sizeof text, "%zu", i);
        texts[i] = stl_arena_strdup(&arena, text);
        numbers[i] = stl_arena_alloc(&arena, sizeof *numbers[i]);
        assert_int_equal((uintptr_t)numbers[i] % sizeof(void *), 0);
        assert_int_equal(*numbers[i], 0);
        *numbers[i] = i;
    }
    for (size_t i = 0; i < MANY; i++) {
        snprintf(text, sizeof text, "%zu", i);
        assert_string_equal(texts[i], text);
        assert_int_equal(*numbers[i], i);
    }
    stl_arena_clear(&arena);
    assert_null(arena.block);
}

static void sizes(void **state)
{
    (void)state;
    struct stl_arena arena = {0};
    assert_null(stl_arena_alloc(&arena, 0));
    for (size_t size = 1; size < 1 << 20; size = size * 3 + 1) {
        unsigned char *bytes = stl_arena_alloc(&arena, size);
        assert_int_equal(bytes[0] | bytes[size - 1], 0);
        memset(bytes, 0xff, size);
    }
    assert_string_equal(stl_arena_strdup(&arena, ""), "");
    stl_arena_clear(&arena);
}

static void what_comes_again_is_not_copied(void **state)
{
    (void)state;
    struct stl_arena arena = {0};
    char text[16] = "first";
    const char *first = stl_arena_intern(&arena, text);
    text[0] = 'F';
    assert_string_equal(first, "first");
    assert_ptr_equal(stl_arena_intern(&arena, "first"), first);
    for (int i = 0; i < STL_ARENA_RECENT; i++) {
        snprintf(text, sizeof text, "%d", i);
        assert_string_equal(stl_arena_intern(&arena, text), text);
    }
    assert_ptr_not_equal(stl_arena_intern(&arena, "first"), first); /* only the last few */
    stl_arena_clear(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_moves),
        cmocka_unit_test(sizes),
        cmocka_unit_test(what_comes_again_is_not_copied),
    };
    return unit_run(tests);
}
