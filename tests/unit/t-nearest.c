#include <stdio.h>
#include <string.h>

#include "mem.h"
#include "nearest.h"
#include "unit.h"

static void the_nearest_come_first(void **state)
{
    STL_AUTO_NEAREST struct stl_nearest nearest = {.wanted = "v1.3"};
    (void)state;
    for (int i = 0; i < 140; i++) {
        char name[32];
        snprintf(name, sizeof name, "v1.%d", i);
        if (i != 3)
            stl_nearest_add(&nearest, name);
    }
    stl_nearest_add(&nearest, "v1.2"); /* once more */
    STL_AUTO_FREE char *text = stl_nearest_format(&nearest);
    assert_string_equal(text, "v1.0, v1.1, v1.2, v1.4, v1.5 and 134 more");
    assert_true(stl_nearest_is_close(&nearest));
}

static void few_are_listed_whole(void **state)
{
    STL_AUTO_NEAREST struct stl_nearest nearest = {.wanted = "nginx"};
    (void)state;
    STL_AUTO_FREE char *none = stl_nearest_format(&nearest);
    assert_string_equal(none, "");
    assert_false(stl_nearest_is_close(&nearest));
    stl_nearest_add(&nearest, "redis");
    STL_AUTO_FREE char *one = stl_nearest_format(&nearest);
    assert_string_equal(one, "redis");
    assert_false(stl_nearest_is_close(&nearest));
    stl_nearest_add(&nearest, "library/nginx");
    STL_AUTO_FREE char *two = stl_nearest_format(&nearest);
    assert_string_equal(two, "library/nginx and redis");
    /* What is a part of the wanted name is near by a third of what it lacks. */
    STL_AUTO_NEAREST struct stl_nearest part = {.wanted = "aaaaaaaaaaxxxx"};
    stl_nearest_add(&part, "xxxx");
    stl_nearest_add(&part, "aaaaaaaaaa");
    assert_int_equal(part.distances[0], 1 + (4 + 2) / 3);
    assert_int_equal(part.distances[1], 1 + (10 + 2) / 3);
    assert_true(stl_nearest_is_close(&nearest));
}

static void long_and_empty_names_do_no_harm(void **state)
{
    char name[256];
    (void)state;
    memset(name, 'a', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    STL_AUTO_NEAREST struct stl_nearest nearest = {.wanted = name};
    stl_nearest_add(&nearest, "");
    name[100] = 'b';
    stl_nearest_add(&nearest, name);
    stl_nearest_add(&nearest, "a");
    STL_AUTO_FREE char *text = stl_nearest_format(&nearest);
    assert_int_equal(nearest.kept, 3);
    assert_true(strlen(text) < 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_nearest_come_first),
        cmocka_unit_test(few_are_listed_whole),
        cmocka_unit_test(long_and_empty_names_do_no_harm),
    };
    return unit_run(tests);
}
