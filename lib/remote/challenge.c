#include "challenge.h"

#include <string.h>
#include <strings.h>

#include "mem.h"

/* Skips name=value, where the value may be quoted, and the separator behind it. Returns NULL if there is
 * none. */
static const char *skip_parameter(const char *text)
{
    size_t name = strcspn(text, "=, \t\"");
    if (name == 0 || text[name] != '=')
        return NULL;
    text += name + 1;
    if (*text == '"') {
        for (text++; *text && *text != '"'; text++)
            text += *text == '\\' && text[1];
        text += *text == '"';
    } else
        text += strcspn(text, ", \t");
    return text + strspn(text, ", \t");
}

const char *stl_challenge_of(const struct stl_http_answer *answer, const char *scheme)
{
    size_t length = strlen(scheme);
    for (const char *line = NULL; (line = stl_http_next_header(answer, "WWW-Authenticate", line)) != NULL;)
        for (const char *text = line; *text;) {
            size_t word = strcspn(text, " \t,");
            const char *rest = text + word + strspn(text + word, " \t,");
            if (word == length && !strncasecmp(text, scheme, length))
                return rest;
            for (const char *next; (next = skip_parameter(rest)) != NULL;)
                rest = next;
            text = rest > text ? rest : text + 1;
        }
    return NULL;
}

char *stl_challenge_parameter(const char *challenge, const char *name)
{
    size_t length = strlen(name);
    for (const char *text = challenge, *next; (next = skip_parameter(text)) != NULL; text = next) {
        if (strncasecmp(text, name, length) || text[length] != '=')
            continue;
        const char *value = text + length + 1;
        if (*value != '"')
            return stl_strndup(value, strcspn(value, ", \t"));
        char *copy = stl_alloc(strlen(value));
        size_t count = 0;
        for (value++; *value && *value != '"'; value++) {
            value += *value == '\\' && value[1];
            copy[count++] = *value;
        }
        return copy;
    }
    return NULL;
}
