/*
 * JSON from strangers, on top of json-c.
 *
 * stl_json_parse() refuses what json-c would let through or choke on: nesting, floods of tiny values,
 * duplicate keys, NUL in keys, invalid UTF-8, control characters, trailing text, all that is not in RFC 8259.
 * The getters refuse wrong types and numbers out of range. Errors have code STL_MANIFEST_INVALID; a caller
 * for whom it is another document adds its own context.
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

/* Parses one JSON object of `length` bytes. Returns NULL on error; else the caller puts it. */
struct json_object *stl_json_parse(const char *text, size_t length, struct stl_error *err);
/* The same for an array. */
struct json_object *stl_json_parse_array(const char *text, size_t length, struct stl_error *err);
/* The same for an object that may have `most` values, each of which takes about 100 bytes of memory; an
 * object counts as eight. Otherwise 100,000 are allowed. */
struct json_object *stl_json_parse_large(const char *text, size_t length, size_t most, struct stl_error *err);

/* The member `key` of `object`. An absent member or one that is null gives 0 and *value untouched, so callers
 * initialise to the default; a member of another type is an error. Strings live as long as the object. */
int stl_json_string(struct json_object *object, const char *key, const char **value, struct stl_error *err);
int stl_json_int64(struct json_object *object, const char *key, int64_t *value, struct stl_error *err);
int stl_json_object(struct json_object *object, const char *key, struct json_object **value,
                    struct stl_error *err);
int stl_json_array(struct json_object *object, const char *key, struct json_object **value,
                   struct stl_error *err);

/* Adds `text` as a JSON string, quotes included. */
int stl_json_add_quoted(struct stl_buf *buf, const char *text);
/* The text of an object that we built, without spaces and with '/' as it is. Lives as long as the object. */
const char *stl_json_text(struct json_object *object);

#endif
