/*
 * Templates: fills values into the files of templates/ and templates/page/, which are built into the program.
 *
 * In a template, @NAME@ is replaced by a value. A line that holds "@IF NAME@" starts a block that is kept
 * only if NAME has a value (even an empty one), "@IF !NAME@" one that is kept only if it has none; a line
 * with "@END NAME@" or "@END !NAME@" ends it. Such lines, which may be comments of the target language, are
 * dropped. Blocks nest.
 */
#ifndef STL_RENDER_H
#define STL_RENDER_H

#include "err.h"
#include "mem.h"

enum { STL_RENDER_VALUES_MAX = 32 };

/* Values by name. The texts are borrowed and must outlive the rendering. */
struct stl_render {
    struct {
        const char *name, *value;
    } values[STL_RENDER_VALUES_MAX];
    size_t count;
};

#define STL_RENDER_INIT                                                                                      \
    {                                                                                                        \
        .count = 0                                                                                           \
    }

void stl_render_set(struct stl_render *render, const char *name, const char *value);
void stl_render_clear(struct stl_render *render);

/* Adds the filled-in template to `out`. Fails with STL_INVALID if a placeholder has no value, or a value
 * holds a control character, a quote, a backslash or one of <>&{};, which could end the text around it. */
int stl_render(const char *template_name, const struct stl_render *values, struct stl_buf *out,
               struct stl_error *err);

/* The bytes of a template file, or NULL. */
const char *stl_template_file(const char *name, size_t *length);
/* The names of all template files, for i from 0; NULL after the last. */
const char *stl_template_name(size_t i);

#endif
