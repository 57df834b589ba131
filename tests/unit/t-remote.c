#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "arriving.h"
#include "fetched.h"
#include "lists.h"
#include "remote.h"
#include "scripted.h"
#include "unit.h"

#define JSON "Content-Type: application/json\r\n"
#define IMAGE "Content-Type: " STL_TYPE_OCI_MANIFEST "\r\n"
#define CONFIG                                                                                               \
    "{\"mediaType\":\"application/vnd.oci.image.config.v1+json\",\"size\":2,\"digest\":"                     \
    "\"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a\"}"
#define MANIFEST                                                                                             \
    "{\"schemaVersion\":2,\"mediaType\":\"" STL_TYPE_OCI_MANIFEST "\",\"config\":" CONFIG ",\"layers\":[]}"

static const struct stl_credentials alice = {.user = "alice", .password = "word"};

static void open_remote(struct stl_remote *remote, const struct server *server,
                        const struct stl_credentials *who)
{
    OK(stl_remote_open(
        remote,
        &(struct stl_remote_options){
            .host = server->host, .plain = true, .http = {.backoff = 1, .attempts = 2}, .credentials = who},
        &err));
    stl_remote_use(remote, "lib/app", "pull", NULL);
}

/* One request, for the tags of lib/app: the status of its answer, or -1. */
static int ask(struct stl_remote *remote)
{
    STL_AUTO_FREE char *url = stl_remote_url(remote, "lib/app", "tags/list");
    struct stl_http_exchange exchange = {.request = {.url = url}};
    if (stl_remote_send(remote, &exchange, &err))
        return -1;
    int status = exchange.answer.status;
    stl_http_clear(&exchange);
    return status;
}

/* "WWW-Authenticate" with the server's own address as that of its tokens; written once the server has one. */
enum { CHALLENGE = 256 };
static void bearer(const struct server *server, const char *before, char challenge[CHALLENGE])
{
    snprintf(
        challenge, CHALLENGE,
        ANSWER("401 No", "%sWWW-Authenticate: Bearer realm=\"http://%s/token?x=1\",service=\"a, b\"\r\n", ""),
        before, server->host);
}

static void a_token_for_a_password(void **state)
{
    (void)state;
    struct server server;
    STL_AUTO_REMOTE struct stl_remote remote = {0};
    char challenge[CHALLENGE];
    const char *answers[] = {challenge,
                             ANSWER("200 OK", JSON, "{\"access_token\":\"t1\"}"),
                             ANSWER("200 OK", JSON, "{}"),
                             challenge,
                             ANSWER("200 OK", JSON, "{\"token\":\"t2\",\"expires_in\":300}"),
                             ANSWER("200 OK", JSON, "{}"),
                             ANSWER("200 OK", JSON, "{}"),
                             NULL};
    begin(&server, answers, 1);
    bearer(&server, "WWW-Authenticate: Negotiate\r\n", challenge);
    open_remote(&remote, &server, &alice);
    assert_int_equal(ask(&remote), 200);
    assert_int_equal(ask(&remote), 200); /* in the middle of which the token is refused */
    assert_int_equal(ask(&remote), 200);
    lacks(&server, 0, "Authorization");
    has(&server, 1, "GET /token?x=1&service=a%2C%20b&scope=repository%3Alib%2Fapp%3Apull HTTP/1.1\r\n");
    has(&server, 1, "Authorization: Basic YWxpY2U6d29yZA==\r\n");
    has(&server, 2, "Authorization: Bearer t1\r\n");
    has(&server, 3, "Authorization: Bearer t1\r\n");
    has(&server, 5, "Authorization: Bearer t2\r\n");
    has(&server, 6, "Authorization: Bearer t2\r\n");
    assert_int_equal(remote.requests, 7);
    end(&server, 7);
}

