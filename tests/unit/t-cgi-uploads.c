/* Uploads through stillage.cgi within this process. */
#include "asking.h"

/* A session; the caller frees. */
static char *begin_session(const struct unit *unit)
{
    assert_int_equal(ask(unit, "POST /v2/lib/app/blobs/uploads/\nCONTENT_LENGTH=0\n\n"), 202);
    assert_string_equal(header("Range"), "0-0");
    return stl_strdup(header("Location"));
}

static void chunks(void **state)
{
    struct unit *unit = *state;
    static const struct {
        const char *range;
        const char *bytes;
        int status;
    } cases[] = {{"HTTP_CONTENT_RANGE=1-3\n", "abc", 416},
                 {"HTTP_CONTENT_RANGE=0-3\n", "abc", 400},
                 {"HTTP_CONTENT_RANGE=0-x\n", "abc", 400},
                 {"HTTP_CONTENT_RANGE=0\n", "abc", 400},
                 {"HTTP_CONTENT_RANGE=2-0\n", "abc", 400},
                 {"HTTP_CONTENT_RANGE=0-2 \n", "abc", 400},
                 {"HTTP_CONTENT_RANGE=99999999999999999999-2\n", "abc", 400},
                 {"HTTP_CONTENT_RANGE=0-2\n", "abc", 202},
                 {"HTTP_CONTENT_RANGE=0-2\n", "abc", 416},
                 {"HTTP_CONTENT_RANGE=bytes 3-3/*\n", "d", 202},
                 {"HTTP_CONTENT_RANGE=Bytes 4-5/6\n", "ef", 202},
                 {"", "gh", 202}};
    STL_AUTO_FREE char *session = begin_session(unit);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int status = send_body(unit, "PATCH", session, cases[i].range, cases[i].bytes);
        if (status != cases[i].status)
            fail_msg("%zu: %s: %d: %s", i, cases[i].range, status, body());
    }
    assert_string_equal(header("Range"), "0-7");
    assert_int_equal(ask(unit, "GET %s\n\n", session), 204);
    assert_string_equal(header("Range"), "0-7");
    const struct stl_digest digest = unit_digest("abcdefghij"), wrong = unit_digest("abc");
    STL_AUTO_FREE char *put = stl_sprintf("%s?digest=%s", session, unit_digest_text(&digest)),
                       *bad = stl_sprintf("%s?digest=%s", session, unit_digest_text(&wrong));
    assert_int_equal(send_body(unit, "PUT", session, "", ""), 400);
    assert_int_equal(send_body(unit, "PUT", put, "HTTP_CONTENT_RANGE=7-8\n", "ij"), 416);
    assert_int_equal(ask(unit, "PUT %s\nHTTP_CONTENT_RANGE=8-11\n\nij", put), 400); /* of no length */
    assert_string_equal(header("Range"), "0-9");
    assert_int_equal(send_body(unit, "PUT", put, "", ""), 201);
    STL_AUTO_FREE char *location = stl_sprintf("/v2/lib/app/blobs/%s", unit_digest_text(&digest));
    assert_string_equal(header("Location"), location);
    assert_int_equal(send_body(unit, "PUT", put, "", ""), 201); /* asked again */
    assert_int_equal(send_body(unit, "PUT", bad, "", ""), 404);
    assert_int_equal(ask(unit, "GET %s\n\n", location), 200);
    assert_string_equal(body(), "abcdefghij");
}

