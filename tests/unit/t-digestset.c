#include "digestset.h"
#include "unit.h"

static void digests_are_numbered_in_order(void **state)
{
    struct stl_digestset set = {0};
    size_t number;
    (void)state;
    for (size_t i = 0; i < 10000; i++) {
        struct stl_digest digest;
        stl_digest_of(i % 2 ? STL_SHA512 : STL_SHA256, &i, sizeof i, &digest);
        assert_false(stl_digestset_find(&set, &digest, &number));
        assert_true(stl_digestset_add(&set, &digest, &number));
        assert_int_equal(number, i);
        assert_false(stl_digestset_add(&set, &digest, &number));
        assert_int_equal(number, i);
    }
    for (size_t i = 0; i < 10000; i++) {
        assert_true(stl_digestset_find(&set, &set.items[i], &number));
        assert_int_equal(number, i);
    }
    assert_int_equal(set.count, 10000);
    stl_digestset_clear(&set);
    assert_int_equal(set.count, 0);
}

/* Whoever chooses digests cannot choose where they lie. */
static void each_set_has_an_order_of_its_own(void **state)
{
    struct stl_digestset sets[2] = {{0}};
    struct stl_digest digest = {.algorithm = STL_SHA256};
    size_t number;
    (void)state;
    for (int i = 0; i < 2; i++)
        stl_digestset_add(&sets[i], &digest, &number);
    assert_true(sets[0].seed != sets[1].seed);
    for (int i = 0; i < 2; i++)
        stl_digestset_clear(&sets[i]);
}

static void digests_that_begin_alike(void **state)
{
    struct stl_digestset set = {0};
    size_t number;
    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        struct stl_digest digest = {.algorithm = STL_SHA256};
        digest.bytes[30] = (unsigned char)(i >> 8);
        digest.bytes[31] = (unsigned char)i;
        assert_true(stl_digestset_add(&set, &digest, &number));
        assert_int_equal(number, i);
    }
    stl_digestset_clear(&set);
}

static void empty_set_finds_nothing(void **state)
{
    struct stl_digestset set = {0};
    struct stl_digest digest = unit_digest("x");
    size_t number = 7;
    (void)state;
    assert_false(stl_digestset_find(&set, &digest, &number));
    assert_int_equal(number, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(digests_are_numbered_in_order),
        cmocka_unit_test(digests_that_begin_alike),
        cmocka_unit_test(each_set_has_an_order_of_its_own),
        cmocka_unit_test(empty_set_finds_nothing),
    };
    return unit_run(tests);
}