static void a_token_for_an_identity_token(void **state)
{
    (void)state;
    static const struct stl_credentials identity = {.identity_token = "a+b"};
    struct server server;
    STL_AUTO_REMOTE struct stl_remote remote = {0};
    char challenge[CHALLENGE];
    const char *answers[] = {challenge, ANSWER("200 OK", JSON, "{\"access_token\":\"t1\"}"),
                             ANSWER("200 OK", JSON, "{}"), NULL};
    begin(&server, answers, 1);
    bearer(&server, "", challenge);
    open_remote(&remote, &server, &identity);
    assert_int_equal(ask(&remote), 200);
    has(&server, 1, "POST /token?x=1 HTTP/1.1\r\n");
    has(&server, 1, "Content-Type: application/x-www-form-urlencoded\r\n");
    has(&server, 1, "&grant_type=refresh_token&refresh_token=a%2Bb&");
    lacks(&server, 1, "Authorization");
    end(&server, 3);
}

static void a_password_at_once(void **state)
{
    (void)state;
    static const char *const answers[] = {ANSWER("401 No", "WWW-Authenticate: Basic realm=\"x\"\r\n", ""),
                                          ANSWER("200 OK", JSON, "{}"), ANSWER("200 OK", JSON, "{}"), NULL};
    struct server server;
    STL_AUTO_REMOTE struct stl_remote remote = {0};
    begin(&server, answers, 1);
    open_remote(&remote, &server, &alice);
    assert_int_equal(ask(&remote), 200);
    assert_int_equal(ask(&remote), 200);
    has(&server, 2, "Authorization: Basic YWxpY2U6d29yZA==\r\n");
    end(&server, 3);
}

static void no_login(void **state)
{
    (void)state;
    struct server server;
    STL_AUTO_REMOTE struct stl_remote anonymous = {0};
    begin(&server,
          (const char *const[]){ANSWER("401 No", "WWW-Authenticate: Basic realm=\"x\"\r\n", ""), NULL}, 1);
    open_remote(&anonymous, &server, NULL);
    assert_int_equal(ask(&anonymous), 401);
    end(&server, 1);
    char challenge[CHALLENGE];
    const char *answers[] = {challenge, ANSWER("401 No", "", ""), NULL};
    begin(&server, answers, 1);
    bearer(&server, "", challenge);
    STL_AUTO_REMOTE struct stl_remote refused = {0};
    open_remote(&refused, &server, &alice);
    FAILS(STL_DENIED, ask(&refused));
    assert_null(strstr(err.message, "x=1"));
    end(&server, 2);
}

/* Whoever wants the password to go somewhere else does not even get a request. */
static void token_servers_that_are_none(void **state)
{
    (void)state;
    static const char *const answers[] = {
        ANSWER("401 No", "WWW-Authenticate: Bearer realm=\"file:///etc/passwd\",service=x\r\n", ""), NULL};
    struct server server;
    STL_AUTO_REMOTE struct stl_remote remote = {0};
    begin(&server, answers, 1);
    open_remote(&remote, &server, &alice);
    FAILS(STL_INVALID, ask(&remote));
    end(&server, 1);
}

/* --- manifests ------------------------------------------------------------------------------------------ */

/* Fetches `reference` of lib/app from a server with that answer. */
static int get(const char *reference, const char *answer, struct stl_wanted *wanted)
{
    struct server server;
    STL_AUTO_REMOTE struct stl_remote remote = {0};
    STL_AUTO_CLOSE int fd = memfd_create("manifests", MFD_CLOEXEC);
    struct stl_fetched fetched;
    *wanted = (struct stl_wanted){.reference = (char *)reference};
    begin(&server, (const char *const[]){answer, NULL}, 1);
    open_remote(&remote, &server, NULL);
    stl_fetched_begin(&fetched, &remote, "lib/app", 1000, fd);
    int result = stl_fetched_get(&fetched, wanted, 1, &err);
    if (result == 0 && wanted->found) {
        STL_AUTO_BUF struct stl_buf bytes = STL_BUF_INIT;
        OK(stl_fetched_read(&fetched, wanted->number, &bytes, &err));
        assert_string_equal(bytes.data, strstr(answer, "\r\n\r\n") + 4);
        assert_string_equal(fetched.items[wanted->number].media_type, STL_TYPE_OCI_MANIFEST);
    }
    has(&server, 0, "GET /v2/lib/app/manifests/");
    has(&server, 0, STL_TYPE_DOCKER_LIST);
    stl_fetched_clear(&fetched);
    end(&server, 1);
    return result;
}

