#include "hint.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"

static bool is_pattern(const char *text)
{
    return strpbrk(text, "*?") != NULL;
}

/* The same pattern with '**' for each '*'. The caller frees. */
static char *widen(const char *pattern)
{
    char *wide = stl_alloc(2 * strlen(pattern) + 1), *end = wide;
    for (const char *p = pattern; *p; p++) {
        *end++ = *p;
        if (*p == '*' && p[1] != '*' && (p == pattern || p[-1] != '*'))
            *end++ = '*';
    }
    return wide;
}

static void note_miss(struct stl_hint *hint, const char *name)
{
    const char *pattern = hint->pattern->name;
    size_t length = strlen(pattern);
    STL_AUTO_FREE char *wide = widen(pattern);
    if (!hint->wider && is_pattern(pattern) && stl_pattern_match(wide, name))
        hint->wider = stl_strdup(name);
    if (!hint->below && !is_pattern(pattern) && !strncmp(name, pattern, length) && name[length] == '/') {
        hint->below = stl_strdup(name);
        hint->deeper = strchr(name + length + 1, '/') != NULL;
    }
}

bool stl_hint_name(struct stl_hint *hint, const char *name)
{
    hint->names.wanted = hint->pattern->name;
    stl_nearest_add(&hint->names, name);
    if (!stl_pattern_match(hint->pattern->name, name)) {
        note_miss(hint, name);
        return false;
    }
    if (hint->matched++ == 0)
        hint->only = stl_strdup(name);
    return hint->pattern->tag != NULL;
}

void stl_hint_tag(struct stl_hint *hint, const char *tag)
{
    hint->tags.wanted = hint->pattern->tag;
    stl_nearest_add(&hint->tags, tag);
}

static char *format_missing_name(const struct stl_hint *hint)
{
    const char *name = hint->pattern->name;
    STL_AUTO_FREE char *wide = widen(name);
    if (hint->names.count == 0)
        return stl_sprintf("there is no repository '%.200s': there are no images yet", name);
    if (hint->wider)
        return stl_sprintf("no repository matches '%.200s', in which '*' does not go beyond a '/': '%.200s' "
                           "matches %.200s",
                           name, wide, hint->wider);
    if (hint->below)
        return stl_sprintf(
            "there is no repository '%.200s' itself, but below it there is %.200s: '%.200s/%s' "
            "matches all of them",
            name, hint->below, name, hint->deeper ? "**" : "*");
    const char *verb = is_pattern(name) ? "no repository matches" : "there is no repository";
    if (stl_nearest_is_close(&hint->names))
        return stl_sprintf("%s '%.200s'; did you mean %.200s?", verb, name, hint->names.names[0]);
    return stl_sprintf("%s '%.200s': 'stillage ls%s' lists the %zu that there %s", verb, name,
                       hint->of_bundle ? " -r BUNDLE" : "", hint->names.count,
                       hint->names.count == 1 ? "is" : "are");
}

static char *format_missing_tag(const struct stl_hint *hint)
{
    const char *tag = hint->pattern->tag;
    STL_AUTO_FREE char *tags = stl_nearest_format(&hint->tags);
    STL_AUTO_FREE char *which = stl_sprintf("tag %s'%.128s'", is_pattern(tag) ? "that matches " : "", tag);
    if (hint->tags.count == 0)
        return stl_sprintf("repository '%.200s' has no tags", hint->only);
    if (hint->matched > 1)
        return stl_sprintf("none of the %zu repositories that match '%.200s' has a %s; they have %s",
                           hint->matched, hint->pattern->name, which, tags);
    return stl_sprintf("repository '%.200s' has no %s; it has %s", hint->only, which, tags);
}

char *stl_hint_format(struct stl_hint *hint)
{
    char digest[STL_DIGEST_TEXT_MAX];
    if (hint->matched == 0)
        return format_missing_name(hint);
    if (!hint->pattern->has_digest)
        return format_missing_tag(hint);
    stl_digest_format(&hint->pattern->digest, digest);
    return hint->matched > 1 ? stl_sprintf("no repository has a manifest %s", digest)
                             : stl_sprintf("repository '%.200s' has no manifest %s", hint->only, digest);
}

void stl_hint_clear(struct stl_hint *hint)
{
    stl_nearest_clear(&hint->names);
    stl_nearest_clear(&hint->tags);
    free(hint->only);
    free(hint->wider);
    free(hint->below);
}
