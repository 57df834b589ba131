#include "render.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = 8, NAME_MAX_LENGTH = 40 };

void stl_render_set(struct stl_render *render, const char *name, const char *value)
{
    for (size_t i = 0; i < render->count; i++) {
        if (!strcmp(render->values[i].name, name)) {
            render->values[i].value = value;
            return;
        }
    }
    if (render->count == STL_RENDER_VALUES_MAX)
        abort();
    render->values[render->count].name = name;
    render->values[render->count++].value = value;
}

void stl_render_clear(struct stl_render *render)
{
    render->count = 0;
}

static const char *value_of(const struct stl_render *values, const char *name)
{
    for (size_t i = 0; i < values->count; i++)
        if (!strcmp(values->values[i].name, name))
            return values->values[i].value;
    return NULL;
}

/* The NAME of "@<head>NAME@" in the line, e.g. head "IF ". Returns false if the line has none. */
static bool directive(const char *line, size_t length, const char *head, char name[NAME_MAX_LENGTH])
{
    const char *start = memmem(line, length, head, strlen(head));
    if (!start)
        return false;
    start += strlen(head);
    size_t n = strspn(start, "!ABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789");
    if (n == 0 || n >= NAME_MAX_LENGTH || start[n] != '@')
        return false;
    memcpy(name, start, n);
    name[n] = '\0';
    return true;
}

static bool is_set(const struct stl_render *values, const char *name)
{
    return name[0] == '!' ? !value_of(values, name + 1) : value_of(values, name) != NULL;
}

static int add_value(const char *name, const struct stl_render *values, struct stl_buf *out,
                     struct stl_error *err)
{
    const char *value = value_of(values, name);
    if (!value)
        return stl_error_set(err, STL_INVALID, "the template needs a value for %s", name);
    for (const char *p = value; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f || strchr("<>&\"'\\{};", *p))
            return stl_error_set(err, STL_INVALID,
                                 "'%.200s' holds a quote, a bracket, an ampersand, a "
                                 "semicolon, a backslash or a control character, which a configuration file "
                                 "cannot hold",
                                 value);
    return stl_buf_puts(out, value);
}

static int add_line(const char *line, size_t length, const struct stl_render *values, struct stl_buf *out,
                    struct stl_error *err)
{
    while (length > 0) {
        char name[NAME_MAX_LENGTH];
        const char *at = memchr(line, '@', length);
        if (!at)
            return stl_buf_add(out, line, length);
        stl_buf_add(out, line, (size_t)(at - line));
        length -= (size_t)(at - line);
        line = at;
        if (directive(line, length, "@", name) && !strncmp(line + 1, name, strlen(name))) {
            if (add_value(name, values, out, err))
                return -1;
            line += strlen(name) + 2;
            length -= strlen(name) + 2;
        } else {
            stl_buf_add(out, line++, 1);
            length--;
        }
    }
    return 0;
}

int stl_render(const char *template_name, const struct stl_render *values, struct stl_buf *out,
               struct stl_error *err)
{
    size_t length, depth = 0;
    bool kept[DEPTH_MAX + 1] = {true};
    const char *text = stl_template_file(template_name, &length);
    if (!text)
        return stl_error_set(err, STL_INVALID, "there is no template '%s'", template_name);
    for (const char *line = text, *next, *end = text + length; line < end; line = next) {
        char name[NAME_MAX_LENGTH];
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        next = newline ? newline + 1 : end;
        size_t line_length = (size_t)(next - line);
        if (directive(line, line_length, "@IF ", name)) {
            if (++depth > DEPTH_MAX)
                abort();
            kept[depth] = kept[depth - 1] && is_set(values, name);
        } else if (directive(line, line_length, "@END ", name)) {
            if (depth-- == 0)
                abort();
        } else if (kept[depth] && add_line(line, line_length, values, out, err))
            return -1;
    }
    return 0;
}
