#include "selection.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"

/* --- parsing -------------------------------------------------------------------------------------------- */

static int check_part(const char *pattern, const char *text, const char *extra, struct stl_error *err)
{
    static const char common[] = "abcdefghijklmnopqrstuvwxyz0123456789._-*?";
    size_t good = 0;
    while (pattern[good] && (strchr(common, pattern[good]) || strchr(extra, pattern[good])))
        good++;
    if (good > 0 && !pattern[good])
        return 0;
    return stl_error_set(
        err, STL_USAGE,
        "'%.200s' is not a pattern: use NAME[:TAG], in which '*', '**' and '?' stand for anything, or "
        "NAME@DIGEST; a '!' in front leaves out what matches",
        text);
}

/* The length of a registry host in front of a name, with the slash after it, or 0: a first component that has
 * a dot or a port, or is "localhost". */
static size_t host_length(const char *text)
{
    size_t length = strcspn(text, "/"),
           host = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-");
    size_t port = text[host] == ':' ? strspn(text + host + 1, "0123456789") : 0;
    if (text[length] != '/' || host == 0 || (host < length && (port == 0 || host + 1 + port != length)))
        return 0;
    bool is_host = port || memchr(text, '.', host) || (host == 9 && !memcmp(text, "localhost", 9));
    return is_host ? length + 1 : 0;
}

/* Removes the host from text and name. */
static void drop_host(struct stl_selection_pattern *pattern)
{
    size_t length = strlen(pattern->host) + 1;
    char *text = pattern->text + pattern->excludes;
    memmove(text, text + length, strlen(text + length) + 1);
    memmove(pattern->name, pattern->name + length, strlen(pattern->name + length) + 1);
    pattern->host_dropped = true;
}

static int parse_name(struct stl_selection_pattern *pattern, const char *body, size_t length,
                      struct stl_error *err)
{
    size_t host = host_length(body);
    pattern->name = stl_strndup(body, length);
    if (host > 0 && host < length) {
        pattern->host = stl_strndup(body, host - 1);
        if (strpbrk(pattern->host, ":ABCDEFGHIJKLMNOPQRSTUVWXYZ")) /* not a possible repository name */
            drop_host(pattern);
    }
    return check_part(pattern->name, pattern->text, "/", err);
}

