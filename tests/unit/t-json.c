#include "unit.h"

#include <malloc.h>
#include <string.h>

#include "json.h"

static struct json_object *parse(const char *text)
{
    stl_error_clear(&err);
    return stl_json_parse(text, strlen(text), &err);
}

#define REFUSED(text, length)                                                                                \
    do {                                                                                                     \
        stl_error_clear(&err);                                                                               \
        if (stl_json_parse(text, length, &err))                                                              \
            fail_msg("should have been refused: %s", #text);                                                 \
        unit_check_error(STL_MANIFEST_INVALID, #text);                                                       \
    } while (0)

static void what_is_json(void **state)
{
    (void)state;
    static const char *const texts[] = {"{}",
                                        " \t\r\n{ } \t\r\n",
                                        "{\"\":{}}",
                                        "{\"a\":[1,-0,0.5,1e5,1E+5,-1.25e-7,true,false,null,\"x\",{},[]]}",
                                        "{\"a\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e4\\ud83d\\ude00\"}",
                                        "{\"\xc3\xa4\":\"\xf0\x9f\x93\xa6\x7f\"}",
                                        "{\"a\":\"{[,:]}'//\"}",
                                        "{\"a\":\"\\u0000\"}",
                                        "{\"a\":\"\\\\u0000\",\"\\\\u0000\":1}",
                                        "{\"a\":{\"a\":{\"a\":1}},\"b\":[{\"a\":1},{\"a\":1}]}",
                                        "{\"a\":\"\\ud800\"}"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        STL_AUTO_JSON struct json_object *object = parse(texts[i]);
        if (!object)
            fail_msg("%s: %s", texts[i], err.message);
    }
}

/* RFC 8259; many of these json-c alone would take. */
static void what_is_not_json(void **state)
{
    (void)state;
    static const char *const texts[] = {"",
                                        " ",
                                        "{",
                                        "}",
                                        "[]",
                                        "null",
                                        "1",
                                        "\"a\"",
                                        "{}{}",
                                        "{}x",
                                        "{},",
                                        "x{}",
                                        "{\"a\"}",
                                        "{\"a\":}",
                                        "{\"a\":1,}",
                                        "{\"a\":1 ,\n}",
                                        "{\"a\":{},}",
                                        "{,}",
                                        "{\"a\":1 \"b\":2}",
                                        "{\"a\":[1,]}",
                                        "{\"a\":[[], ]}",
                                        "{\"a\":[1,,2]}",
                                        "{\"a\":[,1]}",
                                        "{\"a\":[1 2]}",
                                        "{\"a\":[1}}",
                                        "{\"a\":{]}",
                                        "{a:1}",
                                        "{'a':1}",
                                        "{\"a\":'b'}",
                                        "{1:1}",
                                        "{/**/}",
                                        "{}//",
                                        "{\"a\":NaN}",
                                        "{\"a\":-NaN}",
                                        "{\"a\":Infinity}",
                                        "{\"a\":-Infinity}",
                                        "{\"a\":nan}",
                                        "{\"a\":True}",
                                        "{\"a\":TRUE}",
                                        "{\"a\":nul}",
                                        "{\"a\":nulll}",
                                        "{\"a\":undefined}",
                                        "{\"a\":01}",
                                        "{\"a\":-01}",
                                        "{\"a\":00}",
                                        "{\"a\":1.}",
                                        "{\"a\":.5}",
                                        "{\"a\":+1}",
                                        "{\"a\":-}",
                                        "{\"a\":--1}",
                                        "{\"a\":1e}",
                                        "{\"a\":1e+}",
                                        "{\"a\":1.e5}",
                                        "{\"a\":0x10}",
                                        "{\"a\":1_000}",
                                        "{\"a\":1-2}",
                                        "{\"a\":1.2.3}",
                                        "{\"a\":\"\n\"}",
                                        "{\"a\":\"\t\"}",
                                        "{\"a\":\"\x01\"}",
                                        "{\"a\":\"\x1f\"}",
                                        "{\"a\":\"\\x\"}",
                                        "{\"a\":\"\\u12\"}",
                                        "{\"a\":\"\\u12g4\"}",
                                        "{\"a\":\"x}",
                                        "{\"a\":\"\\",
                                        "{\"a\":\"\\\"",
                                        "\xef\xbb\xbf{}",
                                        "\v{}",
                                        "\f{}",
                                        "\xc2\xa0{}"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        REFUSED(texts[i], strlen(texts[i]));
}

/* It is not to be seen, so it is named. */
static void a_byte_order_mark(void **state)
{
    (void)state;
    REFUSED("\xef\xbb\xbf{}", 5);
    assert_non_null(strstr(err.message, "byte order mark"));
    REFUSED("\xff\xfe{\0}\0", 6);
    assert_non_null(strstr(err.message, "byte order mark"));
}

static void bytes_behind_a_nul_are_not_hidden(void **state)
{
    (void)state;
    REFUSED("{}\0", 3);
    REFUSED("{}\0garbage", 10);
    REFUSED("{\0}", 3);
    REFUSED("\0{}", 3);
    REFUSED("{\"a\":\"x\0y\"}", 11);
    REFUSED("{\"a\":1\0}", 8);
}

static void only_the_given_length_counts(void **state)
{
    (void)state;
    STL_AUTO_JSON struct json_object *object = stl_json_parse("{}}}", 2, &err);
    assert_non_null(object);
    REFUSED("{\"a\":1}", 6);
    REFUSED("{}", 0);
    REFUSED(NULL, 0);
}

static void strings_are_utf8(void **state)
{
    (void)state;
    static const char *const texts[] = {"{\"a\":\"\xff\"}",         "{\"a\":\"\xc0\x80\"}",
                                        "{\"a\":\"\xed\xa0\x80\"}", "{\"a\":\"\xf4\x90\x80\x80\"}",
                                        "{\"a\":\"\xe2\x82\"}",     "{\"\xff\":1}",
                                        "{\"a\":\"\\\xff\"}",       "{\"a\":\"\xc3"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        REFUSED(texts[i], strlen(texts[i]));
}

static void duplicate_keys(void **state)
{
    (void)state;
    static const char *const texts[] = {"{\"a\":1,\"a\":1}",           "{\"a\":1,\"b\":{},\"a\":2}",
                                        "{\"x\":[{\"a\":1,\"a\":1}]}", "{\"a\":1,\"\\u0061\":1}",
                                        "{\"a\\u0000b\":1}",           "{\"\\u0000\":1}",
                                        "{\"a\":1,\"a\\u0000b\":2}",   "{\"a\":\"::\",\"a\":1}"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        REFUSED(texts[i], strlen(texts[i]));
}

/* {"a":{"a":...{}...}}, `depth` objects or arrays in all */
static char *nested(size_t depth, bool arrays)
{
    STL_AUTO_BUF struct stl_buf buf = STL_BUF_INIT;
    stl_buf_puts(&buf, "{\"a\":");
    for (size_t i = 2; i < depth; i++)
        stl_buf_puts(&buf, arrays ? "[" : "{\"a\":");
    stl_buf_puts(&buf, arrays ? "[]" : "{}");
    for (size_t i = 2; i < depth; i++)
        stl_buf_puts(&buf, arrays ? "]" : "}");
    stl_buf_puts(&buf, "}");
    return stl_strdup(buf.data);
}

static void nesting(void **state)
{
    (void)state;
    for (int arrays = 0; arrays < 2; arrays++) {
        STL_AUTO_FREE char *most = nested(32, arrays), *more = nested(33, arrays),
                           *absurd = nested(100000, arrays);
        STL_AUTO_JSON struct json_object *object = parse(most);
        assert_non_null(object);
        REFUSED(more, strlen(more));
        REFUSED(absurd, strlen(absurd));
    }
    STL_AUTO_FREE char *open = stl_alloc(1 << 20);
    memset(open, '[', (1 << 20) - 1);
    REFUSED(open, (1 << 20) - 1);
}

/* {"a":[unit,unit...]} of about `length` bytes */
static void fill(struct stl_buf *buf, const char *unit, size_t length)
{
    buf->length = 0;
    stl_buf_puts(buf, "{\"a\":[");
    stl_buf_puts(buf, unit);
    while (buf->length + strlen(unit) + 3 <= length) {
        stl_buf_puts(buf, ",");
        stl_buf_puts(buf, unit);
    }
    stl_buf_puts(buf, "]}");
}

#define DESCRIPTOR                                                                                           \
    "{\"mediaType\":\"a/b\",\"digest\":"                                                                     \
    "\"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a\",\"size\":2"

/* What is as large as a manifest may be goes in, whatever descriptors it consists of. */
static void large_manifests(void **state)
{
    (void)state;
    static const char *const units[] = {DESCRIPTOR "}", DESCRIPTOR ",\"annotations\":{\"a\":\"b\"}}",
                                        DESCRIPTOR
                                        ",\"platform\":{\"os\":\"linux\",\"architecture\":\"amd64\"}}"};
    STL_AUTO_BUF struct stl_buf buf = STL_BUF_INIT;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        for (size_t length = 1 << 20; length <= 4 << 20; length *= 4) {
            fill(&buf, units[i], length);
            size_t before = mallinfo2().uordblks + mallinfo2().hblkhd;
            STL_AUTO_JSON struct json_object *object = stl_json_parse(buf.data, buf.length, &err);
            if (!object)
                fail_msg("%zu bytes of %s: %s", length, units[i], err.message);
            size_t after = mallinfo2().uordblks + mallinfo2().hblkhd;
            assert_true(after - before < 10000000 + 20 * length);
        }
    }
}

static void floods(void **state)
{
    static const char *const units[] = {"{}", "[]", "0", "\"\"", "[[]]", "{\"\":0}"};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        STL_AUTO_BUF struct stl_buf flood = STL_BUF_INIT;
        fill(&flood, units[i], 4 << 20);
        REFUSED(flood.data, flood.length);
    }
    (void)state;
    STL_AUTO_BUF struct stl_buf buf = STL_BUF_INIT;
    stl_buf_puts(&buf, "{\"a\":[");
    for (int i = 0; i < 200000; i++)
        stl_buf_puts(&buf, "0,");
    stl_buf_puts(&buf, "0]}");
    REFUSED(buf.data, buf.length);
}

static void strings(void **state)
{
    (void)state;
    STL_AUTO_JSON struct json_object *object =
        parse("{\"s\":\"text\",\"e\":\"\",\"z\":null,\"i\":1,\"o\":{},\"n\":\"a\\u0000b\"}");
    const char *value = "default";
    OK(stl_json_string(object, "absent", &value, &err));
    assert_string_equal(value, "default");
    OK(stl_json_string(object, "z", &value, &err));
    assert_string_equal(value, "default");
    OK(stl_json_string(object, "s", &value, &err));
    assert_string_equal(value, "text");
    OK(stl_json_string(object, "e", &value, &err));
    assert_string_equal(value, "");
    value = "kept";
    FAILS(STL_MANIFEST_INVALID, stl_json_string(object, "i", &value, &err));
    FAILS(STL_MANIFEST_INVALID, stl_json_string(object, "o", &value, &err));
    FAILS(STL_MANIFEST_INVALID, stl_json_string(object, "n", &value, &err));
    assert_string_equal(value, "kept");
}

static void integers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t value;
    } good[] = {
        {"{\"i\":0}", 0},
        {"{\"i\":-0}", 0},
        {"{\"i\":-7}", -7},
        {"{\"i\":9007199254740993}", INT64_C(9007199254740993)},
        {"{\"i\":9223372036854775806}", INT64_MAX - 1},
        {"{\"i\":-9223372036854775807}", -INT64_MAX},
        {"{\"j\":1}", 42},
        {"{\"i\":null}", 42},
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        STL_AUTO_JSON struct json_object *object = parse(good[i].text);
        int64_t value = 42;
        assert_non_null(object);
        OK(stl_json_int64(object, "i", &value, &err));
        assert_int_equal(value, good[i].value);
    }
    static const char *const bad[] = {"{\"i\":9223372036854775808}",
                                      "{\"i\":18446744073709551615}",
                                      "{\"i\":18446744073709551616}",
                                      "{\"i\":-9223372036854775809}",
                                      "{\"i\":99999999999999999999999999}",
                                      "{\"i\":1.0}",
                                      "{\"i\":1e3}",
                                      "{\"i\":\"1\"}",
                                      "{\"i\":true}",
                                      "{\"i\":[]}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        STL_AUTO_JSON struct json_object *object = parse(bad[i]);
        int64_t value = 42;
        assert_non_null(object);
        FAILS(STL_MANIFEST_INVALID, stl_json_int64(object, "i", &value, &err));
        assert_int_equal(value, 42);
    }
}

static void objects_and_arrays(void **state)
{
    (void)state;
    STL_AUTO_JSON struct json_object *object = parse("{\"o\":{},\"a\":[],\"z\":null}");
    struct json_object *value = NULL;
    OK(stl_json_object(object, "z", &value, &err));
    OK(stl_json_array(object, "z", &value, &err));
    OK(stl_json_object(object, "absent", &value, &err));
    assert_null(value);
    FAILS(STL_MANIFEST_INVALID, stl_json_object(object, "a", &value, &err));
    FAILS(STL_MANIFEST_INVALID, stl_json_array(object, "o", &value, &err));
    assert_null(value);
    OK(stl_json_object(object, "o", &value, &err));
    assert_true(json_object_is_type(value, json_type_object));
    OK(stl_json_array(object, "a", &value, &err));
    assert_true(json_object_is_type(value, json_type_array));
}

static void quoting(void **state)
{
    (void)state;
    STL_AUTO_BUF struct stl_buf buf = STL_BUF_INIT;
    assert_int_equal(stl_json_add_quoted(&buf, "a\"b\\c\n/\x01\xc3\xa4"), 0);
    assert_string_equal(buf.data, "\"a\\\"b\\\\c\\n/\\u0001\xc3\xa4\"");
    STL_AUTO_FREE char *text = stl_sprintf("{\"a\":%s}", buf.data);
    STL_AUTO_JSON struct json_object *object = parse(text);
    const char *value = NULL;
    OK(stl_json_string(object, "a", &value, &err));
    assert_string_equal(value, "a\"b\\c\n/\x01\xc3\xa4");
    assert_string_equal(stl_json_text(object), text);
}

static void what_is_written(void **state)
{
    (void)state;
    STL_AUTO_JSON struct json_object *object = json_object_new_object();
    struct json_object *array = json_object_new_array();
    stl_json_set_string(object, "text", "a/\"b\"");
    stl_json_set_number(object, "number", INT64_MIN);
    stl_json_set_flag(object, "yes", true);
    stl_json_set_flag(object, "no", false);
    stl_json_append_string(array, "é");
    stl_json_append_number(array, INT64_MAX);
    json_object_object_add(object, "array", array);
    assert_string_equal(stl_json_text(object),
                        "{\"text\":\"a/\\\"b\\\"\",\"number\":-9223372036854775808,\"yes\":true,\"no\":false,"
                        "\"array\":[\"é\",9223372036854775807]}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_json),
        cmocka_unit_test(what_is_not_json),
        cmocka_unit_test(a_byte_order_mark),
        cmocka_unit_test(bytes_behind_a_nul_are_not_hidden),
        cmocka_unit_test(only_the_given_length_counts),
        cmocka_unit_test(strings_are_utf8),
        cmocka_unit_test(duplicate_keys),
        cmocka_unit_test(nesting),
        cmocka_unit_test(large_manifests),
        cmocka_unit_test(floods),
        cmocka_unit_test(strings),
        cmocka_unit_test(integers),
        cmocka_unit_test(objects_and_arrays),
        cmocka_unit_test(quoting),
        cmocka_unit_test(what_is_written),
    };
    return unit_run(tests);
}
