#include "json.h"

#include <limits.h>
#include <string.h>

enum {
    DEPTH_MAX = 32,
    VALUES_MAX = 100000, /* json-c needs about 100 bytes for each */
};

void stl_json_put(struct json_object **object)
{
    json_object_put(*object);
    *object = NULL;
}

struct shape {
    size_t members; /* colons outside strings: one for each member of an object */
    size_t values;  /* no more than commas and brackets outside strings */
    int depth;
};

static int measure(const char *text, size_t length, struct shape *shape, struct stl_error *err)
{
    bool in_string = false;
    int depth = 0;
    *shape = (struct shape){0};
    for (size_t i = 0; i < length; i++) {
        char c = text[i];
        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = false;
            continue;
        }
        if (c == '"')
            in_string = true;
        else if (c == ':')
            shape->members++;
        else if (c == ',')
            shape->values++;
        else if (c == '{' || c == '[') {
            shape->values++;
            if (++depth > DEPTH_MAX)
                return stl_error_set(err, STL_MANIFEST_INVALID, "JSON is nested more than %d deep", DEPTH_MAX);
        } else if (c == '}' || c == ']')
            depth--;
        if (shape->values > VALUES_MAX)
            return stl_error_set(err, STL_MANIFEST_INVALID, "JSON has more than %d values", VALUES_MAX);
    }
    return 0;
}

/* json-c keeps the last of several members with the same key: fewer members than colons means duplicates. */
static size_t count_members(struct json_object *value)
{
    size_t count = 0;
    if (json_object_is_type(value, json_type_object)) {
        json_object_object_foreach(value, key, member)
        {
            (void)key;
            count += 1 + count_members(member);
        }
    } else if (json_object_is_type(value, json_type_array)) {
        for (size_t i = 0; i < json_object_array_length(value); i++)
            count += count_members(json_object_array_get_idx(value, i));
    }
    return count;
}

struct json_object *stl_json_parse(const char *text, size_t length, struct stl_error *err)
{
    struct shape shape;
    if (length > INT_MAX) {
        stl_error_set(err, STL_MANIFEST_INVALID, "JSON is larger than 2 GiB");
        return NULL;
    }
    if (measure(text, length, &shape, err))
        return NULL;
    struct json_tokener *tokener = json_tokener_new_ex(DEPTH_MAX + 1);
    if (!tokener)
        abort();
    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
    struct json_object *object = json_tokener_parse_ex(tokener, text, (int)length);
    enum json_tokener_error why = json_tokener_get_error(tokener);
    json_tokener_free(tokener);
    if (why == json_tokener_success && !json_object_is_type(object, json_type_object))
        stl_error_set(err, STL_MANIFEST_INVALID, "JSON is not an object");
    else if (why != json_tokener_success)
        stl_error_set(err, STL_MANIFEST_INVALID, "not JSON: %s",
                      why == json_tokener_continue ? "it ends too early" : json_tokener_error_desc(why));
    else if (count_members(object) != shape.members)
        stl_error_set(err, STL_MANIFEST_INVALID, "JSON has an object with a duplicate key");
    else
        return object;
    json_object_put(object);
    return NULL;
}

static int get(struct json_object *object, const char *key, enum json_type type, struct json_object **value,
               struct stl_error *err)
{
    if (!json_object_object_get_ex(object, key, value) || !*value) {
        *value = NULL;
        return 0;
    }
    if (json_object_is_type(*value, type))
        return 0;
    return stl_error_set(err, STL_MANIFEST_INVALID, "'%s' is %s %s where %s is expected", key,
                         json_object_is_type(*value, json_type_array) ? "an" : "a",
                         json_type_to_name(json_object_get_type(*value)), json_type_to_name(type));
}

int stl_json_string(struct json_object *object, const char *key, const char **value, struct stl_error *err)
{
    struct json_object *member;
    if (get(object, key, json_type_string, &member, err))
        return -1;
    if (!member)
        return 0;
    const char *text = json_object_get_string(member);
    if (strlen(text) != (size_t)json_object_get_string_len(member))
        return stl_error_set(err, STL_MANIFEST_INVALID, "'%s' holds a NUL character", key);
    *value = text;
    return 0;
}

int stl_json_int64(struct json_object *object, const char *key, int64_t *value, struct stl_error *err)
{
    struct json_object *member;
    if (get(object, key, json_type_int, &member, err))
        return -1;
    if (!member)
        return 0;
    int64_t number = json_object_get_int64(member);
    if (number == INT64_MAX || number == INT64_MIN) /* json-c saturates */
        return stl_error_set(err, STL_MANIFEST_INVALID, "'%s' is out of range", key);
    *value = number;
    return 0;
}

int stl_json_object(struct json_object *object, const char *key, struct json_object **value,
                    struct stl_error *err)
{
    struct json_object *member;
    if (get(object, key, json_type_object, &member, err))
        return -1;
    if (member)
        *value = member;
    return 0;
}

int stl_json_array(struct json_object *object, const char *key, struct json_object **value,
                   struct stl_error *err)
{
    struct json_object *member;
    if (get(object, key, json_type_array, &member, err))
        return -1;
    if (member)
        *value = member;
    return 0;
}

int stl_json_add_quoted(struct stl_buf *buf, const char *text)
{
    STL_AUTO_JSON struct json_object *string = json_object_new_string(text);
    return stl_buf_puts(buf, stl_json_text(string));
}

const char *stl_json_text(struct json_object *object)
{
    return json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
}
