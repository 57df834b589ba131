#include "questions.h"

#include <json-c/json.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

void die(const char *what)
{
    perror(what);
    exit(1);
}

FILE *open_or_die(const char *path, const char *mode)
{
    FILE *file = fopen(path, mode);
    if (!file)
        die(path);
    return file;
}

/* The next word of standard input, on the heap; NULL at its end. */
static char *next_word(void)
{
    char *word = NULL;
    size_t size = 0;
    if (getdelim(&word, &size, '\0', stdin) >= 0)
        return word;
    free(word);
    return NULL;
}

int question_read(struct question *question)
{
    char *count = next_word();
    if (!count)
        return 0;
    *question = (struct question){.count = (int)strtol(count, NULL, 10)};
    free(count);
    question->words = calloc((size_t)question->count, sizeof *question->words);
    for (int i = 0; i < question->count; i++)
        if (!(question->words[i] = next_word()))
            return 0;
    return question->count >= 2;
}

void question_clear(struct question *question)
{
    for (int i = 0; i < question->count; i++)
        free(question->words[i]);
    free(question->words);
}

static const char *member(struct json_object *object, const char *name)
{
    struct json_object *value;
    return json_object_is_type(object, json_type_object) && json_object_object_get_ex(object, name, &value) &&
                   json_object_is_type(value, json_type_string)
               ? json_object_get_string(value)
               : "";
}

static const char *code_of(struct json_object *error)
{
    const char *code = member(error, "code");
    return code[strspn(code, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_")] ? "" : code;
}

static const char *first_code(struct json_object *errors)
{
    if (!json_object_is_type(errors, json_type_array) || json_object_array_length(errors) == 0)
        return "";
    for (size_t i = 0; i < json_object_array_length(errors); i++)
        if (!*code_of(json_object_array_get_idx(errors, i)))
            return "";
    struct json_object *first = json_object_array_get_idx(errors, 0);
    return *member(first, "message") ? code_of(first) : "";
}

const char *error_code_in(const char *path)
{
    static char text[1 << 16], code[128];
    FILE *file = open_or_die(path, "rb");
    size_t length = fread(text, 1, sizeof text - 1, file);
    struct json_tokener *tokener = json_tokener_new();
    struct json_object *errors = NULL, *all = NULL;
    fclose(file);
    text[length] = '\0';
    if (*text == '{')
        all = json_tokener_parse_ex(tokener, text, (int)length);
    size_t end = json_tokener_get_parse_end(tokener);
    bool whole = all && end + strspn(text + end, " \r\n") == length;
    snprintf(code, sizeof code, "%s",
             whole && json_object_object_get_ex(all, "errors", &errors) ? first_code(errors) : "");
    json_object_put(all);
    json_tokener_free(tokener);
    return code;
}
