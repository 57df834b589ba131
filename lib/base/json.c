#include "json.h"

#include <limits.h>
#include <string.h>

#include "utf8.h"

enum {
    DEPTH_MAX = 32,
    /* The memory that json-c needs, in hundreds of bytes: one each for a value, a key and an empty array. */
    OBJECT_COST = 8, /* an object has a table for 16 members */
    COST_MAX = 100000,
    COST_BYTES = 5, /* a descriptor with a platform or annotations has more bytes than this for each */
};

void stl_json_put(struct json_object **object)
{
    json_object_put(*object);
    *object = NULL;
}

/* State of the check that the bytes pass before json-c sees them. json-c accepts single quotes, comments,
 * NaN, numbers such as 1. and -01, commas before a closing bracket, control characters and broken UTF-8 in
 * strings, and anything after a NUL, contrary to RFC 8259. Its strict mode does not help: in 0.18 it refuses
 * anything that is not ASCII. */
struct json_scan {
    const char *at, *end;
    char last;      /* the token before this one, by its first character */
    size_t members; /* colons outside strings: one for each member of an object */
    size_t cost;    /* memory that json-c will need, estimated from commas, colons and brackets outside
                       strings */
    int depth;
    bool has_nul; /* the last string contains an escaped NUL */
};

static int scan_string(struct json_scan *scan, struct stl_error *err)
{
    scan->has_nul = false;
    for (const char *p = scan->at + 1; p < scan->end;) {
        size_t left = (size_t)(scan->end - p), length = stl_utf8_length(p, left);
        if (length == 0)
            return stl_error_set(err, STL_MANIFEST_INVALID, "not JSON: a string is not valid UTF-8");
        if ((unsigned char)*p < 0x20)
            return stl_error_set(err, STL_MANIFEST_INVALID, "not JSON: a string holds a control character");
        if (*p == '"') {
            scan->at = p + 1;
            return 0;
        }
        if (*p == '\\') {
            scan->has_nul |= left >= 6 && !memcmp(p, "\\u0000", 6);
            length = left < 2 ? 1 : 1 + stl_utf8_length(p + 1, left - 1);
        }
        p += length;
    }
    return stl_error_set(err, STL_MANIFEST_INVALID, "not JSON: it ends too early");
}

static const char *skip_digits(const char *p, const char *end)
{
    while (p < end && *p >= '0' && *p <= '9')
        p++;
    return p;
}

static bool is_number(const char *p, const char *end)
{
    if (p < end && *p == '-')
        p++;
    const char *start = p;
    p = skip_digits(p, end);
    if (p == start || (*start == '0' && p > start + 1))
        return false;
    if (p < end && *p == '.') {
        start = ++p;
        p = skip_digits(p, end);
        if (p == start)
            return false;
    }
    if (p < end && (*p == 'e' || *p == 'E')) {
        p++;
        if (p < end && (*p == '+' || *p == '-'))
            p++;
        start = p;
        p = skip_digits(p, end);
        if (p == start)
            return false;
    }
    return p == end;
}

