#include "unit.h"

#include <string.h>

#include "pattern.h"

static void patterns(void **state)
{
    (void)state;
    static const struct {
        bool match;
        const char *pattern, *text;
    } cases[] = {
        {true, "", ""},
        {false, "", "a"},
        {false, "a", ""},
        {true, "a", "a"},
        {false, "a", "ab"},
        {true, "*", ""},
        {true, "*", "abc"},
        {false, "*", "a/b"},
        {true, "**", ""},
        {true, "**", "a/b/c"},
        {true, "?", "a"},
        {false, "?", ""},
        {false, "?", "/"},
        {true, "a*c", "abbc"},
        {true, "a*c", "ac"},
        {false, "a*c", "a/c"},
        {true, "a**c", "a/b/c"},
        {true, "a/*", "a/b"},
        {true, "a/*", "a/"},
        {false, "a/*", "a"},
        {false, "a/*", "a/b/c"},
        {true, "a/**", "a/b/c"},
        {true, "*/*", "a/b"},
        {false, "*/*", "a/b/c"},
        {true, "**/c", "a/b/c"},
        {false, "**/c", "a/b/cd"},
        {true, "*.*", "1.0.0"},
        {true, "v?.*", "v1.2"},
        {true, "*a*b*c", "xxaxxbxxabc"},
        {true, "**/a*b", "x/acc/ab"},
        {true, "**a*b/c", "ax/ab/c"},
        {true, "**/a*/b", "x/a/c/a/b"},
        {false, "**/a*b", "x/acc/ac"},
        {true, "a**/*b", "a/x/y/zb"},
        {true, "**/b?", "b/bb/bx"},
        {false, "**/prod-*", "team/prod-a/b"},
        {true, "***", "a/b"},
        {true, "*?", "abc"},
        {false, "[a]", "a"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (stl_pattern_match(cases[i].pattern, cases[i].text) != cases[i].match)
            fail_msg("'%s' and '%s' should %smatch", cases[i].pattern, cases[i].text,
                     cases[i].match ? "" : "not ");
}

/* The obvious way to say what a pattern means; exponential. */
static bool reference_match(const char *pattern, const char *text)
{
    if (pattern[0] == '*') {
        bool crosses = pattern[1] == '*';
        for (const char *rest = text;; rest++) {
            if (reference_match(pattern + (crosses ? 2 : 1), rest))
                return true;
            if (!*rest || (*rest == '/' && !crosses))
                return false;
        }
    }
    if (!*pattern || !*text)
        return !*pattern && !*text;
    return (*pattern == *text || (*pattern == '?' && *text != '/')) && reference_match(pattern + 1, text + 1);
}

static void every_short_pattern(void **state)
{
    (void)state;
    static const char in_pattern[] = {'a', 'b', '/', '*', '?'}, in_text[] = {'a', 'b', '/'};
    enum { P = 5, PATTERNS = P * P * P * P * P * P, T = 3, TEXTS = T * T * T * T * T * T };
    for (size_t p = 0; p < PATTERNS; p += 3) {
        char pattern[7] = "";
        for (size_t i = 0, rest = p; i < 6; i++, rest /= P)
            pattern[i] = in_pattern[rest % P];
        for (size_t t = p % 7; t < TEXTS; t += 7) {
            char text[7] = "";
            for (size_t i = 0, rest = t; i < 6; i++, rest /= T)
                text[i] = in_text[rest % T];
            if (stl_pattern_match(pattern, text) != reference_match(pattern, text))
                fail_msg("'%s' and '%s' should %smatch", pattern, text,
                         reference_match(pattern, text) ? "" : "not ");
        }
    }
}

/* It would not come back if each '*' tried everything that those before it tried. */
static void patterns_cost_little(void **state)
{
    (void)state;
    char pattern[256] = "", text[256] = "";
    for (size_t i = 0; i < 240; i += 3)
        memcpy(pattern + i, i % 2 ? "**a" : "*ab", 3);
    memset(text, 'a', 255);
    assert_false(stl_pattern_match(pattern, text));
}

static void what_may_be_a_pattern(void **state)
{
    (void)state;
    static const char *const good[] = {"a", "**", "a0._/-*?", "z9"}, *const bad[] = {"",    "A",  "a b",
                                                                                     "[a]", "a+", "é"};
    char longest[STL_NAME_MAX + 2] = "";
    memset(longest, 'a', STL_NAME_MAX + 1);
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        OK(stl_pattern_check(good[i], &err));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        FAILS(STL_INVALID, stl_pattern_check(bad[i], &err));
    OK(stl_pattern_check(longest + 1, &err));
    FAILS(STL_INVALID, stl_pattern_check(longest, &err));
}

static void what_is_below(void **state)
{
    (void)state;
    static const char *const names[] = {"a", "a/b", "ab", "ab/c", "a/b/c", "b/a", ""};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_int_equal(stl_pattern_below("a", names[i]), i == 0 || i == 1 || i == 4);
    assert_true(stl_pattern_below("a/b", "a/b/c") && stl_pattern_below("a/b", "a/b"));
    assert_false(stl_pattern_below("a/b", "a") || stl_pattern_below("a/b", "a/bc"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns),
        cmocka_unit_test(every_short_pattern),
        cmocka_unit_test(patterns_cost_little),
        cmocka_unit_test(what_may_be_a_pattern),
        cmocka_unit_test(what_is_below),
    };
    return unit_run(tests);
}
