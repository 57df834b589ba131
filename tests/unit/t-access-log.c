#include "unit.h"

#include <stdio.h>
#include <string.h>

#include "access-log.h"

#define TIME "[29/Nov/2026:05:53:58 +0000]"
#define DIGEST "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
static const int64_t when = 1795931638;

static void pulls(void **state)
{
    static const struct {
        const char *line, *address, *user, *name, *tag, *digest, *agent;
    } lines[] = {
        {"192.0.2.1 - - " TIME " \"GET /v2/lib/app/manifests/v1 HTTP/1.1\" 200 525 \"-\" \"skopeo/1.9\"",
         "192.0.2.1", NULL, "lib/app", "v1", NULL, "skopeo/1.9"},
        {"192.0.2.1 - - " TIME " \"HEAD /v2/app/manifests/v1 HTTP/2.0\" 304 0", "192.0.2.1", NULL, "app",
         "v1", NULL, NULL},
        {"2001:db8::1 - alice " TIME " \"GET /v2/app/manifests/" DIGEST " HTTP/1.1\" 200 -", "2001:db8::1",
         "alice", "app", NULL, DIGEST, NULL},
        {"registry.example.org:443 192.0.2.1 - alice " TIME " \"GET /v2/app/manifests/sha256%3A"
         "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef?x=1 HTTP/1.1\" 200 1 \"\" \"\"",
         "192.0.2.1", "alice", "app", NULL, DIGEST, ""},
        {"host.example.org - - " TIME " \"GET /v2/app/manifests/v1 HTTP/1.1\" 200 1", "host.example.org",
         NULL, "app", "v1", NULL, NULL},
        {"192.0.2.1 - - " TIME " \"GET /v2/a/manifests/b/manifests/c HTTP/1.1\" 200 1", "192.0.2.1", NULL,
         "a/manifests/b", "c", NULL, NULL},
        /* what a client may choose */
        {"192.0.2.1 - x [01/Jan/2020:00:00:00 +0000] \\x22GET /v2/b/manifests/2 HTTP/1.1\\x22 200 1 " TIME
         " \"GET /v2/app/manifests/v1 HTTP/1.1\" 200 1",
         "192.0.2.1", "x [01/Jan/2020:00:00:00 +0000] \\x22GET /v2/b/manifests/2 HTTP/1.1\\x22 200 1", "app",
         "v1", NULL, NULL},
        {"192.0.2.1 - x\\\" [01/Jan/2020:00:00:00 +0000] \\\"GET /v2/b/manifests/2 HTTP/1.1\\\" 200 1 " TIME
         " \"GET /v2/app/manifests/v1 HTTP/1.1\" 200 1",
         "192.0.2.1", "x\\\" [01/Jan/2020:00:00:00 +0000] \\\"GET /v2/b/manifests/2 HTTP/1.1\\\" 200 1",
         "app", "v1", NULL, NULL},
        {"192.0.2.1 - - " TIME " \"GET /v2/app/manifests/v1 HTTP/1.1\" 200 1 \"\\\" 200 1 \\\"\" \"a\\\\\"",
         "192.0.2.1", NULL, "app", "v1", NULL, "a\\\\"},
        {"192.0.2.1 - - [29/Nov/2026:07:53:58 +0200] \"GET /v2/app/manifests/v1 HTTP/1.1\" 200 1",
         "192.0.2.1", NULL, "app", "v1", NULL, NULL},
        {"192.0.2.1 - - [28/Nov/2026:22:23:58 -0730] \"GET /v2/app/manifests/v1 HTTP/1.1\" 200 1",
         "192.0.2.1", NULL, "app", "v1", NULL, NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        STL_AUTO_FREE char *line = stl_strdup(lines[i].line);
        struct stl_record record;
        if (stl_access_log_parse(line, &record) != STL_LINE_PULL)
            fail_msg("%s", lines[i].line);
        assert_int_equal(record.time, when);
        assert_string_equal(record.action, "pull");
        assert_string_equal(record.address, lines[i].address);
        assert_string_equal(record.repository, lines[i].name);
        assert_string_equal(record.user ? record.user : "none", lines[i].user ? lines[i].user : "none");
        assert_string_equal(record.tag ? record.tag : "none", lines[i].tag ? lines[i].tag : "none");
        assert_string_equal(record.digest ? record.digest : "none",
                            lines[i].digest ? lines[i].digest : "none");
        assert_string_equal(record.agent ? record.agent : "none", lines[i].agent ? lines[i].agent : "none");
    }
}

static void other_lines(void **state)
{
    static const struct {
        const char *line;
        enum stl_access_line kind;
    } lines[] = {
        {"192.0.2.1 - - " TIME " \"GET /v2/app/manifests/v1 HTTP/1.1\" 404 1", STL_LINE_OTHER},
        {"192.0.2.1 - - " TIME " \"PUT /v2/app/manifests/v1 HTTP/1.1\" 200 1", STL_LINE_OTHER},
        {"192.0.2.1 - - " TIME " \"GET /v2/app/blobs/" DIGEST " HTTP/1.1\" 200 1", STL_LINE_OTHER},
        {"192.0.2.1 - - " TIME " \"GET /v2/manifests/v1 HTTP/1.1\" 200 1", STL_LINE_OTHER},
        {"192.0.2.1 - - " TIME " \"GET /v2//manifests/v1 HTTP/1.1\" 200 1", STL_LINE_OTHER},
        {"192.0.2.1 - - " TIME " \"GET /v2/app/manifests/ HTTP/1.1\" 200 1", STL_LINE_OTHER},
        {"192.0.2.1 - - " TIME " \"GET /v2/ HTTP/1.1\" 200 1", STL_LINE_OTHER},
        {"192.0.2.1 - - " TIME " \"GET /v2/App/manifests/v1 HTTP/1.1\" 200 1", STL_LINE_OTHER},
        {"192.0.2.1 - - " TIME " \"GET /v2/a/../b/manifests/v1 HTTP/1.1\" 200 1", STL_LINE_OTHER},
        {"192.0.2.1 - - " TIME " \"GET /v2/a%2e%2e/manifests/v1 HTTP/1.1\" 200 1", STL_LINE_OTHER},
        {"192.0.2.1 - - " TIME " \"GET /v2/a%00/manifests/v1 HTTP/1.1\" 200 1", STL_LINE_OTHER},
        {"192.0.2.1 - - " TIME " \"GET /v2/a%/manifests/v%1 HTTP/1.1\" 200 1", STL_LINE_OTHER},
        {"192.0.2.1 - - " TIME " \"GET /v2/app/manifests/v1\\n HTTP/1.1\" 200 1", STL_LINE_OTHER},
        {"192.0.2.1 - - " TIME " \"GET /v2/app/manifests/v1 HTTP/1.1 x\" 200 1", STL_LINE_OTHER},
        {"192.0.2.1 - - " TIME " \"GET /v2/app/manifests/v1\" 200 1", STL_LINE_OTHER},
        {"192.0.2.1 - - " TIME " \"\" 400 0 \"-\" \"-\"", STL_LINE_OTHER},
        {"192.0.2.1 - - " TIME " \"\\x16\\x03\" 400 0", STL_LINE_OTHER},
        {"192.0.2.1 - - " TIME " \"GET /v2/app/manifests/v1 HTTP/1.1 200 1", STL_LINE_FOREIGN},
        {"192.0.2.1 - - " TIME " \"GET /v2/app/manifests/v1 HTTP/1.1\" 2", STL_LINE_FOREIGN},
        {"192.0.2.1 - - " TIME " \"GET /v2/app/manifests/v1 HTTP/1.1\"", STL_LINE_FOREIGN},
        {"192.0.2.1 - - " TIME "  \"GET /v2/app/manifests/v1 HTTP/1.1\" 200 1", STL_LINE_FOREIGN},
        {"192.0.2.1 - - [29/Nox/2026:05:53:58 +0000] \"GET / HTTP/1.1\" 200 1", STL_LINE_FOREIGN},
        {"192.0.2.1 - - [29/ovD/2026:05:53:58 +0000] \"GET / HTTP/1.1\" 200 1", STL_LINE_FOREIGN},
        {"192.0.2.1 - - [29/Nov/2026:05:53:58 +000] \"GET / HTTP/1.1\" 200 1", STL_LINE_FOREIGN},
        {"192.0.2.1 - - [29/Nov/1026:05:53:58 +0000] \"GET / HTTP/1.1\" 200 1", STL_LINE_FOREIGN},
        {"\"", STL_LINE_FOREIGN},
        {"\\", STL_LINE_FOREIGN},
        {"", STL_LINE_FOREIGN},
        {TIME " \"GET / HTTP/1.1\" 200 1", STL_LINE_OTHER},
    };
    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        STL_AUTO_FREE char *line = stl_strdup(lines[i].line);
        struct stl_record record;
        if (stl_access_log_parse(line, &record) != lines[i].kind)
            fail_msg("%s", lines[i].line);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pulls),
        cmocka_unit_test(other_lines),
    };
    return unit_run(tests);
}
