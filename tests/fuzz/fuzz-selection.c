/* Patterns: the first line is a name, the second a tag, the others are patterns. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "scratch.h"
#include "selection.h"

/* What the pattern says, in the plainest way. */
static bool matches(const char *pattern, const char *text)
{
    if (!*pattern)
        return !*text;
    if (*pattern == '*') {
        bool all = pattern[1] == '*';
        return matches(pattern + 1 + all, text) ||
               (*text && (all || *text != '/') && matches(pattern, text + 1));
    }
    return *text && (*pattern == '?' ? *text != '/' : *pattern == *text) && matches(pattern + 1, text + 1);
}

/* Few stars only: the plain way takes exponential time. */
static bool is_easy(const char *pattern)
{
    size_t stars = 0;
    for (const char *p = pattern; *p; p++)
        stars += *p == '*';
    return stars < 5;
}

static void try_pattern(const char *line, const char *name, const char *tag)
{
    struct stl_error err = STL_ERROR_INIT;
    STL_AUTO_SELECTION struct stl_selection selection = STL_SELECTION_INIT;
    struct stl_digest digest;
    stl_digest_of(STL_SHA256, "", 0, &digest);
    if (stl_selection_add(&selection, line, &err)) {
        EXPECT(err.code == STL_USAGE && err.message[0]);
        return;
    }
    stl_selection_note_name(&selection, name);
    stl_selection_drop_hosts(&selection);
    EXPECT(selection.count == 1 && selection.items[0].name[0]);
    const struct stl_selection_pattern *pattern = &selection.items[0];
    bool chosen = stl_selection_matches(&selection, name, tag, &digest);
    EXPECT(chosen != stl_selection_excludes(&selection, name, tag, &digest) ||
           (!chosen && stl_selection_unmatched(&selection)));
    if (is_easy(pattern->name) && (!pattern->tag || is_easy(pattern->tag)))
        EXPECT((chosen != pattern->excludes) ==
               (matches(pattern->name, name) && (!pattern->tag || matches(pattern->tag, tag)) &&
                (!pattern->has_digest || stl_digest_equal(&pattern->digest, &digest))));
    EXPECT(stl_selection_matches(&selection, name, NULL, NULL) == pattern->excludes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    STL_AUTO_FREE char *text = scratch_text(data, size);
    char *rest = text, *name = strsep(&rest, "\n"), *tag = strsep(&rest, "\n");
    if (!tag || strlen(name) > 255 || strlen(tag) > 128)
        return 0;
    for (char *line; (line = strsep(&rest, "\n"));)
        try_pattern(line, name, tag);
    return 0;
}