static void manifests(void **state)
{
    (void)state;
    struct stl_wanted wanted;
    OK(get("v1", ANSWER("200 OK", IMAGE, MANIFEST), &wanted));
    assert_true(wanted.found);
    OK(get("v1", ANSWER("200 OK", JSON, MANIFEST), &wanted)); /* as GitLab once answered */
    assert_true(wanted.found);
    OK(get("v1", ANSWER("200 OK", JSON, "{\"schemaVersion\":2,\"config\":" CONFIG ",\"layers\":[]}"),
           &wanted));
    OK(get("v1", ANSWER("404 None", "", ""), &wanted));
    assert_false(wanted.found);
}

#define WRONG "sha256:0000000000000000000000000000000000000000000000000000000000000000"

static void what_is_no_manifest(void **state)
{
    (void)state;
    struct stl_wanted wanted;
    FAILS(STL_DIGEST_INVALID, get(WRONG, ANSWER("200 OK", IMAGE, MANIFEST), &wanted));
    FAILS(STL_DIGEST_INVALID,
          get("v1", ANSWER("200 OK", IMAGE "Docker-Content-Digest: " WRONG "\r\n", MANIFEST), &wanted));
    FAILS(STL_MANIFEST_INVALID,
          get("v1", ANSWER("200 OK", "Content-Type: text/html\r\n", "<html>"), &wanted));
    FAILS(STL_MANIFEST_INVALID, get("v1", ANSWER("200 OK", IMAGE, ""), &wanted));
    FAILS(STL_MANIFEST_INVALID, get("v1", ANSWER("200 OK", IMAGE, "[]"), &wanted));
    FAILS(STL_UNSUPPORTED, get("v1", ANSWER("200 OK", JSON, "{\"schemaVersion\":1}"), &wanted));
    FAILS(STL_UNSUPPORTED,
          get("v1",
              ANSWER("200 OK", "Content-Type: application/vnd.docker.distribution.manifest.v1+prettyjws\r\n",
                     "{}"),
              &wanted));
    FAILS(STL_INVALID, get("v1", ANSWER("200 OK", IMAGE "Content-Length: 1001\r\n", "{}"), &wanted));
    FAILS(STL_DENIED,
          get("v1", ANSWER("403 No", JSON, "{\"errors\":[{\"code\":\"DENIED\",\"message\":\"not you\"}]}"),
              &wanted));
    assert_non_null(strstr(err.message, "403: not you"));
}

/* --- blobs ---------------------------------------------------------------------------------------------- */

/* What was there before may be wrong; what is not its fault is told as it is. */
static void what_was_there_is_suspected(void **state)
{
    const struct unit *f = *state;
    static const struct stl_remote remote = {.host = "a.example"};
    const struct stl_error passing = {.code = STL_UNAVAILABLE};
    const struct stl_digest digest = unit_digest("whole");
    struct stl_arriving arriving;
    struct stl_error why = STL_ERROR_INIT;
#define BEGIN(name)                                                                                          \
    OK(stl_arriving_begin(&arriving, &f->registry.root, &remote, name, &digest, 5, NULL, NULL, &err))
    BEGIN("lib/app");
    FAILS(STL_SIZE_INVALID, stl_arriving_check(&arriving, &err));
    assert_false(stl_arriving_restart(&arriving, 200, &err)); /* nothing was there */
    OK(stl_arriving_write(&arriving, "who", 3, &err));
    assert_true(stl_arriving_close(&arriving, &passing));
    BEGIN("lib/other");
    assert_int_equal(arriving.from, 0);
    assert_false(stl_arriving_close(&arriving, &passing));
    BEGIN("lib/app");
    assert_int_equal(arriving.from, 3);
    why.code = STL_NO_SPACE;
    assert_false(stl_arriving_restart(&arriving, 0, &why));
    why.code = STL_UNAVAILABLE;
    assert_false(stl_arriving_restart(&arriving, 503, &why));
    assert_true(stl_arriving_restart(&arriving, 416, &why)); /* the registry has a shorter one */
    assert_int_equal(why.code, STL_OK);
    assert_int_equal(arriving.copy.size, 0);
    OK(stl_arriving_write(&arriving, "whole", 5, &err));
    OK(stl_arriving_check(&arriving, &err));
    why.code = STL_DIGEST_INVALID;
    assert_false(stl_arriving_close(&arriving, &why));
}

