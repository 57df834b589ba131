/* stillage.cgi within this process (support/cgi-client.h): what a request gets, and what it does. */
#include "asking.h"

#include <unistd.h>

#include "../../cgi/conditions.h"

static struct stl_digest put_image(const struct unit *unit, const char *seed, const char *tag)
{
    STL_AUTO_FREE char *json = unit_image(seed, ""), *uri = stl_sprintf("/v2/lib/app/manifests/%s", tag);
    unit_image_blobs(&unit->repo, seed);
    assert_int_equal(send_body(unit, "PUT", uri, "CONTENT_TYPE=" STL_TYPE_OCI_MANIFEST "\n", json), 201);
    return unit_digest(json);
}

/* --- addresses ------------------------------------------------------------------------------------------ */

static void addresses_and_methods(void **state)
{
    struct unit *unit = *state;
    static const struct {
        const char *method, *uri;
        int status;
        const char *allow;
    } cases[] = {
        {"GET", "/v2/", 200, NULL},
        {"GET", "/v2", 200, NULL},
        {"HEAD", "/v2/", 200, NULL},
        {"POST", "/v2/", 405, "GET, HEAD"},
        {"GET", "/v1/", 404, NULL},
        {"GET", "/v2/lib/app", 404, NULL},
        {"GET", "/v2/lib/app/tags", 404, NULL},
        {"GET", "/v2//tags/list", 404, NULL},
        {"GET", "/v2/Lib/tags/list", 400, NULL},
        {"GET", "/v2/none/tags/list", 404, NULL},
        {"DELETE", "/v2/lib/app/tags/list", 405, "GET, HEAD"},
        {"GET", "/v2/lib/app/manifests/", 404, NULL},
        {"GET", "/v2/lib/app/manifests/v1", 404, NULL},
        {"GET", "/v2/lib/app/manifests/.v1", 400, NULL},
        {"POST", "/v2/lib/app/manifests/v1", 405, "GET, HEAD, PUT, DELETE"},
        {"GET", "/v2/lib/app/blobs/sha256:00", 400, NULL},
        {"PUT", "/v2/lib/app/blobs/sha256:00", 405, "GET, HEAD, DELETE"},
        {"GET", "/v2/lib/app/blobs/uploads/", 405, "POST"},
        {"GET", "/v2/lib%2fapp/tags/list", 400, NULL},
        {"GET", "/v2/lib/%61pp/tags/list", 404, NULL}, /* no manifest yet */
        {"GET", "/v2/lib/%61pp/tags/%00", 400, NULL},
        {"GET", "/v2/_catalog?n=x", 400, NULL},
        {"GET", "/v2/_catalog?n=", 400, NULL},
        {"GET", "/v2/_catalog?n=1&%0a=", 400, NULL},
        {"GET", "/v2/_catalog?n=99999999999999999999", 400, NULL},
        {"GET", "/v2/_details", 404, NULL},
        {"GET", "relative", 404, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int status = ask(unit, "%s %s\n\n", cases[i].method, cases[i].uri);
        const char *allow = header("Allow");
        if (status != cases[i].status ||
            (allow && cases[i].allow ? strcmp(allow, cases[i].allow) : allow != cases[i].allow))
            fail_msg("%s %s: %d, Allow %s", cases[i].method, cases[i].uri, status, allow);
        assert_int_equal(status >= 400, says("\"errors\""));
    }
}

static void lengths_and_queries(void **state)
{
    struct unit *unit = *state;
    STL_AUTO_BUF struct stl_buf query = STL_BUF_INIT;
    for (int i = 0; i < 128; i++)
        stl_buf_puts(&query, i ? "&a=1" : "a=1");
    assert_int_equal(ask(unit, "GET /v2/?%s\n\n", query.data), 200);
    assert_int_equal(ask(unit, "GET /v2/?%s&a=1\n\n", query.data), 414);
    assert_int_equal(ask(unit, "PUT /v2/lib/app/manifests/v1\nCONTENT_LENGTH=1x\n\nx"), 400);
    assert_true(says("SIZE_INVALID"));
    assert_int_equal(ask(unit, "PUT /v2/lib/app/manifests/v1\nCONTENT_LENGTH=5\n\nx"), 400);
    assert_true(says("1 of the 5 bytes"));
    /* CGI without REQUEST_URI: the server has decoded the path. */
    STL_AUTO_FREE char *longest = stl_alloc(65536 + 1), *longer = stl_alloc(65536 + 2);
    memset(longest, 'a', 65536);
    memset(longer, 'a', 65537);
    memcpy(longest, "/v2/", 4);
    memcpy(longer, "/v2/", 4);
    assert_int_equal(ask(unit, "GET %s\n\n", longest), 404);
    assert_int_equal(ask(unit, "GET %s\n\n", longer), 414);
}

/* Servers that insist (channel.h) have the rest of a body read, if there is one. */
static void the_rest_of_a_body(void **state)
{
    struct unit *unit = *state;
    static const struct {
        const char *head;
        size_t left;
    } cases[] = {{"PUT /v2/x\nCONTENT_LENGTH=4\n", 0},
                 {"PUT /v2/x\nCONTENT_LENGTH=3\n", 1},
                 {"PUT /v2/x\n", 0},
                 {"GET /v2/x\n", 4},
                 {"HEAD /v2/x\n", 4},
                 {"GET /v2/x\nCONTENT_LENGTH=4\n", 0},
                 {"PUT /v2/x\nCONTENT_LENGTH=9\n", 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ask(unit, "%s\nbody", cases[i].head);
        assert_int_equal(client.length, cases[i].left);
    }
}

/* --- conditions ----------------------------------------------------------------------------------------- */

static void conditions(void **state)
{
    (void)state;
    const struct stl_digest digest = unit_digest("x"), other = unit_digest("y");
    const char *text = unit_digest_text(&digest), *different = unit_digest_text(&other);
    STL_AUTO_FREE char *own = stl_sprintf("\"%s\"", text), *weak = stl_sprintf("W/\"%s\"", text),
                       *list = stl_sprintf("\"%s\", W/\"%s\"\t,\"%s\"", different, different, text),
                       *unlike = stl_sprintf("\"%s\"", different), *longer = stl_sprintf("\"%s0\"", text),
                       *shorter = stl_sprintf("\"%.70s\"", text), *open = stl_sprintf("\"%s", text);
    const struct {
        const char *list;
        bool strong, weak; /* whether it has the digest, where entity tags must be strong, or need not be */
    } cases[] = {{own, true, true},      {weak, false, true},    {list, true, true},
                 {unlike, false, false}, {longer, false, false}, {shorter, false, false},
                 {open, false, false},   {"*", true, true},      {"", false, false},
                 {text, false, false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct request match = {.if_match = cases[i].list}, none = {.if_none_match = cases[i].list};
        bool is_any = !strcmp(cases[i].list, "*"), unchanged = false;
        assert_int_equal(conditions_check(&match, true, "it", &digest, &err) == 0, cases[i].strong);
        assert_int_equal(conditions_check(&match, false, "it", &digest, &err) == 0, false);
        assert_int_equal(conditions_check(&match, true, "it", NULL, &err) == 0, is_any);
        assert_int_equal(conditions_check(&none, true, "it", &digest, &err) == 0, !cases[i].weak);
        assert_int_equal(conditions_check(&none, false, "it", &digest, &err) == 0, true);
        assert_int_equal(conditions_check(&none, true, "it", NULL, &err) == 0, !is_any);
        assert_int_equal(conditions_check_read(&match, "it", &digest, &unchanged, &err) == 0,
                         cases[i].strong);
        assert_false(unchanged);
        stl_error_clear(&err);
        OK(conditions_check_read(&none, "it", &digest, &unchanged, &err));
        assert_int_equal(unchanged, cases[i].weak);
    }
    const struct request match = {.if_match = unlike}, none = {.if_none_match = own};
    FAILS(STL_PRECONDITION_FAILED, conditions_check(&match, false, "it", NULL, &err));
    assert_string_equal(err.message, "If-Match: 'it' does not exist");
    FAILS(STL_PRECONDITION_FAILED, conditions_check(&none, true, "it", &digest, &err));
    assert_non_null(strstr(err.message, text));
}

/* --- manifests and blobs -------------------------------------------------------------------------------- */

static void manifests(void **state)
{
    struct unit *unit = *state;
    const struct stl_digest digest = put_image(unit, "one", "v1?tag=v2");
    const char *text = unit_digest_text(&digest);
    STL_AUTO_FREE char *etag = stl_sprintf("\"%s\"", text),
                       *location = stl_sprintf("/v2/lib/app/manifests/%s", text),
                       *json = unit_image("one", "");
    assert_string_equal(header("Docker-Content-Digest"), text);
    assert_string_equal(header("ETag"), etag);
    assert_string_equal(header("Location"), location);
    assert_string_equal(header("OCI-Tag"), "v1");
    assert_null(header("OCI-Subject"));
    assert_int_equal(ask(unit, "GET /v2/lib/app/manifests/v2\n\n"), 200);
    assert_string_equal(body(), json);
    assert_string_equal(header("Content-Type"), STL_TYPE_OCI_MANIFEST);
    assert_string_equal(header("Cache-Control"), "no-cache");
    assert_int_equal(strtoul(header("Content-Length"), NULL, 10), strlen(json));
    assert_int_equal(ask(unit, "HEAD %s\n\n", location), 200);
    assert_string_equal(body(), "");
    assert_int_equal(strtoul(header("Content-Length"), NULL, 10), strlen(json));
    assert_string_equal(header("Cache-Control"), "public, max-age=31536000, immutable");
    assert_int_equal(ask(unit, "GET /v2/lib/app/manifests/v1\nHTTP_IF_NONE_MATCH=%s\n\n", etag), 304);
    assert_string_equal(body(), "");
    assert_null(header("Content-Length"));
    assert_int_equal(ask(unit, "GET /v2/lib/app/manifests/v1\nHTTP_IF_MATCH=\"x\"\n\n"), 412);
    assert_int_equal(send_body(unit, "PUT", location, "CONTENT_TYPE=" STL_TYPE_OCI_MANIFEST "\n", "{}"), 400);
    assert_true(says("DIGEST_INVALID"));
    assert_int_equal(send_body(unit, "PUT", location, "HTTP_IF_NONE_MATCH=*\n", json), 412);
    assert_int_equal(send_body(unit, "PUT", "/v2/lib/app/manifests/v1", "HTTP_IF_NONE_MATCH=*\n", json), 412);
    assert_int_equal(send_body(unit, "PUT", "/v2/lib/app/manifests/v3", "HTTP_IF_MATCH=*\n", json), 412);
    assert_int_equal(send_body(unit, "PUT", "/v2/lib/app/manifests/v3", "HTTP_IF_NONE_MATCH=*\n", json), 201);
    assert_null(header("OCI-Tag"));
    assert_int_equal(ask(unit, "DELETE /v2/lib/app/manifests/v3\nHTTP_IF_MATCH=\"x\"\n\n"), 412);
    assert_int_equal(ask(unit, "DELETE /v2/lib/app/manifests/v3\n\n"), 202);
    assert_int_equal(ask(unit, "DELETE /v2/lib/app/manifests/v3\n\n"), 404);
    assert_int_equal(ask(unit, "DELETE %s\nHTTP_IF_MATCH=\"x\"\n\n", location), 412);
    assert_int_equal(ask(unit, "DELETE %s\nHTTP_IF_MATCH=%s\n\n", location, etag), 202);
    assert_int_equal(ask(unit, "DELETE %s\nHTTP_IF_MATCH=\"x\"\n\n", location), 404);
    assert_int_equal(ask(unit, "GET /v2/lib/app/manifests/v1\n\n"), 404);
    assert_true(says("MANIFEST_UNKNOWN"));
}

/* Whether a condition holds is known when the manifest is there: it goes again. */
static void a_refused_manifest_leaves_nothing(void **state)
{
    struct unit *unit = *state;
    STL_AUTO_FREE char *json = unit_image("two", "");
    put_image(unit, "one", "v1");
    unit_image_blobs(&unit->repo, "two");
    assert_int_equal(send_body(unit, "PUT", "/v2/lib/app/manifests/v1", "HTTP_IF_MATCH=\"x\"\n", json), 412);
    assert_int_equal(unit_count(unit->repo.fd, "manifests"), 2);
    assert_int_equal(unit_count(unit->repo.fd, "_manifests/" STL_TYPE_OCI_MANIFEST), 1);
    assert_int_equal(unit_count(unit->repo.fd, "_refs"), 2);
}

static void manifests_have_a_limit(void **state)
{
    struct unit *unit = *state;
    STL_AUTO_FREE char *json = unit_image("one", "");
    STL_AUTO_BUF struct stl_buf tags = STL_BUF_INIT;
    unit_image_blobs(&unit->repo, "one");
    unit->registry.settings.push.manifest_size = (int64_t)strlen(json) - 1;
    assert_int_equal(send_body(unit, "PUT", "/v2/lib/app/manifests/v1", "", json), 413);
    assert_int_equal(ask(unit, "PUT /v2/lib/app/manifests/v1\n\n%s", json), 413); /* its length is not said */
    unit->registry.settings.push.manifest_size++;
    assert_int_equal(send_body(unit, "PUT", "/v2/lib/app/manifests/v1", "", json), 201);
    assert_int_equal(ask(unit, "PUT /v2/lib/app/manifests/v1\n\n%s", json), 201);
    for (int i = 0; i < 100; i++)
        stl_buf_printf(&tags, "%stag=t%d", i ? "&" : "?", i);
    STL_AUTO_FREE char *most = stl_sprintf("/v2/lib/app/manifests/v1%.*s",
                                           (int)(strrchr(tags.data, '&') - tags.data), tags.data),
                       *more = stl_sprintf("/v2/lib/app/manifests/v1%s", tags.data);
    assert_int_equal(send_body(unit, "PUT", more, "", json), 414);
    assert_int_equal(unit_count(unit->repo.fd, "manifests"), 2);
    assert_int_equal(send_body(unit, "PUT", most, "", json), 201);
    assert_int_equal(unit_count(unit->repo.fd, "manifests"), 2 + 99);
    assert_int_equal(send_body(unit, "PUT", "/v2/lib/app/manifests/v1?tag=.x", "", json), 400);
    assert_int_equal(
        send_body(unit, "PUT", "/v2/lib/app/manifests/v1", "HTTP_CONTENT_RANGE=bytes 0-9/10\n", json), 400);
}

static void blobs(void **state)
{
    struct unit *unit = *state;
    const struct stl_digest digest = unit_digest("a blob");
    const char *text = unit_digest_text(&digest);
    unit_blob(&unit->repo, "a blob");
    assert_int_equal(ask(unit, "GET /v2/lib/app/blobs/%s\n\n", text), 200);
    assert_string_equal(body(), "a blob");
    assert_string_equal(header("Content-Type"), "application/octet-stream");
    assert_string_equal(header("Docker-Content-Digest"), text);
    assert_int_equal(ask(unit, "GET /v2/lib/app/blobs/%s\nHTTP_IF_NONE_MATCH=\"%s\"\n\n", text, text), 304);
    assert_int_equal(ask(unit, "GET /v2/other/blobs/%s\n\n", text), 404);
    assert_true(says("NAME_UNKNOWN"));
    unit->registry.settings.push.delete_blobs = false;
    assert_int_equal(ask(unit, "DELETE /v2/lib/app/blobs/%s\n\n", text), 405);
    assert_string_equal(header("Allow"), "GET, HEAD");
    unit->registry.settings.push.delete_blobs = true;
    assert_int_equal(ask(unit, "DELETE /v2/lib/app/blobs/%s\nHTTP_IF_MATCH=\"x\"\n\n", text), 412);
    assert_int_equal(ask(unit, "DELETE /v2/lib/app/blobs/%s\n\n", text), 202);
    assert_int_equal(ask(unit, "DELETE /v2/lib/app/blobs/%s\nHTTP_IF_MATCH=\"x\"\n\n", text), 404);
    assert_int_equal(ask(unit, "GET /v2/lib/app/blobs/%s\n\n", text), 404);
    assert_true(says("BLOB_UNKNOWN"));
}

/* --- lists ---------------------------------------------------------------------------------------------- */

static void lists_come_in_pages(void **state)
{
    struct unit *unit = *state;
    static const struct {
        const char *query, *names, *next;
    } cases[] = {{"", "\"a\",\"b\",\"c\"", NULL},
                 {"?n=3", "\"a\",\"b\",\"c\"", NULL},
                 {"?n=2", "\"a\",\"b\"", "</v2/lib/app/tags/list?n=2&last=b>; rel=\"next\""},
                 {"?n=2&last=a", "\"b\",\"c\"", NULL},
                 {"?n=1&last=a", "\"b\"", "</v2/lib/app/tags/list?n=1&last=b>; rel=\"next\""},
                 {"?last=c", "", NULL},
                 {"?last=aa", "\"b\",\"c\"", NULL},
                 {"?n=0", "", NULL}};
    put_image(unit, "one", "a?tag=c&tag=b");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        STL_AUTO_FREE char *wanted = stl_sprintf("{\"name\":\"lib/app\",\"tags\":[%s]}\n", cases[i].names);
        assert_int_equal(ask(unit, "GET /v2/lib/app/tags/list%s\n\n", cases[i].query), 200);
        assert_string_equal(body(), wanted);
        assert_string_equal(header("Cache-Control"), "no-cache");
        if (cases[i].next)
            assert_string_equal(header("Link"), cases[i].next);
        else
            assert_null(header("Link"));
    }
    assert_int_equal(ask(unit, "GET /v2/_catalog\n\n"), 200);
    assert_string_equal(body(), "{\"repositories\":[\"lib/app\"]}\n");
    assert_int_equal(ask(unit, "GET /v2/_catalog\nHTTP_IF_NONE_MATCH=*\n\n"), 304);
    assert_int_equal(ask(unit, "GET /v2/_catalog\nHTTP_IF_MATCH=\"x\"\n\n"), 412);
    assert_int_equal(ask(unit, "GET /v2/_details\n\n"), 200);
    assert_true(says("{\"repository\":\"lib/app\""));
    assert_int_equal(ask(unit, "GET /v2/lib/app/tags/_details\n\n"), 200);
    assert_string_equal(header("Content-Type"), "application/x-ndjson");
    unit_remove(unit->repo.fd, "tags/_details");
    assert_int_equal(ask(unit, "GET /v2/lib/app/tags/_details\n\n"), 404);
    assert_int_equal(symlinkat("list", unit->repo.fd, "tags/_details"), 0); /* no link is followed */
    assert_int_equal(ask(unit, "GET /v2/lib/app/tags/_details\n\n"), 500);
}

static void referrers(void **state)
{
    struct unit *unit = *state;
    STL_AUTO_FREE char *subject = unit_image("one", ""),
                       *of_subject = unit_descriptor(STL_TYPE_OCI_MANIFEST, subject),
                       *more = stl_sprintf(",\"artifactType\":\"text/sig\",\"subject\":%s", of_subject),
                       *json = unit_image("signature", more);
    const struct stl_digest digest = unit_digest(subject);
    const char *text = unit_digest_text(&digest);
    assert_int_equal(ask(unit, "GET /v2/none/referrers/%s\n\n", text), 200);
    assert_true(says("\"manifests\":[]"));
    unit_image_blobs(&unit->repo, "signature");
    assert_int_equal(send_body(unit, "PUT", "/v2/lib/app/manifests/sig", "", json), 201);
    assert_string_equal(header("OCI-Subject"), text);
    assert_int_equal(ask(unit, "GET /v2/lib/app/referrers/%s\n\n", text), 200);
    assert_true(says("text/sig"));
    assert_string_equal(header("Content-Type"), STL_TYPE_OCI_INDEX);
    assert_null(header("OCI-Filters-Applied"));
    assert_int_equal(ask(unit, "GET /v2/lib/app/referrers/%s?artifactType=text/sig\n\n", text), 200);
    assert_true(says("text/sig"));
    assert_string_equal(header("OCI-Filters-Applied"), "artifactType");
    assert_int_equal(ask(unit, "GET /v2/lib/app/referrers/%s?artifactType=text/s\n\n", text), 200);
    assert_false(says("text/sig"));
    assert_int_equal(ask(unit, "GET /v2/lib/app/referrers/sha256:x\n\n"), 400);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        repository_test(addresses_and_methods),
        repository_test(lengths_and_queries),
        repository_test(the_rest_of_a_body),
        cmocka_unit_test(conditions),
        repository_test(manifests),
        repository_test(manifests_have_a_limit),
        repository_test(blobs),
        apache_test(a_refused_manifest_leaves_nothing),
        repository_test(lists_come_in_pages),
        repository_test(referrers),

    };
    int failed = unit_run(tests);
    client_clear(&client);
    return failed;
}
