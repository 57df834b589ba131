/*
 * JSON from strangers, on top of json-c.
 *
 * stl_json_parse() refuses what json-c would let through or choke on: nesting, floods of tiny values,
 * duplicate keys, NUL in keys, invalid UTF-8, control characters, trailing text, and anything else that RFC
 * 8259 does not allow. The getters refuse wrong types and numbers out of range. Errors have code
 * STL_MANIFEST_INVALID; a caller that parses another kind of document adds its own context.
 */
#ifndef STL_JSON_H
#define STL_JSON_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

#include "err.h"
#include "mem.h"

void stl_json_put(struct json_object **object);
#define STL_AUTO_JSON __attribute__((cleanup(stl_json_put)))

/* Parses one JSON object of `length` bytes. Returns NULL on error; otherwise the caller puts it. It takes at
 * most 10 MB of memory plus 20 bytes for each byte of text: a text that would take more, such as a million
 * empty objects, is refused before it is parsed. A manifest that is all descriptors takes half of that. */
struct json_object *stl_json_parse(const char *text, size_t length, struct stl_error *err);
/* The same for an array. */
struct json_object *stl_json_parse_array(const char *text, size_t length, struct stl_error *err);
/* The same for an object that may take `most` times 100 bytes of memory: one for each value and each key,
 * eight for an object. */
struct json_object *stl_json_parse_large(const char *text, size_t length, size_t most, struct stl_error *err);

/* The member `key` of `object`. If the member is absent or null, they return 0 and leave *value untouched, so
 * callers initialise it to the default; a member of another type is an error. Strings live as long as the
 * object. */
int stl_json_string(struct json_object *object, const char *key, const char **value, struct stl_error *err);
int stl_json_int64(struct json_object *object, const char *key, int64_t *value, struct stl_error *err);
int stl_json_object(struct json_object *object, const char *key, struct json_object **value,
                    struct stl_error *err);
int stl_json_array(struct json_object *object, const char *key, struct json_object **value,
                   struct stl_error *err);

/* Set a member of an object that we build. */
void stl_json_set_string(struct json_object *object, const char *key, const char *value);
void stl_json_set_number(struct json_object *object, const char *key, int64_t value);
void stl_json_set_flag(struct json_object *object, const char *key, bool value);
/* Append to an array that we build. */
void stl_json_append_string(struct json_object *array, const char *value);
void stl_json_append_number(struct json_object *array, int64_t value);
/* Appends `text` as a JSON string, including the quotes. */
int stl_json_add_quoted(struct stl_buf *buf, const char *text);
/* The text of an object that we built, without spaces and with '/' unescaped. Lives as long as the object. */
const char *stl_json_text(struct json_object *object);

#endif