/* --- lists ---------------------------------------------------------------------------------------------- */

static int list(const char *const *answers, struct stl_tags *tags, size_t asked)
{
    struct server server;
    STL_AUTO_REMOTE struct stl_remote remote = {0};
    begin(&server, answers, 1);
    open_remote(&remote, &server, NULL);
    int result = stl_remote_tags(&remote, "lib/app", tags, &err);
    end(&server, asked);
    return result;
}

static void pages_of_tags(void **state)
{
    (void)state;
    struct stl_tags tags;
    OK(list(
        (const char *const[]){ANSWER("200 OK",
                                     JSON "Link: </v2/lib/app/tags/list?last=b&n=2>; rel=\"next\"\r\n",
                                     "{\"tags\":[\"b\",\"a\",\"../x\",7]}"),
                              ANSWER("200 OK", JSON "Link: <http://localhost/elsewhere>; rel=\"next\"\r\n",
                                     "{\"tags\":[\"c\",\"b\"]}"),
                              NULL},
        &tags, 2));
    assert_int_equal(tags.count, 3);
    assert_string_equal(tags.items[2].text, "c");
    stl_tags_clear(&tags);
    OK(list((const char *const[]){ANSWER("200 OK", JSON, "{\"tags\":null}"), NULL}, &tags, 1));
    assert_int_equal(tags.count, 0);
    stl_tags_clear(&tags);
}

static void lists_that_are_none(void **state)
{
    (void)state;
    struct stl_tags tags;
#define CIRCLE                                                                                               \
    ANSWER("200 OK", JSON "Link: </v2/lib/app/tags/list?n=1000>; rel=\"next\"\r\n", "{\"tags\":[\"a\"]}")
    FAILS(STL_INVALID, list((const char *const[]){CIRCLE, CIRCLE, CIRCLE, NULL}, &tags, 1));
    FAILS(STL_NOT_FOUND, list((const char *const[]){ANSWER("404 None", "", ""), NULL}, &tags, 1));
    FAILS(STL_MANIFEST_INVALID, list((const char *const[]){ANSWER("200 OK", "", "<html>"), NULL}, &tags, 1));
}

/* --- texts ---------------------------------------------------------------------------------------------- */

static void check_address(const char *text, const char *host, const char *name, const char *url)
{
    struct stl_address address;
    OK(stl_address_parse(text, &address, &err));
    assert_string_equal(address.host, host);
    assert_string_equal(address.name.text, name);
    STL_AUTO_FREE char *made = stl_address_url(address.host, false);
    assert_string_equal(made, url);
}

