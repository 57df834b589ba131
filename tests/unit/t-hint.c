#include "unit.h"

#include <string.h>

#include "hint.h"

/* What is said of a pattern for a registry with these repositories, each of which has these tags. */
static void check(const char *name, const char *tag, const char *const names[], const char *const tags[],
                  const char *expected)
{
    const struct stl_selection_pattern pattern = {.name = (char *)name, .tag = (char *)tag};
    STL_AUTO_HINT struct stl_hint hint = {.pattern = &pattern};
    for (size_t i = 0; names[i]; i++)
        if (stl_hint_name(&hint, names[i]))
            for (size_t k = 0; tags[k]; k++)
                stl_hint_tag(&hint, tags[k]);
    STL_AUTO_FREE char *text = stl_hint_format(&hint);
    if (!strstr(text, expected))
        fail_msg("'%s' should hold '%s'", text, expected);
}

#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})
#define NONE ((const char *const[]){NULL})

static void names(void **state)
{
    (void)state;
    check("a", NULL, NONE, NONE, "there is no repository 'a': there are no images yet");
    check("lib/*", NULL, LIST("lib/a/b", "lib/a/c"), NONE, "'lib/**' matches lib/a/b");
    check("lib/*", NULL, LIST("libs/a", "lib"), NONE, "no repository matches 'lib/*'");
    check("lib", NULL, LIST("lib/a"), NONE, "'lib/*'");
    check("lib", NULL, LIST("lib/a/b"), NONE, "'lib/**'");
    check("li", NULL, LIST("zebra/one"), NONE, "'stillage ls' lists the 1 that there is");
    check("li", NULL, LIST("zebra/one", "zebra/two"), NONE, "'stillage ls' lists the 2 that there are");
    check("lib/app", NULL, LIST("lib/apq", "zebra"), NONE, "did you mean lib/apq?");
}

static void tags(void **state)
{
    (void)state;
    check("a", "v1", LIST("a", "ab"), NONE, "repository 'a' has no tags");
    check("a", "v1", LIST("a"), LIST("v2"), "repository 'a' has no tag 'v1'; it has v2");
    check("a", "v*", LIST("a"), LIST("w", "x"), "repository 'a' has no tag that matches 'v*'; it has ");
    check("*", "v1", LIST("a", "b", "c/d"), LIST("v2"),
          "none of the 2 repositories that match '*' has a tag 'v1'");
}

static void digests(void **state)
{
    (void)state;
    struct stl_selection_pattern pattern = {
        .name = (char *)"*", .has_digest = true, .digest = unit_digest("x")};
    const char *const all[] = {"a", "b"};
    for (size_t count = 1; count <= 2; count++) {
        STL_AUTO_HINT struct stl_hint hint = {.pattern = &pattern};
        for (size_t i = 0; i < count; i++)
            assert_false(stl_hint_name(&hint, all[i]));
        STL_AUTO_FREE char *text = stl_hint_format(&hint);
        assert_non_null(
            strstr(text, count == 1 ? "repository 'a' has no manifest sha256:" : "no repository has"));
        assert_non_null(strstr(text, unit_digest_text(&pattern.digest)));
    }
}

int main(void)
{
    const struct CMUnitTest tests_of_hints[] = {
        cmocka_unit_test(names),
        cmocka_unit_test(tags),
        cmocka_unit_test(digests),
    };
    return unit_run(tests_of_hints);
}
