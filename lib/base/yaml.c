#include "yaml.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

/* Whether a line, counted from 1, is indented with a tab. */
static bool has_tab(const char *text, size_t length, size_t line)
{
    const char *p = text, *end = text + length;
    for (; line > 1 && p < end; p++)
        line -= *p == '\n';
    while (p < end && *p == ' ')
        p++;
    return p < end && *p == '\t';
}

/* Returns -1. libyaml gives no line number for bytes that it cannot read at all. */
static int parser_error(const yaml_parser_t *parser, const char *file, const char *text, size_t length,
                        struct stl_error *err)
{
    size_t line = parser->problem_mark.line + 1;
    if (parser->error == YAML_READER_ERROR) {
        line = 1;
        for (size_t i = 0; i < parser->problem_offset; i++)
            line += text[i] == '\n';
    }
    if (has_tab(text, length, line))
        return stl_error_set(err, STL_INVALID, "%s:%zu: a tab cannot indent: use blanks", file, line);
    return stl_error_set(err, STL_INVALID, "%s:%zu: %s%s%s", file, line,
                         parser->context ? parser->context : "", parser->context ? ", " : "",
                         parser->problem ? parser->problem : "not YAML");
}

/* Whether the parser, which has loaded a document, is at the end. */
static int expect_end(yaml_parser_t *parser, const char *file, const char *text, size_t length,
                      struct stl_error *err)
{
    yaml_document_t next;
    if (!yaml_parser_load(parser, &next))
        return parser_error(parser, file, text, length, err);
    size_t line = next.start_mark.line + 1;
    bool at_end = !yaml_document_get_root_node(&next);
    yaml_document_delete(&next);
    return at_end ? 0
                  : stl_error_set(err, STL_INVALID, "%s:%zu: the file must hold one document", file, line);
}

int stl_yaml_load(struct stl_yaml *yaml, const char *file, const char *text, size_t length,
                  struct stl_error *err)
{
    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser))
        abort();
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, length);
    yaml->file = file;
    if (!yaml_parser_load(&parser, &yaml->document)) {
        parser_error(&parser, file, text, length, err);
        yaml_parser_delete(&parser);
        return -1;
    }
    yaml_node_t *root = stl_yaml_root(yaml);
    int result = root && root->type == YAML_MAPPING_NODE
                     ? expect_end(&parser, file, text, length, err)
                     : stl_error_set(err, STL_INVALID, "%s:1: the file must hold 'key: value' lines", file);
    yaml_parser_delete(&parser);
    if (result)
        stl_yaml_clear(yaml);
    return result;
}

void stl_yaml_clear(struct stl_yaml *yaml)
{
    yaml_document_delete(&yaml->document);
}

yaml_node_t *stl_yaml_root(struct stl_yaml *yaml)
{
    return yaml_document_get_root_node(&yaml->document);
}

yaml_node_t *stl_yaml_node(struct stl_yaml *yaml, int index)
{
    return yaml_document_get_node(&yaml->document, index);
}

const char *stl_yaml_scalar(const yaml_node_t *node)
{
    if (node->type != YAML_SCALAR_NODE)
        return NULL;
    const char *text = (const char *)node->data.scalar.value;
    return strlen(text) == node->data.scalar.length ? text : NULL;
}

int stl_yaml_error(const struct stl_yaml *yaml, const yaml_node_t *node, struct stl_error *err,
                   const char *format, ...)
{
    char message[512];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    return stl_error_set(err, STL_INVALID, "%s:%zu: %s", yaml->file, node->start_mark.line + 1, message);
}

static bool is_null(const yaml_node_t *node)
{
    const char *text = stl_yaml_scalar(node);
    return text && node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
           (!*text || !strcmp(text, "~") || !strcmp(text, "null"));
}

static const struct stl_yaml_key *find_key(struct stl_yaml *yaml, yaml_node_t *node,
                                           const struct stl_yaml_key *keys, struct stl_error *err)
{
    const char *name = stl_yaml_scalar(node);
    char known[400] = "";
    for (const struct stl_yaml_key *key = keys; key->key; key++) {
        if (name && !strcmp(name, key->key))
            return key;
        size_t used = strlen(known);
        snprintf(known + used, sizeof known - used, "%s%s", used ? ", " : "", key->key);
    }
    stl_yaml_error(yaml, node, err, "unknown key '%.80s': known here are %s", name ? name : "(not a word)",
                   known);
    return NULL;
}

