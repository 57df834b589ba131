#include "unit.h"

#include <stdio.h>
#include <string.h>

#include "exchange.h"
#include "issuer-fetch.h"
#include "issuer-keys.h"
#include "scripted.h"

#define JSON "Content-Type: application/json\r\n"

/* Asks an issuer at http://127.0.0.1:<port>/a for its keys. `discovery`, if given, is what it answers first:
 * each %s in it becomes its own address. */
static int fetch(const char *discovery, const char *last, size_t asked, char *keys_url, struct stl_buf *text)
{
    struct server server;
    const struct stl_http_options options = {.backoff = 1};
    struct stl_http *http = NULL;
    char first[1024];
    const char *answers[] = {discovery ? first : last, discovery ? last : NULL, NULL};
    begin(&server, answers, 1); /* its address is a part of the first answer */
    if (discovery) {
        snprintf(first, sizeof first, "HTTP/1.1 200 OK\r\nConnection: close\r\n" JSON "\r\n");
        snprintf(first + strlen(first), sizeof first - strlen(first), discovery, server.url, server.url);
    }
    const struct stl_oidc_issuer issuer = {.url = server.url, .keys_url = keys_url ? server.url : NULL};
    OK(stl_http_open(&http, &options, &err));
    int result = stl_issuer_fetch(http, &issuer, text, &err);
    if (asked > 0)
        has(&server, 0, keys_url ? "GET /a HTTP" : "GET /a/.well-known/openid-configuration HTTP");
    if (asked > 1)
        has(&server, 1, "GET /a/jwks HTTP");
    stl_http_close(&http);
    end(&server, asked);
    return result;
}

#define DISCOVERY "{\"issuer\":\"%s\",\"jwks_uri\":\"%s/jwks\"}"
#define KEYS ANSWER("200 OK", JSON, "{\"keys\":[]}")

static void keys_are_discovered(void **state)
{
    (void)state;
    STL_AUTO_BUF struct stl_buf text = STL_BUF_INIT, given = STL_BUF_INIT;
    OK(fetch(DISCOVERY, KEYS, 2, NULL, &text));
    assert_string_equal(text.data, "{\"keys\":[]}");
    OK(fetch(NULL, KEYS, 1, "", &given));
    assert_string_equal(given.data, "{\"keys\":[]}");
}

static void what_an_issuer_may_not_say(void **state)
{
    (void)state;
    static const struct {
        const char *discovery, *keys;
        enum stl_code code;
        size_t asked;
        const char *says;
    } cases[] = {
        {"{\"issuer\":\"%s/x\",\"jwks_uri\":\"%s/jwks\"}", NULL, STL_INVALID, 1, "describes another issuer"},
        {"{\"issuer\":\"%s\",\"jwks_uri\":\"http://example.org/%s\"}", NULL, STL_INVALID, 1,
         "no https:// address"},
        {"{\"issuer\":\"%s\",\"uri\":\"%s\"}", NULL, STL_INVALID, 1, "no https:// address"},
        {"{\"issuer\":\"%s\",\"jwks_uri\":[\"%s\"]}", NULL, STL_MANIFEST_INVALID, 1, "openid-configuration"},
        {"no JSON %s %s", NULL, STL_MANIFEST_INVALID, 1, "openid-configuration"},
        {DISCOVERY, ANSWER("404 Not Found", JSON, "{}"), STL_UNAVAILABLE, 2, "/jwks answers 404"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        STL_AUTO_BUF struct stl_buf text = STL_BUF_INIT;
        FAILS(cases[i].code, fetch(cases[i].discovery, cases[i].keys, cases[i].asked, NULL, &text));
        assert_non_null(strstr(err.message, cases[i].says));
        assert_int_equal(text.length, 0);
    }
}

static void note_key(void *context, const char *kid, const char *type, int64_t gone)
{
    stl_buf_printf(context, "%s %s %d\n", kid, type, (int)gone);
}

/* What cannot be understood is passed over. */
static void what_is_stored(void **state)
{
    struct unit *unit = *state;
    static const char stored[] = "{\"https://a\":{\"fetched\":7,\"keys\":["
                                 "{\"key\":{\"kid\":\"one\",\"kty\":\"RSA\"}},"
                                 "{\"key\":{\"kid\":\"old\",\"kty\":\"EC\"},\"gone\":100},"
                                 "{\"key\":{\"kty\":\"EC\"}},{\"key\":{\"kid\":3}},{\"kid\":\"x\"},\"y\"]},"
                                 "\"https://b\":{\"keys\":3},\"https://c\":5}";
    STL_AUTO_JSON struct json_object *none = stl_issuer_keys_load(&unit->registry, &err);
    STL_AUTO_BUF struct stl_buf told = STL_BUF_INIT;
    assert_int_equal(stl_issuer_keys_each(none, "https://a", note_key, &told), 0);
    unit_write(unit->registry.root.fd, "auth/oidc-keys", stored);
    STL_AUTO_JSON struct json_object *all = stl_issuer_keys_load(&unit->registry, &err);
    assert_non_null(all);
    static const char *const without[] = {"https://b", "https://c", "https://d", "https://"};
    for (size_t i = 0; i < sizeof without / sizeof *without; i++) {
        assert_int_equal(stl_issuer_keys_each(all, without[i], note_key, &told), 0);
        assert_null(stl_issuer_keys_find(all, without[i], "one", 0));
    }
    assert_int_equal(told.length, 0);
    assert_int_equal(stl_issuer_keys_each(all, "https://a", note_key, &told), 7);
    assert_string_equal(told.data, "one RSA 0\nold EC 100\n");
    assert_non_null(stl_issuer_keys_find(all, "https://a", "one", 1 << 30));
    assert_null(stl_issuer_keys_find(all, "https://a", "on", 0));
    assert_non_null(stl_issuer_keys_find(all, "https://a", "old", 100 + STL_ISSUER_KEYS_GRACE - 1));
    assert_null(stl_issuer_keys_find(all, "https://a", "old", 100 + STL_ISSUER_KEYS_GRACE));
    unit_write(unit->registry.root.fd, "auth/oidc-keys", "{");
    assert_null(stl_issuer_keys_load(&unit->registry, &err));
    assert_non_null(strstr(err.message, "auth/oidc-keys"));
    stl_error_clear(&err);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_discovered),
        cmocka_unit_test(what_an_issuer_may_not_say),
        registry_test(what_is_stored),
    };
    return unit_run(tests);
}
