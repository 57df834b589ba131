#include "unit.h"

#include <stddef.h>
#include <string.h>

#include "yaml.h"

struct values {
    bool flag;
    int64_t number, size, time;
    char *text;
    size_t items;
};

static int read_item(struct stl_yaml *yaml, yaml_node_t *node, void *target, struct stl_error *error)
{
    struct values *values = target;
    STL_AUTO_FREE char *text = NULL;
    values->items++;
    return stl_yaml_string(yaml, node, &text, error);
}

static int read_list(struct stl_yaml *yaml, yaml_node_t *node, void *target, struct stl_error *error)
{
    return stl_yaml_sequence(yaml, node, read_item, target, error);
}

static const struct stl_yaml_key keys[] = {
    {"flag", stl_yaml_bool, offsetof(struct values, flag)},
    {"number", stl_yaml_int, offsetof(struct values, number)},
    {"size", stl_yaml_size, offsetof(struct values, size)},
    {"time", stl_yaml_duration, offsetof(struct values, time)},
    {"text", stl_yaml_string, offsetof(struct values, text)},
    {"list", read_list, 0},
    {NULL, NULL, 0},
};

static int read_text_of(struct values *values, const char *text, size_t length, struct stl_error *error)
{
    struct stl_yaml yaml;
    if (stl_yaml_load(&yaml, "f.yaml", text, length, error))
        return -1;
    int result = stl_yaml_mapping(&yaml, stl_yaml_root(&yaml), keys, values, error);
    stl_yaml_clear(&yaml);
    return result;
}

static int read_text(struct values *values, const char *text, struct stl_error *error)
{
    return read_text_of(values, text, strlen(text), error);
}

/* Refused, with that file and line, and words of the message. */
static void refused(const char *text, const char *where, const char *words)
{
    struct values values = {0};
    FAILS(STL_INVALID, read_text(&values, text, &err));
    stl_free_ptr(&values.text);
    if (strncmp(err.message, where, strlen(where)) || !strstr(err.message, words))
        fail_msg("'%.200s': '%s' should be '%s ... %s'", text, err.message, where, words);
}

static void a_document(void **state)
{
    (void)state;
    struct values values = {0};
    OK(read_text(&values,
                 "# comment\nflag: true\nnumber: 42\nsize: 4MiB\ntime: 7d\ntext: \"a: b\"\nlist: [x, 'y']\n",
                 &err));
    assert_true(values.flag);
    assert_int_equal(values.number, 42);
    assert_int_equal(values.size, 4 << 20);
    assert_int_equal(values.time, 7 * 86400);
    assert_string_equal(values.text, "a: b");
    assert_int_equal(values.items, 2);
    stl_free_ptr(&values.text);
}

static void null_is_the_default(void **state)
{
    (void)state;
    struct values values = {.flag = true, .number = 5};
    OK(read_text(&values, "flag:\nnumber: ~\nsize: null\ntext:\nlist:\n", &err));
    assert_true(values.flag);
    assert_int_equal(values.number, 5);
    assert_null(values.text);
    OK(read_text(&values, "{}", &err));
    OK(read_text(&values, "text: 'null'\n", &err));
    assert_string_equal(values.text, "null");
    OK(read_text(&values, "text: \"\"\n", &err));
    assert_string_equal(values.text, "");
    stl_free_ptr(&values.text);
}

static void errors_name_file_and_line(void **state)
{
    (void)state;
    refused("title: J\xc3\xb6rg\nlist:\n\t- a\n", "f.yaml:3: ", "a tab cannot indent");
    refused("flag: true\nflug: true\n",
            "f.yaml:2: ", "'flug': known here are flag, number, size, time, text, list");
    refused("flag: true\n\n\nflag: false\n", "f.yaml:4: ", "'flag' is given twice");
    refused("flag: yes\n", "f.yaml:1: ", "true or false");
    refused("flag: [true]\n", "f.yaml:1: ", "true or false");
    refused("flag: True\n", "f.yaml:1: ", "true or false");
    refused("number: -1\n", "f.yaml:1: ", "whole number");
    refused("number: 1.5\n", "f.yaml:1: ", "whole number");
    refused("number: 9223372036854775808\n", "f.yaml:1: ", "whole number");
    refused("number: {}\n", "f.yaml:1: ", "whole number");
    refused("size: 4 MiB\n", "f.yaml:1: ", "a size");
    refused("time: 4\n", "f.yaml:1: ", "a time");
    refused("text:\n  a: b\n", "f.yaml:2: ", "a text");
    refused("list: x\n", "f.yaml:1: ", "a list");
    refused("list:\n- x\n- [y]\n", "f.yaml:3: ", "a text");
    refused("? [a]\n: b\n", "f.yaml:1: ", "unknown key");
    refused("text: \"a\\0b\"\n", "f.yaml:1: ", "a text");
    refused("\"fl\\0ag\": true\n", "f.yaml:1: ", "unknown key");
}