static void whole_uploads(void **state)
{
    struct unit *unit = *state;
    const struct stl_digest digest = unit_digest("all at once"), other = unit_digest("other");
    STL_AUTO_FREE char *post = stl_sprintf("/v2/lib/app/blobs/uploads/?digest=%s", unit_digest_text(&digest)),
                       *bad = stl_sprintf("/v2/lib/app/blobs/uploads/?digest=%s", unit_digest_text(&other));
    assert_int_equal(send_body(unit, "POST", bad, "", "all at once"), 400);
    assert_true(says("DIGEST_INVALID"));
    assert_int_equal(send_body(unit, "POST", post, "", "all at once"), 201);
    assert_string_equal(header("Docker-Content-Digest"), unit_digest_text(&digest));
    assert_int_equal(send_body(unit, "POST", "/v2/lib/app/blobs/uploads/?digest=x", "", ""), 400);
    assert_int_equal(send_body(unit, "POST", "/v2/lib/app/blobs/uploads/?digest-algorithm=md5", "", ""), 400);
    STL_AUTO_FREE char *session = begin_session(unit),
                       *put = stl_sprintf("%s?digest=%s", session, unit_digest_text(&other));
    assert_int_equal(send_body(unit, "PUT", put, "", "another"), 400);
    assert_int_equal(ask(unit, "GET %s\n\n", session), 404); /* it has ended */
    STL_AUTO_FREE char *second = begin_session(unit);
    assert_int_equal(ask(unit, "DELETE %s\n\n", second), 204);
    assert_int_equal(ask(unit, "DELETE %s\n\n", second), 404);
    assert_int_equal(ask(unit, "PATCH %s\n\nx", second), 404);
}

static void mounts(void **state)
{
    struct unit *unit = *state;
    const struct stl_digest digest = unit_digest("a blob"), none = unit_digest("none");
    const char *text = unit_digest_text(&digest);
    static const char path[] = "/v2/other/blobs/uploads/";
    unit_blob(&unit->repo, "a blob");
    assert_int_equal(ask(unit, "POST %s?mount=%s&from=lib/app\n\n", path, unit_digest_text(&none)), 202);
    assert_int_equal(ask(unit, "POST %s?mount=%s&from=nowhere\n\n", path, text), 202);
    assert_int_equal(ask(unit, "POST %s?mount=%s&from=No\n\n", path, text), 202);
    assert_int_equal(ask(unit, "POST %s?mount=x&from=lib/app\n\n", path), 400);
    assert_int_equal(ask(unit, "GET /v2/other/blobs/%s\n\n", text), 404);
    assert_int_equal(ask(unit, "POST %s?mount=%s&from=lib/app\n\n", path, text), 201);
    assert_int_equal(ask(unit, "GET /v2/other/blobs/%s\n\n", text), 200);
    assert_int_equal(ask(unit, "POST /v2/third/blobs/uploads/?mount=%s\n\n", text), 201); /* from anywhere */
}

static void quotas(void **state)
{
    struct unit *unit = *state;
    unit_settings(unit, "version: 1\nquotas: [{repository: lib/app, size: 10}]\n");
    STL_AUTO_FREE char *session = begin_session(unit), *second = begin_session(unit);
    assert_int_equal(send_body(unit, "PATCH", session, "", "12345678901"), 403);
    assert_int_equal(ask(unit, "GET %s\n\n", session), 404);
    assert_int_equal(ask(unit, "PATCH %s\n\n12345678901", second), 403);
    STL_AUTO_FREE char *third = begin_session(unit);
    assert_int_equal(send_body(unit, "PATCH", third, "", "1234567890"), 202);
    const struct stl_digest digest = unit_digest("1234567890");
    STL_AUTO_FREE char *put = stl_sprintf("%s?digest=%s", third, unit_digest_text(&digest));
    assert_int_equal(send_body(unit, "PUT", put, "", ""), 201);
    /* What is there already takes no space. */
    STL_AUTO_FREE char *post = stl_sprintf("/v2/lib/app/blobs/uploads/?digest=%s", unit_digest_text(&digest));
    assert_int_equal(send_body(unit, "POST", post, "", "1234567890"), 201);
    assert_int_equal(send_body(unit, "POST", "/v2/new/blobs/uploads/", "", ""), 202);
    unit->registry.settings.push.auto_create = false;
    assert_int_equal(send_body(unit, "POST", "/v2/new/blobs/uploads/", "", ""), 404);
    assert_int_equal(send_body(unit, "POST", "/v2/lib/app/blobs/uploads/", "", ""), 202);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        repository_test(chunks),
        repository_test(whole_uploads),
        repository_test(mounts),
        repository_test(quotas),
    };
    int failed = unit_run(tests);
    client_clear(&client);
    return failed;
}