static int parse_pattern(struct stl_selection_pattern *pattern, struct stl_error *err)
{
    pattern->excludes = pattern->text[0] == '!';
    STL_AUTO_FREE char *body = stl_strdup(pattern->text + pattern->excludes);
    if (!strncmp(body, "sha256:", 7) || !strncmp(body, "sha512:", 7)) {
        pattern->name = stl_strdup("**");
        pattern->has_digest = true;
        return stl_digest_parse(body, &pattern->digest, err);
    }
    char *at = strchr(body, '@');
    if (at)
        *at = '\0';
    const char *colon = strrchr(body, ':');
    if (colon && strchr(colon, '/'))
        colon = NULL;
    if (parse_name(pattern, body, colon ? (size_t)(colon - body) : strlen(body), err))
        return -1;
    pattern->has_digest = at != NULL;
    if (at && stl_digest_parse(at + 1, &pattern->digest, err))
        return -1;
    if (at && !colon)
        return 0;
    pattern->tag = stl_strdup(colon ? colon + 1 : "*");
    return check_part(pattern->tag, pattern->text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ", err);
}

int stl_selection_add(struct stl_selection *selection, const char *text, struct stl_error *err)
{
    stl_grow(selection->items, selection->count);
    struct stl_selection_pattern *pattern = &selection->items[selection->count++];
    *pattern = (struct stl_selection_pattern){.text = stl_strdup(text)};
    if (parse_pattern(pattern, err)) {
        err->code = STL_USAGE;
        return -1;
    }
    selection->chooser_count += !pattern->excludes;
    selection->has_digests |= pattern->has_digest;
    return 0;
}

/* The pattern in a line, without surrounding spaces and a trailing comment. */
static char *trim_line(char *line)
{
    line += strspn(line, " \t\r");
    char *remark = *line == '#' ? line : strstr(line, " #");
    if (!remark)
        remark = strstr(line, "\t#");
    if (remark)
        *remark = '\0';
    size_t length = strlen(line);
    while (length > 0 && strchr(" \t\r", line[length - 1]))
        line[--length] = '\0';
    return line;
}

int stl_selection_add_lines(struct stl_selection *selection, const char *label, const char *lines,
                            struct stl_error *err)
{
    static const char mark[] = "\xef\xbb\xbf"; /* byte order mark, written by some editors */
    bool marked = !strncmp(lines, mark, sizeof mark - 1);
    STL_AUTO_FREE char *copy = stl_strdup(marked ? lines + sizeof mark - 1 : lines);
    char *rest = copy;
    size_t number = 1;
    for (char *line; (line = strsep(&rest, "\n")); number++) {
        line = trim_line(line);
        if (*line && stl_selection_add(selection, line, err))
            return stl_error_context(err, "%s:%zu", label, number);
    }
    return 0;
}

void stl_selection_clear(struct stl_selection *selection)
{
    for (size_t i = 0; i < selection->count; i++) {
        free(selection->items[i].text);
        free(selection->items[i].host);
        free(selection->items[i].name);
        free(selection->items[i].tag);
    }
    free(selection->items);
    *selection = (struct stl_selection)STL_SELECTION_INIT;
}

void stl_selection_note_name(struct stl_selection *selection, const char *name)
{
    for (size_t i = 0; i < selection->count; i++) {
        struct stl_selection_pattern *pattern = &selection->items[i];
        if (pattern->host && !pattern->host_dropped && !pattern->host_is_name)
            pattern->host_is_name = stl_pattern_match(pattern->name, name);
    }
}

void stl_selection_drop_hosts(struct stl_selection *selection)
{
    for (size_t i = 0; i < selection->count; i++) {
        struct stl_selection_pattern *pattern = &selection->items[i];
        if (pattern->host && !pattern->host_dropped && !pattern->host_is_name)
            drop_host(pattern);
    }
}

/* --- matching ------------------------------------------------------------------------------------------- */

static bool matches(const struct stl_selection_pattern *pattern, const char *name, const char *tag,
                    const struct stl_digest *digest)
{
    if (!stl_pattern_match(pattern->name, name))
        return false;
    if (pattern->has_digest)
        return digest && stl_digest_equal(&pattern->digest, digest) &&
               (!pattern->tag || !tag || stl_pattern_match(pattern->tag, tag));
    return tag && stl_pattern_match(pattern->tag, tag);
}

bool stl_selection_excludes(struct stl_selection *selection, const char *name, const char *tag,
                            const struct stl_digest *digest)
{
    bool excluded = false;
    for (size_t i = 0; i < selection->count; i++)
        if (selection->items[i].excludes && matches(&selection->items[i], name, tag, digest))
            excluded = selection->items[i].matched = true;
    return excluded;
}

static bool choose_image(struct stl_selection *selection, const char *name, const char *tag,
                         const struct stl_digest *digest, bool by_digest_alone)
{
    bool chosen = selection->chooser_count == 0;
    for (size_t i = 0; i < selection->count; i++) {
        struct stl_selection_pattern *pattern = &selection->items[i];
        if (pattern->excludes || (!pattern->tag && !by_digest_alone) || !matches(pattern, name, tag, digest))
            continue;
        pattern->matched = true;
        chosen = true;
    }
    return chosen && !stl_selection_excludes(selection, name, tag, digest);
}

bool stl_selection_matches(struct stl_selection *selection, const char *name, const char *tag,
                           const struct stl_digest *digest)
{
    return choose_image(selection, name, tag, digest, true);
}

bool stl_selection_matches_tag(struct stl_selection *selection, const char *name, const char *tag,
                               const struct stl_digest *digest)
{
    return choose_image(selection, name, tag, digest, false);
}

bool stl_selection_enters(const struct stl_selection *selection, const char *name)
{
    bool enters = selection->chooser_count == 0;
    for (size_t i = 0; i < selection->count && !enters; i++)
        enters = !selection->items[i].excludes && stl_pattern_match(selection->items[i].name, name);
    return enters;
}

static bool is_any_tag(const struct stl_selection_pattern *pattern)
{
    return !pattern->has_digest && (!strcmp(pattern->tag, "*") || !strcmp(pattern->tag, "**"));
}

bool stl_selection_covers(const struct stl_selection *selection, const char *name)
{
    bool covers = selection->chooser_count == 0;
    for (size_t i = 0; i < selection->count; i++) {
        const struct stl_selection_pattern *pattern = &selection->items[i];
        if (!stl_pattern_match(pattern->name, name))
            continue;
        if (pattern->excludes)
            return false;
        covers |= is_any_tag(pattern);
    }
    return covers;
}

const struct stl_selection_pattern *stl_selection_unmatched(const struct stl_selection *selection)
{
    for (size_t i = 0; i < selection->count; i++)
        if (!selection->items[i].excludes && !selection->items[i].matched)
            return &selection->items[i];
    return NULL;
}