static void addresses(void **state)
{
    (void)state;
    struct stl_address address;
    check_address("nginx", "docker.io", "library/nginx", "https://registry-1.docker.io");
    check_address("docker.io/nginx:1", "docker.io", "library/nginx", "https://registry-1.docker.io");
    check_address("index.docker.io/a/b", "docker.io", "a/b", "https://registry-1.docker.io");
    check_address("GHCR.io/a/b@" WRONG, "ghcr.io", "a/b", "https://ghcr.io");
    check_address("localhost/a", "localhost", "a", "https://localhost");
    check_address("docker.io/a.b", "docker.io", "library/a.b", "https://registry-1.docker.io");
    check_address("Registry-1.docker.io/a/b:1@" WRONG, "docker.io", "a/b", "https://registry-1.docker.io");
    check_address("a.example:65535/a", "a.example:65535", "a", "https://a.example:65535");
    check_address("[2001:DB8::1]/a", "[2001:db8::1]", "a", "https://[2001:db8::1]");
    check_address("[::1]:5000/a:1", "[::1]:5000", "a", "https://[::1]:5000");
    FAILS(STL_NAME_INVALID, stl_address_parse("user@host.example/a", &address, &err));
    FAILS(STL_NAME_INVALID, stl_address_parse("host.example/../a", &address, &err));
    static const char *const wrong[] = {
        "host.example?x/a",
        "host.example:/a",
        "host.example:0/a",
        "host.example:65536/a",
        "host.example:80x/a",
        "host.example:1:2/a",
        "[::1/a",
        "[::1]1/a",
        "[::1]:/a",
        "[fe80::1%eth0]/a",
        "::1:5000/a",
        "http://a.example/a",
        "https://a.example/a",
        "ghcr.io",
        "localhost:5000",
        "127.0.0.1:5000",
        "ghcr.io@" WRONG,
        "",
        ":1",
        "host.example/a/",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        FAILS(STL_NAME_INVALID, stl_address_parse(wrong[i], &address, &err));
}

static int find(const char *config, const char *host, const char *name, struct stl_credentials *found,
                char **helper)
{
    STL_AUTO_JSON struct json_object *object = stl_json_parse(config, strlen(config), &err);
    STL_AUTO_FREE char *server = NULL;
    *helper = NULL;
    return stl_credentials_find(object, host, name, found, helper, &server, &err);
}

static void credentials(void **state)
{
    (void)state;
    struct stl_credentials found;
    char *helper;
#define AUTHS                                                                                                                     \
    "{\"auths\":{\"https://index.docker.io/v1/\":{\"auth\":\"YTpi\"},\"a.example\":{\"auth\":\"Yzpk\",\"identitytoken\":\"i\"},"  \
    "\"a.example/team\":{\"username\":\"e\",\"password\":\"f\"},\"b.example\":{}},\"credHelpers\":{\"c.example\":\"ecr-login\"}," \
    "\"credsStore\":\"../x\"}"
    assert_int_equal(find(AUTHS, "docker.io", "library/x", &found, &helper), 1);
    assert_string_equal(found.user, "a");
    assert_string_equal(found.password, "b");
    stl_credentials_clear(&found);
    assert_int_equal(find(AUTHS, "a.example", "teams/x", &found, &helper), 1);
    assert_string_equal(found.user, "c");
    assert_string_equal(found.identity_token, "i");
    stl_credentials_clear(&found);
    assert_int_equal(find(AUTHS, "a.example", "team/x", &found, &helper), 1);
    assert_string_equal(found.user, "e");
    stl_credentials_clear(&found);
    assert_int_equal(find(AUTHS, "a.example.org", "team/x", &found, &helper), 0);
    assert_int_equal(find(AUTHS, "b.example", "x", &found, &helper), 0); /* nor the helper, which is a path */
    assert_int_equal(find(AUTHS, "c.example", "x", &found, &helper), 2);
    assert_string_equal(helper, "ecr-login");
    free(helper);
    assert_int_equal(find("{\"credsStore\":\"pass\",\"credHelpers\":{\"c.example\":\"ecr-login\"}}",
                          "b.example", "x", &found, &helper),
                     2);
    assert_string_equal(helper, "pass");
    free(helper);
    FAILS(STL_INVALID,
          find("{\"auths\":{\"a.example\":{\"auth\":\"!\"}}}", "a.example", "x", &found, &helper));
    OK(stl_credentials_parse_helper("{\"Username\":\"<token>\",\"Secret\":\"s\"}", 35, &found, &err));
    assert_string_equal(found.identity_token, "s");
    assert_null(found.user);
    stl_credentials_clear(&found);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_for_a_password),
        cmocka_unit_test(a_token_for_an_identity_token),
        cmocka_unit_test(a_password_at_once),
        cmocka_unit_test(no_login),
        cmocka_unit_test(token_servers_that_are_none),
        cmocka_unit_test(manifests),
        cmocka_unit_test(what_is_no_manifest),
        registry_test(what_was_there_is_suspected),
        cmocka_unit_test(pages_of_tags),
        cmocka_unit_test(lists_that_are_none),
        cmocka_unit_test(addresses),
        cmocka_unit_test(credentials),
    };
    return unit_run(tests);
}
