#include "unit.h"

#include <fcntl.h>
#include <string.h>

#include "render.h"

static const char *const templates[] = {"registry.yaml", "page/index.html", "nginx.conf", "apache.conf"};

static char *render(const char *name, const struct stl_render *values)
{
    STL_AUTO_BUF struct stl_buf out = STL_BUF_INIT;
    OK(stl_render(name, values, &out, &err));
    assert_int_equal(strlen(out.data), out.length);
    return stl_strdup(out.data);
}

/* Every value that any template knows; `bits` chooses which of the conditions hold. */
static void set_all(struct stl_render *values, unsigned bits)
{
    static const char *const names[] = {"TITLE",   "EDITION", "REGISTRY", "LISTEN",  "SERVER_NAME",
                                        "RUNTIME", "CGI",     "FASTCGI",  "TLS_KEY", "TLS_CERTIFICATE"};
    static const char *const conditions[] = {"GROUP", "APACHE", "STANDALONE", "AS_ROOT",
                                             "PUSH",  "TLS",    "FCGIWRAP"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        stl_render_set(values, names[i], "value");
    for (size_t i = 0; i < sizeof conditions / sizeof *conditions; i++)
        if (bits >> i & 1)
            stl_render_set(values, conditions[i], "");
}

static void files_are_part_of_the_program(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof templates / sizeof *templates; i++) {
        size_t length = 0;
        const char *text = stl_template_file(templates[i], &length);
        assert_non_null(text);
        assert_true(length > 100);
        assert_int_equal(strlen(text), length);
        STL_AUTO_FREE char *path = stl_sprintf("templates/%s", templates[i]),
                           *file = unit_read(AT_FDCWD, path);
        if (file) /* the tests run in the source folder */
            assert_string_equal(text, file);
    }
    size_t length;
    assert_null(stl_template_file("none", &length));
    assert_null(stl_template_file("", &length));
    assert_null(stl_template_file("../registry.yaml", &length));
}

static void nothing_of_the_template_language_is_left(void **state)
{
    (void)state;
    for (unsigned bits = 0; bits < 1 << 7; bits++) {
        for (size_t i = 0; i < sizeof templates / sizeof *templates; i++) {
            struct stl_render values = STL_RENDER_INIT;
            set_all(&values, bits);
            STL_AUTO_FREE char *text = render(templates[i], &values);
            if (strstr(text, "@IF") || strstr(text, "@END") || strstr(text, "@TITLE@") ||
                strstr(text, "@REGISTRY@"))
                fail_msg("%s, %x: a directive is left", templates[i], bits);
        }
    }
}

static void conditions_choose_blocks(void **state)
{
    (void)state;
    struct stl_render values = STL_RENDER_INIT;
    stl_render_set(&values, "TITLE", "T");
    STL_AUTO_FREE char *without = render("registry.yaml", &values);
    assert_non_null(strstr(without, "\n#group: www-data\n"));
    assert_null(strstr(without, "\ngroup:"));
    stl_render_set(&values, "GROUP", "web");
    STL_AUTO_FREE char *with = render("registry.yaml", &values);
    assert_null(strstr(with, "#group:"));
    assert_non_null(strstr(with, "\ngroup: web\n"));
    struct stl_render both = STL_RENDER_INIT;
    set_all(&both, 0);
    STL_AUTO_FREE char *plain = render("nginx.conf", &both);
    stl_render_set(&both, "TLS", "");
    STL_AUTO_FREE char *tls = render("nginx.conf", &both);
    assert_null(strstr(plain, "ssl_certificate"));
    assert_non_null(strstr(tls, "ssl_certificate"));
}

static void values(void **state)
{
    (void)state;
    struct stl_render set = STL_RENDER_INIT;
    STL_AUTO_BUF struct stl_buf out = STL_BUF_INIT;
    FAILS(STL_INVALID, stl_render("registry.yaml", &set, &out, &err));
    assert_non_null(strstr(err.message, "TITLE"));
    FAILS(STL_INVALID, stl_render("none", &set, &out, &err));
    stl_render_set(&set, "TITLE", "first");
    stl_render_set(&set, "TITLE", "second @TITLE@ @IF X@ \xc3\xa4 # $x: %s *");
    assert_int_equal(set.count, 1);
    STL_AUTO_FREE char *text = render("registry.yaml", &set);
    assert_non_null(strstr(text, "title: \"second @TITLE@ @IF X@ \xc3\xa4 # $x: %s *\"\n"));
    stl_render_set(&set, "TITLE", "");
    STL_AUTO_FREE char *empty = render("registry.yaml", &set);
    assert_non_null(strstr(empty, "title: \"\"\n"));
    stl_render_clear(&set);
    assert_int_equal(set.count, 0);
}

/* None of these may leave the text it stands in: quotes of YAML, HTML, and what ends a directive. */
static void values_that_could_break_out(void **state)
{
    (void)state;
    for (int c = 1; c < 256; c++) {
        char value[] = {'a', (char)c, 'b', '\0'};
        struct stl_render set = STL_RENDER_INIT;
        STL_AUTO_BUF struct stl_buf out = STL_BUF_INIT;
        stl_render_set(&set, "TITLE", value);
        bool bad = c < 0x20 || c == 0x7f || strchr("<>&\"'\\{};", c);
        if (bad)
            FAILS(STL_INVALID, stl_render("page/index.html", &set, &out, &err));
        else
            OK(stl_render("page/index.html", &set, &out, &err));
    }
}

static void there_is_room_for_all_values(void **state)
{
    (void)state;
    struct stl_render set = STL_RENDER_INIT;
    char names[STL_RENDER_VALUES_MAX][2];
    for (size_t i = 0; i < STL_RENDER_VALUES_MAX; i++) {
        names[i][0] = (char)('A' + i);
        names[i][1] = '\0';
        stl_render_set(&set, names[i], "x");
        stl_render_set(&set, names[i], "y");
    }
    assert_int_equal(set.count, STL_RENDER_VALUES_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_are_part_of_the_program),
        cmocka_unit_test(nothing_of_the_template_language_is_left),
        cmocka_unit_test(conditions_choose_blocks),
        cmocka_unit_test(values),
        cmocka_unit_test(values_that_could_break_out),
        cmocka_unit_test(there_is_room_for_all_values),
    };
    return unit_run(tests);
}
