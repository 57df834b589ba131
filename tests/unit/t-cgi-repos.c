/* Repositories as things of their own (cgi/repos.c), through stillage.cgi within this process. */
#include "asking.h"

/* Hashes of "secret" that take no time. */
#define SECRET ":$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW\n"
#define ALICE "HTTP_AUTHORIZATION=Basic YWxpY2U6c2VjcmV0\n"
#define BOB "HTTP_AUTHORIZATION=Basic Ym9iOnNlY3JldA==\n"
#define ABOUT "/v2/own/a/tags/_about"
#define TRASH "/v2/own/a/tags/_trash"

static const char settings[] = "version: 1\n"
                               "access:\n"
                               "  - {repository: 'own/**', push: [bob], admin: [alice]}\n"
                               "  - {repository: 'free/**', admin: [alice]}\n";

static void begin_repos(struct unit *unit, const char *more)
{
    STL_AUTO_FREE char *text = stl_sprintf("%s%s", settings, more);
    unit_settings(unit, text);
    unit_write(unit->registry.root.fd, "auth/htpasswd", "alice" SECRET "bob" SECRET);
}

static void what_is_said_of_a_repository(void **state)
{
    static const struct {
        const char *method, *who, *body;
        int status;
        const char *says;
    } steps[] = {
        {"GET", ALICE, "", 404, "NAME_UNKNOWN"},
        {"PATCH", ALICE, "{}", 404, "NAME_UNKNOWN"},
        {"DELETE", ALICE, "", 404, "NAME_UNKNOWN"},
        {"PUT", BOB, "{}", 403, "DENIED"},
        {"PUT", ALICE, "", 400, ""},
        {"PUT", ALICE, "[]", 400, ""},
        {"PUT", ALICE, "{\"visibility\":\"open\"}", 400, "visibility has to be"},
        {"PUT", ALICE, "{\"visibility\":7}", 400, ""},
        {"PUT", ALICE, "{\"description\":\"a\\nb\"}", 400, "one line"},
        {"PUT", ALICE, "{\"description\":\"first\"}", 201, "\"description\":\"first\""},
        {"PUT", ALICE, "{\"description\":\"again\"}", 409, "exists"},
        {"GET", ALICE, "", 200, "\"may\":[\"pull\",\"admin\"]"},
        {"GET", ALICE, "", 200, "\"decidedBy\""},
        {"GET", ALICE, "", 200, "\"tags\":0,\"size\":0,\"quota\":{}"},
        {"GET", BOB, "", 200, "\"may\":[\"pull\",\"push\"]"},
        {"GET", "", "", 401, "UNAUTHORIZED"},
        {"PATCH", BOB, "{\"description\":\"bob\"}", 403, "DENIED"},
        {"PATCH", ALICE, "{}", 200, "\"description\":\"first\""},
        {"PATCH", ALICE, "{\"description\":\"second\"}", 200, "\"description\":\"second\""},
        {"DELETE", BOB, "", 403, "DENIED"},
        {"DELETE", ALICE, "", 202, ""},
        {"GET", ALICE, "", 404, "NAME_UNKNOWN"},
    };
    struct unit *unit = *state;
    begin_repos(unit, "");
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        int status = send_body(unit, steps[i].method, ABOUT, steps[i].who, steps[i].body);
        if (status != steps[i].status || !says(steps[i].says))
            fail_msg("step %zu, %s: %d %s", i, steps[i].method, status, body());
    }
    send_body(unit, "PUT", ABOUT, ALICE, "{}");
    send_body(unit, "GET", ABOUT, BOB, "");
    assert_false(says("decidedBy")); /* which line of registry.yaml it is: for admins */
}

static void changes_are_in_the_log(void **state)
{
    static const struct {
        const char *method, *body, *logged, *not_logged;
    } steps[] = {
        {"PUT", "{\"description\":\"d\"}", "\"describe\"", "\"make-p"},
        {"PATCH", "{\"visibility\":\"public\"}", "\"make-public\"", "\"describe\""},
        {"PATCH", "{\"visibility\":\"public\",\"description\":\"\"}", "\"describe\"", "\"make-p"},
        {"PATCH", "{\"visibility\":\"private\"}", "\"make-private\"", "\"describe\""},
    };
    struct unit *unit = *state;
    begin_repos(unit, "");
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        unit_remove(unit->registry.root.fd, "log/events.jsonl");
        int status = send_body(unit, steps[i].method, "/v2/free/a/tags/_about", ALICE, steps[i].body);
        if (status != (i ? 200 : 201))
            fail_msg("step %zu: %d %s", i, status, body());
        STL_AUTO_FREE char *log = unit_read(unit->registry.root.fd, "log/events.jsonl");
        assert_non_null(log);
        assert_non_null(strstr(log, steps[i].logged));
        assert_null(strstr(log, steps[i].not_logged));
        assert_true(i || strstr(log, "\"create\""));
    }
}

