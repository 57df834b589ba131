#include "selection.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"

static int check(const char *pattern, const char *text, const char *extra, struct stl_error *err)
{
    static const char common[] = "abcdefghijklmnopqrstuvwxyz0123456789._-*?";
    size_t good = 0;
    while (pattern[good] && (strchr(common, pattern[good]) || strchr(extra, pattern[good])))
        good++;
    if (good > 0 && !pattern[good])
        return 0;
    return stl_error_set(
        err, STL_USAGE,
        "'%.200s' is no pattern: use NAME[:TAG], in which '*', '**' and '?' stand for anything, or "
        "NAME@DIGEST",
        text);
}

static int parse(struct stl_selection_pattern *pattern, struct stl_error *err)
{
    const char *text = pattern->text, *at = strchr(text, '@'), *colon = strrchr(text, ':');
    if (!strncmp(text, "sha256:", 7) || !strncmp(text, "sha512:", 7)) {
        pattern->name = stl_strdup("**");
        return stl_digest_parse(text, &pattern->digest, err);
    }
    if (colon && strchr(colon, '/'))
        colon = NULL;
    size_t length = at ? (size_t)(at - text) : colon ? (size_t)(colon - text) : strlen(text);
    pattern->name = stl_strndup(text, length);
    if (check(pattern->name, text, "/", err))
        return -1;
    if (at)
        return stl_digest_parse(at + 1, &pattern->digest, err);
    pattern->tag = stl_strdup(colon ? colon + 1 : "*");
    return check(pattern->tag, text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ", err);
}

int stl_selection_add(struct stl_selection *selection, const char *text, struct stl_error *err)
{
    stl_grow(selection->items, selection->count);
    struct stl_selection_pattern *pattern = &selection->items[selection->count++];
    *pattern = (struct stl_selection_pattern){.text = stl_strdup(text)};
    if (parse(pattern, err) == 0)
        return 0;
    err->code = STL_USAGE;
    return -1;
}

int stl_selection_add_lines(struct stl_selection *selection, const char *label, const char *lines,
                            struct stl_error *err)
{
    STL_AUTO_FREE char *copy = stl_strdup(lines);
    char *rest = copy;
    size_t number = 1;
    for (char *line; (line = strsep(&rest, "\n")); number++) {
        line += strspn(line, " \t");
        size_t length = strlen(line);
        while (length > 0 && strchr(" \t\r", line[length - 1]))
            line[--length] = '\0';
        if (*line && *line != '#' && stl_selection_add(selection, line, err))
            return stl_error_context(err, "%s:%zu", label, number);
    }
    return 0;
}

void stl_selection_clear(struct stl_selection *selection)
{
    for (size_t i = 0; i < selection->count; i++) {
        free(selection->items[i].text);
        free(selection->items[i].name);
        free(selection->items[i].tag);
    }
    free(selection->items);
    *selection = (struct stl_selection)STL_SELECTION_INIT;
}

bool stl_selection_matches(struct stl_selection *selection, const char *name, const char *tag,
                           const struct stl_digest *digest)
{
    bool chosen = false;
    for (size_t i = 0; i < selection->count; i++) {
        struct stl_selection_pattern *pattern = &selection->items[i];
        bool matches = stl_pattern_match(pattern->name, name);
        if (matches)
            matches = pattern->tag ? tag && stl_pattern_match(pattern->tag, tag)
                                   : digest && stl_digest_equal(&pattern->digest, digest);
        pattern->matched |= matches;
        chosen |= matches;
    }
    return chosen;
}

const char *stl_selection_unmatched(const struct stl_selection *selection)
{
    for (size_t i = 0; i < selection->count; i++)
        if (!selection->items[i].matched)
            return selection->items[i].text;
    return NULL;
}