static void what_is_not_yaml(void **state)
{
    (void)state;
    refused("flag: true\nnumber: [1\n", "f.yaml:", "");
    refused("flag: true\n\tnumber: 1\n", "f.yaml:2: ", "");
    refused("text: \"abc\n", "f.yaml:", "");
    refused("text: *nobody\n", "f.yaml:1: ", "");
    refused("flag: true\ntext: \x01\n", "f.yaml:2: ", "control characters");
    refused("flag: true\n\n# \xff\n", "f.yaml:3: ", "UTF-8");
    refused("flag: @\n", "f.yaml:1: ", "");
    refused("%YAML 9.9\n---\nflag: true\n", "f.yaml:1: ", "");
}

static void the_root_is_a_mapping(void **state)
{
    (void)state;
    static const char *const texts[] = {"",           "# nothing\n", "---\n", "text\n",
                                        "- a\n- b\n", "[a]",         "42\n",  "~\n"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        refused(texts[i], "f.yaml:1: ", "'key: value' lines");
}

static void there_is_one_document(void **state)
{
    (void)state;
    struct values values = {0};
    OK(read_text(&values, "---\nflag: true\n...\n# end\n", &err));
    refused("flag: true\n---\nnumber: 1\n", "f.yaml:2: ", "one document");
    refused("flag: true\n...\nnumber: 1\n", "f.yaml:3: ", "");
    refused("flag: true\n---\n[\n", "f.yaml:", "");
}

static void bytes_are_as_many_as_said(void **state)
{
    (void)state;
    struct values values = {0};
    OK(read_text_of(&values, "number: 12345", 11, &err));
    assert_int_equal(values.number, 123);
    FAILS(STL_INVALID, read_text_of(&values, "flag: true\n\0x", 13, &err));
}

/* Aliases share nodes: neither loops nor billions of them cost anything. */
static void aliases(void **state)
{
    (void)state;
    refused("&a {flag: *a}\n", "f.yaml:1: ", "true or false");
    refused("text: &a [*a]\n", "f.yaml:1: ", "a text");
    STL_AUTO_BUF struct stl_buf buf = STL_BUF_INIT;
    stl_buf_puts(&buf, "list:\n- &a0 x\n");
    for (int i = 1; i < 30; i++)
        stl_buf_printf(&buf, "- &a%d [*a%d,*a%d,*a%d,*a%d]\n", i, i - 1, i - 1, i - 1, i - 1);
    refused(buf.data, "f.yaml:3: ", "a text");
}

static void deep_nesting(void **state)
{
    (void)state;
    STL_AUTO_FREE char *text = stl_alloc(5001);
    memset(text, '[', 5000);
    memcpy(text, "list: ", 6);
    refused(text, "f.yaml:", "");
}

static void sizes(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t value;
    } good[] = {{"0", 0},
                {"1048576", 1048576},
                {"7B", 7},
                {"1kB", 1000},
                {"1KB", 1000},
                {"10MB", 10000000},
                {"10GB", INT64_C(10000000000)},
                {"1TB", INT64_C(1000000000000)},
                {"1KiB", 1024},
                {"4MiB", 4194304},
                {"3GiB", INT64_C(3221225472)},
                {"1TiB", INT64_C(1099511627776)},
                {"1K", 1024},
                {"1M", 1048576},
                {"1G", 1073741824},
                {"1T", INT64_C(1099511627776)},
                {"9223372036854775807", INT64_MAX},
                {"8388607TiB", INT64_C(8388607) << 40},
                {"007", 7}};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        int64_t value = -1;
        if (stl_parse_size(good[i].text, &value) || value != good[i].value)
            fail_msg("%s gives %lld", good[i].text, (long long)value);
    }
    static const char *const bad[] = {"",
                                      " 1",
                                      "1 ",
                                      "-1",
                                      "+1",
                                      "MiB",
                                      "1 MiB",
                                      "1mib",
                                      "1MiBs",
                                      "1.5MiB",
                                      "0x10",
                                      "1e3",
                                      "9223372036854775808",
                                      "8388608TiB",
                                      "9223372036854775807K",
                                      "99999999999999999999B"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        int64_t value;
        if (!stl_parse_size(bad[i], &value))
            fail_msg("'%s' should be refused", bad[i]);
    }
}

static void durations(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t value;
    } good[] = {{"0s", 0}, {"30s", 30}, {"5m", 300}, {"12h", 43200}, {"7d", 604800}, {"2w", 1209600}};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        int64_t value = -1;
        assert_int_equal(stl_parse_duration(good[i].text, &value), 0);
        assert_int_equal(value, good[i].value);
    }
    static const char *const bad[] = {"", "5", "-5s", "5 s", "5S", "5ms", "1h30m", "15250284452472w", "s"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        int64_t value;
        if (!stl_parse_duration(bad[i], &value))
            fail_msg("'%s' should be refused", bad[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_document),
        cmocka_unit_test(null_is_the_default),
        cmocka_unit_test(errors_name_file_and_line),
        cmocka_unit_test(what_is_not_yaml),
        cmocka_unit_test(the_root_is_a_mapping),
        cmocka_unit_test(there_is_one_document),
        cmocka_unit_test(bytes_are_as_many_as_said),
        cmocka_unit_test(aliases),
        cmocka_unit_test(deep_nesting),
        cmocka_unit_test(sizes),
        cmocka_unit_test(durations),
    };
    return unit_run(tests);
}