static void how_long_a_body_may_be(void **state)
{
    enum { MOST = 64 << 10 };
    struct unit *unit = *state;
    begin_repos(unit, "");
    for (int more = 1; more >= 0; more--) { /* the closing brace is the last byte */
        STL_AUTO_FREE char *text = stl_sprintf("{%*s", MOST + more - 1, "}");
        assert_int_equal(send_body(unit, "PUT", ABOUT, ALICE, text), more ? 400 : 201);
        assert_int_equal(says("larger than 65536 bytes"), more);
    }
}

static void what_may_not_be_deleted(void **state)
{
    struct unit *unit = *state;
    static const char *const switched_off[] = {"push: {delete-tags: false}\n",
                                               "push: {delete-manifests: false}\n"};
    for (size_t i = 0; i < 2; i++) {
        begin_repos(unit, switched_off[i]);
        send_body(unit, "PUT", ABOUT, ALICE, "{}");
        assert_int_equal(send_body(unit, "DELETE", ABOUT, ALICE, ""), 405);
        assert_true(says(i ? "does not allow manifests" : "does not allow tags"));
        assert_non_null(header("Allow"));
        assert_null(strstr(header("Allow"), "DELETE"));
    }
}

/* Only who is told to come back is told when. */
static void while_it_is_frozen(void **state)
{
    struct unit *unit = *state;
    begin_repos(unit, "");
    assert_int_equal(send_body(unit, "GET", ABOUT, ALICE, ""), 404);
    assert_null(header("Retry-After"));
    unit_write(unit->registry.root.fd, "frozen", "backup");
    assert_int_equal(send_body(unit, "PUT", ABOUT, ALICE, "{}"), 503);
    assert_true(says("read-only for a while: backup"));
    assert_non_null(header("Retry-After"));
    unit_remove(unit->registry.root.fd, "frozen");
    assert_int_equal(send_body(unit, "PUT", ABOUT, ALICE, "{}"), 201);
}

static void out_of_the_trash(void **state)
{
    struct unit *unit = *state;
    struct stl_name name = unit_name("own/a");
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
    begin_repos(unit, "");
    assert_int_equal(send_body(unit, "PUT", ABOUT, ALICE, "{}"), 201);
    OK(stl_repo_open(&repo, &unit->registry, &name, &err));
    unit_push(&repo, "one", "v1");
    unit_push(&repo, "two", "v2");
    struct stl_tag both[] = {unit_tag("v1"), unit_tag("v2")};
    OK(commit_tags_gone(&repo, both, 2, NULL, NULL, &err));
    assert_int_equal(send_body(unit, "GET", TRASH, BOB, ""), 200);
    assert_true(says("\"tag\":\"v1\"") && says("\"tag\":\"v2\"") && says("\"deleted\":"));
    static const char *const bad[] = {"{}", "{\"tags\":{}}", "{\"tags\":[7]}", "{\"tags\":[\"..\"]}", "x"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (send_body(unit, "PUT", TRASH, BOB, bad[i]) != 400)
            fail_msg("%s: %s", bad[i], body());
    assert_int_equal(send_body(unit, "PUT", TRASH, BOB, "{\"tags\":[\"v3\"]}"), 404);
    assert_int_equal(send_body(unit, "PUT", TRASH, BOB, "{\"tags\":[\"v2\"]}"), 204);
    assert_int_equal(send_body(unit, "GET", TRASH, BOB, ""), 200);
    assert_true(says("\"tag\":\"v1\"") && !says("\"tag\":\"v2\""));
    assert_int_equal(send_body(unit, "GET", "/v2/own/a/tags/list", BOB, ""), 200);
    assert_true(says("[\"v2\"]"));
    STL_AUTO_BUF struct stl_buf many = STL_BUF_INIT;
    for (int i = 0; i < 101; i++)
        stl_buf_printf(&many, "%s\"v1\"", i ? "," : "{\"tags\":[");
    stl_buf_puts(&many, "]}");
    assert_int_equal(send_body(unit, "PUT", TRASH, BOB, many.data), 400);
    assert_true(says("at most 100 tags"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        registry_test(what_is_said_of_a_repository), registry_test(changes_are_in_the_log),
        registry_test(how_long_a_body_may_be),       registry_test(what_may_not_be_deleted),
        registry_test(while_it_is_frozen),           registry_test(out_of_the_trash)};
    int failed = unit_run(tests);
    client_clear(&client);
    return failed;
}