int stl_yaml_mapping(struct stl_yaml *yaml, yaml_node_t *node, const struct stl_yaml_key *keys, void *base,
                     struct stl_error *err)
{
    if (node->type != YAML_MAPPING_NODE)
        return stl_yaml_error(yaml, node, err, "'key: value' lines are expected here");
    uint64_t seen = 0;
    for (yaml_node_pair_t *pair = node->data.mapping.pairs.start; pair < node->data.mapping.pairs.top;
         pair++) {
        yaml_node_t *name = stl_yaml_node(yaml, pair->key), *value = stl_yaml_node(yaml, pair->value);
        const struct stl_yaml_key *key = find_key(yaml, name, keys, err);
        if (!key)
            return -1;
        uint64_t bit = UINT64_C(1) << (key - keys);
        if (seen & bit)
            return stl_yaml_error(yaml, name, err, "key '%s' is given twice: remove one", key->key);
        seen |= bit;
        if (!is_null(value) && key->read(yaml, value, (char *)base + key->offset, err))
            return -1;
    }
    return 0;
}

int stl_yaml_sequence(struct stl_yaml *yaml, yaml_node_t *node,
                      int (*read)(struct stl_yaml *, yaml_node_t *, void *, struct stl_error *), void *target,
                      struct stl_error *err)
{
    if (node->type != YAML_SEQUENCE_NODE)
        return stl_yaml_error(yaml, node, err, "a list is expected here: lines '- ...', or [...]");
    for (yaml_node_item_t *item = node->data.sequence.items.start; item < node->data.sequence.items.top;
         item++)
        if (read(yaml, stl_yaml_node(yaml, *item), target, err))
            return -1;
    return 0;
}

int stl_yaml_bool(struct stl_yaml *yaml, yaml_node_t *node, void *target, struct stl_error *err)
{
    const char *text = stl_yaml_scalar(node);
    if (!text || (strcmp(text, "true") && strcmp(text, "false")))
        return stl_yaml_error(yaml, node, err, "true or false is expected here");
    *(bool *)target = text[0] == 't';
    return 0;
}

/* Digits, then a unit of the table, NULL-terminated; the product must fit. */
struct unit {
    const char *name;
    int64_t factor;
};

static int parse_number(const char *text, const struct unit *units, int64_t *value)
{
    if (!text || text[0] < '0' || text[0] > '9')
        return -1;
    char *end;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    if (errno)
        return -1;
    for (; units->name; units++)
        if (!strcmp(end, units->name))
            return __builtin_mul_overflow((int64_t)number, units->factor, value) ? -1 : 0;
    return -1;
}

int stl_parse_size(const char *text, int64_t *bytes)
{
    static const struct unit units[] = {
        {"", 1},
        {"B", 1},
        {"kB", 1000},
        {"KB", 1000},
        {"MB", 1000000},
        {"GB", 1000000000},
        {"TB", 1000000000000},
        {"KiB", 1 << 10},
        {"MiB", 1 << 20},
        {"GiB", 1 << 30},
        {"TiB", INT64_C(1) << 40},
        {"K", 1 << 10},
        {"M", 1 << 20},
        {"G", 1 << 30},
        {"T", INT64_C(1) << 40},
        {NULL, 0},
    };
    return parse_number(text, units, bytes);
}

int stl_parse_duration(const char *text, int64_t *seconds)
{
    static const struct unit units[] = {
        {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}, {"w", 604800}, {NULL, 0},
    };
    return parse_number(text, units, seconds);
}

int stl_yaml_int(struct stl_yaml *yaml, yaml_node_t *node, void *target, struct stl_error *err)
{
    static const struct unit none[] = {{"", 1}, {NULL, 0}};
    if (parse_number(stl_yaml_scalar(node), none, target))
        return stl_yaml_error(yaml, node, err, "a whole number is expected here");
    return 0;
}

int stl_yaml_size(struct stl_yaml *yaml, yaml_node_t *node, void *target, struct stl_error *err)
{
    if (stl_parse_size(stl_yaml_scalar(node), target))
        return stl_yaml_error(yaml, node, err, "a size such as 4MiB or 10GB is expected here");
    return 0;
}

int stl_yaml_duration(struct stl_yaml *yaml, yaml_node_t *node, void *target, struct stl_error *err)
{
    if (stl_parse_duration(stl_yaml_scalar(node), target))
        return stl_yaml_error(yaml, node, err, "a time such as 90s, 5m, 12h or 7d is expected here");
    return 0;
}

int stl_yaml_string(struct stl_yaml *yaml, yaml_node_t *node, void *target, struct stl_error *err)
{
    const char *text = stl_yaml_scalar(node);
    if (!text)
        return stl_yaml_error(yaml, node, err, "a text is expected here");
    free(*(char **)target);
    *(char **)target = stl_strdup(text);
    return 0;
}

int stl_yaml_path(struct stl_yaml *yaml, yaml_node_t *node, void *target, struct stl_error *err)
{
    if (stl_yaml_string(yaml, node, target, err))
        return -1;
    return **(char **)target == '/' ? 0
                                    : stl_yaml_error(yaml, node, err, "an absolute path is expected here");
}
