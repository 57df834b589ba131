/* Tokens and rights through stillage.cgi within this process. */
#include "asking.h"

#include "bearer.h"
#include "json.h"
#include "users.h"

#define ALICE "HTTP_AUTHORIZATION=Basic YWxpY2U6c2VjcmV0\n" /* alice:secret */

static const char settings[] = "version: 1\n"
                               "access:\n"
                               "  - {repository: 'lib/**', pull: [anonymous], push: [alice]}\n"
                               "  - {repository: 'own/**', push: [alice], admin: [alice]}\n"
                               "  - {repository: 'other/**', push: [bob]}\n";

static void begin_access(struct unit *unit)
{
    unit_settings(unit, settings);
    OK(stl_users_add(&unit->registry, "alice", "secret", &err));
}

/* The text of a member of the last answer; the caller frees. */
static char *member(const char *key)
{
    STL_AUTO_JSON struct json_object *object = stl_json_parse(body(), strlen(body()), &err);
    const char *text = "";
    assert_non_null(object);
    OK(stl_json_string(object, key, &text, &err));
    return stl_strdup(text);
}

static void what_a_token_may(void **state)
{
    struct unit *unit = *state;
    static const struct {
        const char *who, *scopes, *given;
    } cases[] = {
        {"", "scope=repository:lib/app:pull", "repository:lib/app:pull"},
        {"", "scope=repository:lib/app:pull,push", "repository:lib/app:pull"},
        {"", "scope=repository:own/app:pull", ""},
        {ALICE, "scope=repository:lib/app:pull,push", "repository:lib/app:pull,push"},
        {ALICE, "scope=repository:lib/app:push,pull,delete", "repository:lib/app:pull,push"},
        {ALICE, "scope=repository:own/app:*", "repository:own/app:pull,push,admin"},
        {ALICE, "scope=repository:lib/app:pull&scope=repository:own/x:push",
         "repository:lib/app:pull repository:own/x:push"},
        {ALICE, "scope=repository:lib/app:pull%20repository:other/x:pull", "repository:lib/app:pull"},
        {ALICE, "scope=registry:catalog:*", "registry:catalog:*"},
        {ALICE, "scope=repository:lib/app:pull&scope=registry:catalog:*",
         "repository:lib/app:pull registry:catalog:*"},
        {ALICE, "service=x", ""},
    };
    begin_access(unit);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(ask(unit, "GET /v2/_token?%s\n%s\n", cases[i].scopes, cases[i].who), 200);
        STL_AUTO_FREE char *scope = member("scope"), *token = member("token"), *same = member("access_token");
        if (strcmp(scope, cases[i].given))
            fail_msg("%s: '%s', and not '%s'", cases[i].scopes, scope, cases[i].given);
        assert_string_equal(token, same);
    }
    assert_int_equal(ask(unit, "GET /v2/_token\nHTTP_AUTHORIZATION=Basic YWxpY2U6eA==\n\n"), 401);
    assert_non_null(strstr(header("WWW-Authenticate"), "Basic"));
}

static void what_a_request_needs(void **state)
{
    struct unit *unit = *state;
    begin_access(unit);
    assert_int_equal(ask(unit, "GET /v2/\n\n"), 401);
    assert_non_null(strstr(header("WWW-Authenticate"), "Bearer realm="));
    assert_int_equal(ask(unit, "POST /v2/lib/app/blobs/uploads/\n\n"), 401);
    assert_non_null(strstr(header("WWW-Authenticate"), "scope=\"repository:lib/app:pull,push\""));
    assert_int_equal(ask(unit, "GET /v2/_token?scope=repository:lib/app:pull,push\n" ALICE "\n"), 200);
    STL_AUTO_FREE char *token = member("token"),
                       *bearer = stl_sprintf("HTTP_AUTHORIZATION=Bearer %s\n", token);
    assert_int_equal(ask(unit, "GET /v2/\n%s\n", bearer), 200);
    assert_int_equal(ask(unit, "POST /v2/lib/app/blobs/uploads/\n%s\n", bearer), 202);
    assert_int_equal(ask(unit, "POST /v2/own/app/blobs/uploads/\n%s\n", bearer), 401);
    assert_int_equal(ask(unit, "POST /v2/own/app/blobs/uploads/\n" ALICE "\n"), 202);
    assert_int_equal(ask(unit, "POST /v2/other/app/blobs/uploads/\n" ALICE "\n"), 403);
    assert_int_equal(ask(unit, "DELETE /v2/lib/app/manifests/v1\n" ALICE "\n"), 403);
    assert_int_equal(ask(unit, "GET /v2/own/app/tags/list\nHTTP_AUTHORIZATION=Bearer x\n\n"), 401);
    assert_int_equal(ask(unit, "GET /v2/_catalog\n\n"), 401);
    assert_int_equal(ask(unit, "GET /v2/_catalog\n" ALICE "\n"), 200);
}

/* A subject of an ID token may hold what would end a quoted string. */
static void a_challenge_quotes_nothing_that_ends_it(void **state)
{
    struct unit *unit = *state;
    struct stl_identity who = {.user = "https://x \"a\\b~c}\xc3\xa9\x7f d"};
    char token[STL_BEARER_TEXT];
    int64_t expires;
    begin_access(unit);
    OK(stl_bearer_issue(&unit->registry, &who, NULL, 0, false, token, &expires, &err));
    assert_int_equal(ask(unit, "GET /v2/own/app/tags/list\nHTTP_AUTHORIZATION=Bearer %s\n\n", token), 401);
    assert_non_null(
        strstr(header("WWW-Authenticate"),
               ",error=\"insufficient_scope\",error_description=\"'https://x ?a?b~c}??? d' may not pull"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {repository_test(what_a_token_may),
                                       repository_test(what_a_request_needs),
                                       repository_test(a_challenge_quotes_nothing_that_ends_it)};
    int failed = unit_run(tests);
    client_clear(&client);
    return failed;
}
