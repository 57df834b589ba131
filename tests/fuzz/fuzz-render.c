/* Values of templates: lines "NAME value". Whatever they are, the words they stand in do not end. */
#include <string.h>

#include "fuzz.h"
#include "render.h"
#include "scratch.h"

static size_t count_lines(const char *text)
{
    size_t lines = 0;
    for (; *text; text++)
        lines += *text == '\n';
    return lines;
}

/* The same conditions, with values that nobody could object to. */
static size_t expected_lines(const char *template, const struct stl_render *values)
{
    struct stl_render plain = *values;
    STL_AUTO_BUF struct stl_buf out = STL_BUF_INIT;
    struct stl_error err = STL_ERROR_INIT;
    for (size_t i = 0; i < plain.count; i++)
        plain.values[i].value = "x";
    EXPECT(stl_render(template, &plain, &out, &err) == 0);
    return count_lines(out.data);
}

static void set_lines(struct stl_render *values, char *text)
{
    char *next = NULL;
    for (char *line = text; line && values->count < STL_RENDER_VALUES_MAX; line = next) {
        next = strchr(line, '\n');
        if (next)
            *next++ = '\0';
        char *space = strchr(line, ' ');
        if (space)
            *space++ = '\0';
        stl_render_set(values, line, space ? space : "");
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const templates[] = {"registry.yaml", "page/index.html", "nginx.conf", "apache.conf"};
    STL_AUTO_FREE char *text = scratch_text(data, size);
    struct stl_render values = STL_RENDER_INIT;
    set_lines(&values, text);
    for (size_t i = 0; i < sizeof templates / sizeof *templates; i++) {
        STL_AUTO_BUF struct stl_buf out = STL_BUF_INIT;
        struct stl_error err = STL_ERROR_INIT;
        if (stl_render(templates[i], &values, &out, &err))
            EXPECT(err.code == STL_INVALID && err.message[0]);
        else
            EXPECT(count_lines(out.data) == expected_lines(templates[i], &values));
    }
    return 0;
}
