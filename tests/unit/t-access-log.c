#include "unit.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

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
        {"192.0.2.1 - - " TIME " \"GET /v2/app/manifestz/v1 HTTP/1.1\" 200 1", STL_LINE_OTHER},
        {"192.0.2.1 - - [01/Jan/1970:00:00:00 +0000] \"GET / HTTP/1.1\" 200 1", STL_LINE_OTHER},
        {"192.0.2.1 - - [01/Jan/1970:00:00:00 +0001] \"GET / HTTP/1.1\" 200 1", STL_LINE_FOREIGN},
        {"192.0.2.1 " TIME " \"GET /v2/app/manifests/v1 HTTP/1.1\" 200 1", STL_LINE_PULL},
        {TIME " \"GET /v2/app/manifests/v1 HTTP/1.1\" 200 1", STL_LINE_PULL},
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

/* --- files ---------------------------------------------------------------------------------------------- */

/* Collects the tags that were pulled; fails at the tag "stop". */
static int tell(void *context, const struct stl_record *record, struct stl_error *error)
{
    (void)error;
    stl_buf_printf(context, "%s ", record->tag);
    return strcmp(record->tag, "stop") ? 0 : 7;
}

static int read_text(const char *text, size_t length, struct stl_buf *told, struct stl_access_log_seen *seen)
{
    int fd = memfd_create("log", MFD_CLOEXEC);
    assert_true(fd >= 0);
    OK(stl_write_all(fd, text, length, &err));
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    memset(seen, 0, sizeof *seen);
    int result = stl_access_log_each(fd, "log", tell, told, seen, &err);
    stl_close_fd(&fd);
    return result;
}

#define PULL(tag, time, status) "- - - [" time " +0000] \"GET /v2/a/manifests/" tag " HTTP/1.1\" " status " 1"

static void lines_of_a_file(void **state)
{
    static const char text[] = PULL("v2", "01/Jan/1970:00:00:20", "200") "\n\n" /* an empty line is no line */
        PULL("v1", "01/Jan/1970:00:00:10", "304") "\nx\n"                       /* one that is foreign */
        PULL("v3", "01/Jan/1970:00:00:30", "404") "\n" PULL("v4", "01/Jan/1970:00:00:15",
                                                            "200"); /* not complete yet, but all there is */
    static struct stl_access_log_seen seen;
    STL_AUTO_BUF struct stl_buf told = STL_BUF_INIT, again = STL_BUF_INIT;
    (void)state;
    assert_int_equal(read_text(text, strlen(text), &told, &seen), 0);
    assert_string_equal(told.data, "v2 v1 v4 ");
    assert_int_equal(seen.first, 10);
    assert_int_equal(seen.last, 30);
    assert_int_equal(seen.foreign, 1);
    assert_int_equal(seen.answers[200], 2);
    assert_int_equal(seen.answers[304], 1);
    assert_int_equal(seen.answers[404], 1);
    static const char ends[] =
        PULL("stop", "01/Jan/1970:00:00:20", "200") "\n" PULL("v1", "01/Jan/1970:00:00:10", "200") "\n";
    assert_int_equal(read_text(ends, strlen(ends), &again, &seen), 7);
    assert_string_equal(again.data, "stop ");
}

/* A line of 64 KiB is one; a longer one is foreign, and the next one is not. */
static void long_lines(void **state)
{
    enum { LONGEST = 64 << 10 };
    static const char pull[] = PULL("v1", "01/Jan/1970:00:00:20", "200") " ";
    static struct stl_access_log_seen seen;
    (void)state;
    for (size_t length = LONGEST - 1; length <= LONGEST + 1; length++) {
        STL_AUTO_BUF struct stl_buf text = STL_BUF_INIT, told = STL_BUF_INIT;
        stl_buf_puts(&text, pull);
        char *place = stl_buf_extend(&text, length - strlen(pull));
        memset(place, 'x', length - strlen(pull));
        stl_buf_puts(&text, "\n");
        stl_buf_puts(&text, pull);
        stl_buf_puts(&text, "\n");
        assert_int_equal(read_text(text.data, text.length, &told, &seen), 0);
        bool fits = length <= LONGEST;
        assert_string_equal(told.data, fits ? "v1 v1 " : "v1 ");
        assert_int_equal(seen.foreign, !fits);
    }
}

static void a_file_that_cannot_be_read(void **state)
{
    /* the first bytes of one that gzip has made */
    static const char cut[] = {'\x1f', '\x8b', 8, 0, 0, 0, 0, 0, 0, 3, 75, 76};
    static struct stl_access_log_seen seen;
    STL_AUTO_BUF struct stl_buf told = STL_BUF_INIT;
    (void)state;
    FAILS(STL_DAMAGED, read_text(cut, sizeof cut, &told, &seen));
    assert_non_null(strstr(err.message, "cannot read log: it ends in the middle"));
    assert_int_equal(stl_access_log_each(-1, "nothing", tell, &told, &seen, &err), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pulls),
        cmocka_unit_test(other_lines),
        cmocka_unit_test(lines_of_a_file),
        cmocka_unit_test(long_lines),
        cmocka_unit_test(a_file_that_cannot_be_read),
    };
    return unit_run(tests);
}
