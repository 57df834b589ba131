#include "mirrors.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "readers.h"

static struct stl_mirror *append_mirror(struct stl_mirrors *mirrors)
{
    stl_grow(mirrors->items, mirrors->count);
    struct stl_mirror *mirror = &mirrors->items[mirrors->count++];
    *mirror = (struct stl_mirror){.referrers = true};
    return mirror;
}

static int read_newest(struct stl_yaml *yaml, yaml_node_t *node, void *target, struct stl_error *err)
{
    const int64_t *newest = target;
    if (stl_yaml_int(yaml, node, target, err))
        return -1;
    return *newest > 1000000 ? stl_yaml_error(yaml, node, err, "newest may be at most 1000000") : 0;
}

static int read_mirror(struct stl_yaml *yaml, yaml_node_t *node, void *target, struct stl_error *err)
{
    static const struct stl_yaml_key keys[] = {
        {"from", stl_yaml_string, offsetof(struct stl_mirror, from)},
        {"to", stl_yaml_string, offsetof(struct stl_mirror, to)},
        {"tags", stl_words_read, offsetof(struct stl_mirror, tags)},
        {"newest", read_newest, offsetof(struct stl_mirror, newest)},
        {"platforms", stl_words_read, offsetof(struct stl_mirror, platforms)},
        {"referrers", stl_yaml_bool, offsetof(struct stl_mirror, referrers)},
        {"prune", stl_yaml_bool, offsetof(struct stl_mirror, prune)},
        {NULL, NULL, 0},
    };
    struct stl_mirror *mirror = append_mirror(target);
    mirror->line = node->start_mark.line + 1;
    if (stl_yaml_mapping(yaml, node, keys, mirror, err))
        return -1;
    if (!mirror->from)
        return stl_yaml_error(yaml, node, err, "the mirror has no 'from: HOST/NAME'");
    if (mirror->prune && mirror->tags.count == 0 && mirror->newest == 0)
        return stl_yaml_error(yaml, node, err,
                              "prune: it needs 'tags' or 'newest', which say what it applies to");
    return 0;
}

int stl_mirrors_read(struct stl_yaml *yaml, yaml_node_t *node, void *target, struct stl_error *err)
{
    return stl_yaml_sequence(yaml, node, read_mirror, target, err);
}

int stl_mirrors_add_lines(struct stl_mirrors *mirrors, const char *label, const char *text,
                          struct stl_error *err)
{
    STL_AUTO_FREE char *copy = stl_strdup(text);
    char *rest = copy;
    size_t number = 0;
    for (char *line; (line = strsep(&rest, "\n")) != NULL;) {
        number++;
        line[strcspn(line, "#\r")] = '\0';
        const char *words[3] = {NULL};
        size_t count = 0;
        for (char *word; (word = strsep(&line, " \t")) != NULL && count < 3;)
            if (*word)
                words[count++] = word;
        if (count == 0)
            continue;
        if (count > 2)
            return stl_error_set(err, STL_USAGE, "%s:%zu: 'FROM [TO]' is expected", label, number);
        struct stl_mirror *mirror = append_mirror(mirrors);
        mirror->line = number;
        mirror->from = stl_strdup(words[0]);
        mirror->to = words[1] ? stl_strdup(words[1]) : NULL;
    }
    return 0;
}

void stl_mirrors_clear(struct stl_mirrors *mirrors)
{
    for (size_t i = 0; i < mirrors->count; i++) {
        free(mirrors->items[i].from);
        free(mirrors->items[i].to);
        stl_words_clear(&mirrors->items[i].tags);
        stl_words_clear(&mirrors->items[i].platforms);
    }
    free(mirrors->items);
    *mirrors = (struct stl_mirrors){0};
}