/* A number, true, false or null. */
static int scan_word(struct json_scan *scan, struct stl_error *err)
{
    static const char *const words[] = {"true", "false", "null"};
    const char *start = scan->at, *p = start;
    while (p < scan->end && *p && !strchr(" \t\r\n{}[],:\"", *p))
        p++;
    size_t length = (size_t)(p - start);
    bool known = is_number(start, p);
    for (size_t i = 0; i < sizeof words / sizeof *words && !known; i++)
        known = strlen(words[i]) == length && !memcmp(start, words[i], length);
    if (!known)
        return stl_error_set(err, STL_MANIFEST_INVALID, "not JSON: unexpected '%.*s'",
                             length > 20 ? 20
                             : length    ? (int)length
                                         : 1,
                             length ? start : "?");
    scan->at = p;
    return 0;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static int scan_token(struct json_scan *scan, struct stl_error *err)
{
    switch (*scan->at) {
    case '"':
        return scan_string(scan, err);
    case ':':
        /* json-c would end the key there and see a different member than other parsers. */
        if (scan->has_nul)
            return stl_error_set(err, STL_MANIFEST_INVALID, "JSON has a key with a NUL character");
        scan->members++;
        scan->cost++;
        break;
    case '{':
    case '[':
        if (++scan->depth > DEPTH_MAX)
            return stl_error_set(err, STL_MANIFEST_INVALID, "JSON is nested more than %d deep", DEPTH_MAX);
        scan->cost += *scan->at == '{' ? OBJECT_COST : 1;
        break;
    case ',':
        scan->cost++;
        break;
    case '}':
    case ']':
        if (scan->last == ',')
            return stl_error_set(err, STL_MANIFEST_INVALID, "not JSON: there is a comma before a '%c'",
                                 *scan->at);
        scan->depth--;
        break;
    default:
        if (!is_space(*scan->at))
            return scan_word(scan, err);
    }
    scan->at++;
    return 0;
}

static int scan_all(struct json_scan *scan, size_t most, struct stl_error *err)
{
    while (scan->at < scan->end) {
        char token = *scan->at;
        if (scan_token(scan, err))
            return -1;
        if (!is_space(token))
            scan->last = token;
        if (scan->cost > most)
            return stl_error_set(
                err, STL_MANIFEST_INVALID,
                "JSON has too many values for its size: it would take more than %zu MB of memory",
                most / 10000);
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

/* *end: behind the value and the white space after it. */
static struct json_object *tokenize(const char *text, size_t length, const char **end,
                                    enum json_tokener_error *why)
{
    struct json_tokener *tokener = json_tokener_new_ex(DEPTH_MAX + 1);
    if (!tokener)
        abort();
    struct json_object *object = json_tokener_parse_ex(tokener, text, (int)length);
    *why = json_tokener_get_error(tokener);
    *end = text + json_tokener_get_parse_end(tokener);
    if (*why == json_tokener_continue) { /* the end of a number or null is only known from what follows it */
        object = json_tokener_parse_ex(tokener, "\n", 1);
        *why = json_tokener_get_error(tokener);
    }
    while (*end < text + length && is_space(**end))
        ++*end;
    json_tokener_free(tokener);
    return object;
}

/* The byte order mark of UTF-8 or UTF-16, which some editors write and no editor shows. */
static bool has_byte_order_mark(const char *text, size_t length)
{
    static const char *const marks[] = {"\xef\xbb\xbf", "\xff\xfe", "\xfe\xff"};
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        if (length >= strlen(marks[i]) && !memcmp(text, marks[i], strlen(marks[i])))
            return true;
    return false;
}

static struct json_object *parse_bounded(const char *text, size_t length, size_t most, enum json_type type,
                                         struct stl_error *err)
{
    if (length == 0)
        text = ""; /* the data of an empty buffer is NULL */
    struct json_scan scan = {.at = text, .end = text + length};
    if (length > INT_MAX) {
        stl_error_set(err, STL_MANIFEST_INVALID, "JSON is larger than 2 GiB");
        return NULL;
    }
    if (has_byte_order_mark(text, length)) {
        stl_error_set(err, STL_MANIFEST_INVALID,
                      "not JSON: it begins with a byte order mark: save it again as UTF-8 without one");
        return NULL;
    }
    if (scan_all(&scan, most, err))
        return NULL;
    enum json_tokener_error why;
    struct json_object *object = tokenize(text, length, &scan.at, &why);
    if (why != json_tokener_success)
        stl_error_set(err, STL_MANIFEST_INVALID, "not JSON: %s",
                      why == json_tokener_continue ? "it ends too early" : json_tokener_error_desc(why));
    else if (scan.at < scan.end)
        stl_error_set(err, STL_MANIFEST_INVALID, "not JSON: something follows its end");
    else if (!json_object_is_type(object, type))
        stl_error_set(err, STL_MANIFEST_INVALID, "JSON is not an %s", json_type_to_name(type));
    else if (count_members(object) != scan.members)
        stl_error_set(err, STL_MANIFEST_INVALID, "JSON has an object with a duplicate key");
    else
        return object;
    json_object_put(object);
    return NULL;
}

struct json_object *stl_json_parse(const char *text, size_t length, struct stl_error *err)
{
    return parse_bounded(text, length, COST_MAX + length / COST_BYTES, json_type_object, err);
}

struct json_object *stl_json_parse_large(const char *text, size_t length, size_t most, struct stl_error *err)
{
    return parse_bounded(text, length, most, json_type_object, err);
}

struct json_object *stl_json_parse_array(const char *text, size_t length, struct stl_error *err)
{
    return parse_bounded(text, length, COST_MAX + length / COST_BYTES, json_type_array, err);
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

void stl_json_set_string(struct json_object *object, const char *key, const char *value)
{
    json_object_object_add(object, key, json_object_new_string(value));
}

void stl_json_set_number(struct json_object *object, const char *key, int64_t value)
{
    json_object_object_add(object, key, json_object_new_int64(value));
}

void stl_json_set_flag(struct json_object *object, const char *key, bool value)
{
    json_object_object_add(object, key, json_object_new_boolean(value));
}

void stl_json_append_string(struct json_object *array, const char *value)
{
    json_object_array_add(array, json_object_new_string(value));
}

void stl_json_append_number(struct json_object *array, int64_t value)
{
    json_object_array_add(array, json_object_new_int64(value));
}
