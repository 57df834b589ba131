#include "pattern.h"

#include <stddef.h>
#include <string.h>

#include "name.h"

/* Where to continue when the pattern after a star does not match: after the star, one character further in
 * the text. A star makes the match of earlier stars final, except that a '*' that reaches a '/' falls back to
 * the '**' before it, if there is one. */
struct star {
    const char *pattern, *text; /* pattern: NULL before the first */
};

bool stl_pattern_match(const char *pattern, const char *text)
{
    struct star one = {NULL, NULL}, many = {NULL, NULL};
    for (;;) {
        if (pattern[0] == '*' && pattern[1] == '*') {
            pattern += 2;
            many = (struct star){pattern, text};
            one.pattern = NULL;
        } else if (pattern[0] == '*') {
            one = (struct star){++pattern, text};
        } else if (*text == '\0' && *pattern == '\0') {
            return true;
        } else if (*text != '\0' && (*pattern == *text || (*pattern == '?' && *text != '/'))) {
            pattern++;
            text++;
        } else {
            if (one.pattern && (*one.text == '\0' || *one.text == '/'))
                one.pattern = NULL;
            struct star *star = one.pattern ? &one : &many;
            if (!star->pattern || *star->text == '\0')
                return false;
            pattern = star->pattern;
            text = ++star->text;
        }
    }
}

struct weight {
    size_t prefix, literals, stars; /* characters before the first wildcard, characters in all, '**' */
    bool exact;
};

static struct weight weigh(const char *pattern)
{
    struct weight weight = {.prefix = strcspn(pattern, "*?")};
    weight.exact = pattern[weight.prefix] == '\0';
    for (const char *p = pattern; *p; p++) {
        if (p[0] == '*' && p[1] == '*') {
            weight.stars++;
            p++;
        } else if (*p != '*' && *p != '?')
            weight.literals++;
    }
    return weight;
}

int stl_pattern_compare(const char *a, const char *b)
{
    struct weight x = weigh(a), y = weigh(b);
    if (x.prefix != y.prefix)
        return x.prefix > y.prefix ? -1 : 1;
    if (x.exact != y.exact)
        return x.exact ? -1 : 1;
    if (x.literals != y.literals)
        return x.literals > y.literals ? -1 : 1;
    if (x.stars != y.stars)
        return x.stars < y.stars ? -1 : 1;
    return 0;
}

int stl_pattern_check(const char *pattern, struct stl_error *err)
{
    size_t length = strlen(pattern);
    if (length > 0 && length <= STL_NAME_MAX &&
        strspn(pattern, "abcdefghijklmnopqrstuvwxyz0123456789._/-*?") == length)
        return 0;
    return stl_error_set(err, STL_INVALID,
                         "'%.80s' is not a pattern of repository names: it may have a-z, 0-9, "
                         ". _ - / and the wildcards *, ** and ?",
                         pattern);
}

bool stl_pattern_below(const char *folder, const char *name)
{
    size_t length = strlen(folder);
    return !strncmp(name, folder, length) && (name[length] == '\0' || name[length] == '/');
}
