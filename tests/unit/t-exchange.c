#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "clock.h"
#include "exchange.h"
#include "scripted.h"
#include "unit.h"

#define TEN "Content-Length: 10\r\n"
enum { LONG = 30000 };

static struct stl_http *open_client(const struct stl_http_options *more)
{
    struct stl_http_options options = more ? *more : (struct stl_http_options){0};
    struct stl_http *http = NULL;
    options.backoff = 1;
    OK(stl_http_open(&http, &options, &err));
    return http;
}

static int append(void *context, const void *bytes, size_t length, struct stl_error *error)
{
    (void)error;
    return stl_buf_add(context, bytes, length);
}

/* Asks once; `sink`, if given, gets the body. Answers from `answers` alone. */
static int ask(const char *const *answers, struct server *server, struct stl_http_exchange *exchange)
{
    STL_AUTO_HTTP struct stl_http *http = open_client(NULL);
    begin(server, answers, 1);
    if (!exchange->request.url)
        exchange->request.url = server->url;
    return stl_http_send(http, exchange, &err);
}

static void what_is_asked_and_answered(void **state)
{
    (void)state;
    static const char *const headers[] = {"Accept: text/x", NULL};
    struct server server;
    struct stl_http_exchange exchange = {.request = {.method = "PUT",
                                                     .headers = headers,
                                                     .authorization = "Bearer abc",
                                                     .body = "hello",
                                                     .length = 5}};
    OK(ask(
        (const char *const[]){
            ANSWER("201 Created", TEN "X-One: 1\r\nx-two:  2 \r\nX-ONE: 3\r\n", "0123456789"), NULL},
        &server, &exchange));
    const char *one = stl_http_header(&exchange.answer, "x-one");
    assert_int_equal(exchange.answer.status, 201);
    assert_string_equal(exchange.answer.body.data, "0123456789");
    assert_string_equal(one, "1");
    assert_string_equal(stl_http_next_header(&exchange.answer, "X-One", one), "3");
    assert_string_equal(stl_http_header(&exchange.answer, "X-Two"), "2");
    assert_null(stl_http_header(&exchange.answer, "X"));
    assert_string_equal(exchange.answer.url, server.url);
    has(&server, 0, "PUT /a HTTP/1.1\r\n");
    has(&server, 0, "Accept: text/x\r\n");
    has(&server, 0, "Authorization: Bearer abc\r\n");
    has(&server, 0, "\r\n\r\nhello");
    lacks(&server, 0, "Expect");
    stl_http_clear(&exchange);
    end(&server, 1);
}

static void answers_outlast_trouble(void **state)
{
    (void)state;
    struct server server;
    struct stl_http_exchange exchange = {.owner = NULL};
    OK(ask((const char *const[]){ANSWER("503 Busy", "Retry-After: 0\r\n", "busy"),
                                 ANSWER("429 Slow down", "Retry-After: Sun, 06 Nov 1994 08:49:37 GMT\r\n",
                                        "wait"),
                                 "", ANSWER("200 OK", TEN, "01234"), ANSWER("200 OK", TEN, "0123456789"),
                                 NULL},
           &server, &exchange));
    assert_int_equal(exchange.answer.status, 200);
    assert_int_equal(exchange.answer.requests, 5);
    assert_string_equal(exchange.answer.body.data, "0123456789");
    stl_http_clear(&exchange);
    end(&server, 5);
}

static void trouble_outlasts_attempts(void **state)
{
    (void)state;
#define BAD ANSWER("504 Timeout", "", "bad")
    struct server server;
    struct stl_http_exchange exchange = {.owner = NULL};
    OK(ask((const char *const[]){BAD, BAD, BAD, BAD, BAD, BAD, NULL}, &server, &exchange));
    assert_int_equal(exchange.answer.status, 504);
    stl_http_clear(&exchange);
    end(&server, 5);
}

static void impatience(void **state)
{
    (void)state;
    struct server server;
    struct stl_http_exchange exchange = {.owner = NULL};
    OK(ask((const char *const[]){ANSWER("429 Slow down", "Retry-After: 121\r\n", "wait"), NULL}, &server,
           &exchange));
    assert_int_equal(exchange.answer.status, 429);
    assert_string_equal(exchange.answer.body.data, "wait");
    stl_http_clear(&exchange);
    end(&server, 1);
}

/* As a number and as a date, which are both beyond the two minutes that anybody waits. */
static void the_server_says_when(void **state)
{
    (void)state;
    char date[64], busy[160];
    time_t later = time(NULL) + 3600;
    struct tm parts;
    struct server server;
    struct stl_http_exchange exchange = {.owner = NULL};
    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&later, &parts));
    snprintf(busy, sizeof busy, ANSWER("503 Busy", "Retry-After: %s\r\n", "busy"), date);
    OK(ask((const char *const[]){busy, NULL}, &server, &exchange));
    assert_int_equal(exchange.answer.status, 503);
    stl_http_clear(&exchange);
    end(&server, 1);
    STL_AUTO_HTTP struct stl_http *patient = open_client(&(struct stl_http_options){.patience = 1});
    begin(&server,
          (const char *const[]){ANSWER("429 Slow down", "Retry-After: 1\r\n", "wait"),
                                ANSWER("200 OK", TEN, "0123456789"), NULL},
          1);
    double before = stl_monotonic();
    exchange.request.url = server.url;
    OK(stl_http_send(patient, &exchange, &err));
    assert_int_equal(exchange.answer.status, 200);
    assert_true(stl_monotonic() - before >= 1);
    stl_http_clear(&exchange);
    end(&server, 2);
    exchange.request.url = NULL;
    /* What is no time is no reason to wait. */
    OK(ask((const char *const[]){ANSWER("503 Busy", "Retry-After: soon\r\n", ""),
                                 ANSWER("503 Busy", "Retry-After: -1\r\n", ""),
                                 ANSWER("200 OK", TEN, "0123456789"), NULL},
           &server, &exchange));
    stl_http_clear(&exchange);
    end(&server, 3);
}

static void a_reset_is_a_cut(void **state)
{
    (void)state;
    struct server server;
    struct stl_http_exchange exchange = {.owner = NULL};
    OK(ask((const char *const[]){RESET, RESET, ANSWER("200 OK", TEN, "0123456789"), NULL}, &server,
           &exchange));
    stl_http_clear(&exchange);
    end(&server, 3);
}

/* It could come one day: nobody waits for it. */
static void an_answer_that_stops(void **state)
{
    (void)state;
    struct server server;
    STL_AUTO_HTTP struct stl_http *http = open_client(&(struct stl_http_options){.attempts = 1, .idle = 1});
    begin(&server, (const char *const[]){STALLED ANSWER("200 OK", TEN, "01234"), NULL}, 1);
    struct stl_http_exchange exchange = {.request = {.url = server.url}};
    FAILS(STL_UNAVAILABLE, stl_http_send(http, &exchange, &err));
    end(&server, 1);
    begin(&server, (const char *const[]){STALLED "HTTP/1.1 200 OK\r\n", NULL}, 1);
    exchange = (struct stl_http_exchange){.request = {.url = server.url}};
    FAILS(STL_UNAVAILABLE, stl_http_send(http, &exchange, &err));
    end(&server, 1);
}

/* Of an error, only the beginning is of interest. */
static void an_error_without_end(void **state)
{
    (void)state;
    enum { MUCH = 4 << 20 };
    struct server server;
    STL_AUTO_FREE char *much = stl_alloc(MUCH);
    memset(much, 'x', MUCH - 1);
    STL_AUTO_FREE char *answer = stl_sprintf(ANSWER("404 None", "", "%s"), much);
    struct stl_http_exchange exchange = {.request = {.most = 16}};
    FAILS(STL_INVALID, ask((const char *const[]){answer, NULL}, &server, &exchange));
    assert_non_null(strstr(err.message, "404 does not end"));
    end(&server, 1);
}

static void what_may_have_happened_is_not_repeated(void **state)
{
    (void)state;
    struct server server;
    struct stl_http_exchange exchange = {.request = {.method = "POST", .body = "x", .length = 1}};
    OK(ask((const char *const[]){ANSWER("503 Busy", "", ""), ANSWER("500 Broken", "", ""), NULL}, &server,
           &exchange));
    assert_int_equal(exchange.answer.status, 500);
    has(&server, 1, "\r\n\r\nx");
    stl_http_clear(&exchange);
    end(&server, 2);
    exchange = (struct stl_http_exchange){.request = {.method = "PATCH", .body = "x", .length = 1}};
    FAILS(STL_UNAVAILABLE, ask((const char *const[]){"", NULL}, &server, &exchange));
    end(&server, 1);
}

static void a_cut_body_goes_on(void **state)
{
    (void)state;
    struct server server;
    STL_AUTO_BUF struct stl_buf body = STL_BUF_INIT;
    struct stl_http_exchange exchange = {.request = {.write = append, .context = &body, .most = 10}};
    OK(ask((const char *const[]){ANSWER("200 OK", TEN, "0123"),
                                 ANSWER("206 Part", "Content-Length: 6\r\nContent-Range: bytes 4-9/10\r\n",
                                        "45"),
                                 ANSWER("200 OK", TEN, "0123456789"), NULL},
           &server, &exchange));
    assert_string_equal(body.data, "0123456789");
    lacks(&server, 0, "Range:");
    has(&server, 1, "Range: bytes=4-\r\n");
    has(&server, 2, "Range: bytes=6-\r\n");
    stl_http_clear(&exchange);
    end(&server, 3);
}

static void a_body_begins_where_the_caller_says(void **state)
{
    (void)state;
    struct server server;
    STL_AUTO_BUF struct stl_buf body = STL_BUF_INIT, all = STL_BUF_INIT;
    struct stl_http_exchange exchange = {
        .request = {.write = append, .context = &body, .most = 10, .from = 8}};
    OK(ask((const char *const[]){ANSWER("206 Part", "Content-Range: bytes 8-9/10\r\n", "89"), NULL}, &server,
           &exchange));
    assert_string_equal(body.data, "89");
    has(&server, 0, "Range: bytes=8-\r\n");
    stl_http_clear(&exchange);
    end(&server, 1);
    exchange =
        (struct stl_http_exchange){.request = {.write = append, .context = &body, .most = 10, .from = 8}};
    FAILS(STL_INVALID,
          ask((const char *const[]){ANSWER("206 Part", "Content-Range: bytes 0-0/10\r\n", "0"), NULL},
              &server, &exchange));
    end(&server, 1);
    assert_string_equal(body.data, "89");
    exchange = (struct stl_http_exchange){.request = {.write = append, .context = &all, .most = 10}};
    OK(ask((const char *const[]){ANSWER("206 Part", "Content-Range: bytes 0-9/10\r\n", "0123456789"), NULL},
           &server, &exchange));
    assert_string_equal(all.data, "0123456789");
    stl_http_clear(&exchange);
    end(&server, 1);
}

/* An answer of which `most` bytes may come: it fails, and the writer has no byte beyond them. */
static void too_much(const char *answer, bool writer, const char *why)
{
    struct server server;
    STL_AUTO_BUF struct stl_buf body = STL_BUF_INIT;
    struct stl_http_exchange exchange = {.request = {.context = &body, .most = 9}};
    exchange.request.write = writer ? append : NULL;
    FAILS(STL_INVALID, ask((const char *const[]){answer, NULL}, &server, &exchange));
    assert_true(body.length <= 9);
    assert_non_null(strstr(err.message, server.url));
    assert_non_null(strstr(err.message, why));
    end(&server, 1);
}

static void everything_has_a_limit(void **state)
{
    (void)state;
    STL_AUTO_FREE char *long_header = stl_alloc(LONG), *answer = NULL;
    memset(long_header, 'x', LONG - 1);
    too_much(ANSWER("200 OK", TEN, "0123456789"), true, "has 10 bytes, more than the 9");
    too_much(ANSWER("200 OK", "", "0123456789"), true, "has more than the 9");
    too_much(ANSWER("299 OK", TEN, "0123456789"), false, "has 10 bytes, more than the 9");
    too_much(ANSWER("200 OK", "", "0123456789"), false, "has more than 9");
    answer = stl_sprintf("HTTP/1.1 200 OK\r\nA: %s\r\nB: %s\r\nC: %s\r\n\r\n", long_header, long_header,
                         long_header);
    too_much(answer, false, "headers of the answer are too long");
}

static void redirects_leave_the_password_behind(void **state)
{
    (void)state;
    struct server server;
    STL_AUTO_HTTP struct stl_http *http = open_client(NULL);
    char away[128];
    const char *answers[] = {ANSWER("302 Found", "Location: /b?c\r\n", ""), away,
                             ANSWER("200 OK", TEN, "0123456789"), NULL};
    begin(&server, answers, 1);
    snprintf(away, sizeof away, ANSWER("307 Moved", "Location: http://localhost:%u/c\r\n", ""), server.port);
    struct stl_http_exchange exchange = {.request = {.url = server.url, .authorization = "Basic secret"}};
    OK(stl_http_send(http, &exchange, &err));
    has(&server, 1, "GET /b?c HTTP/1.1\r\n");
    has(&server, 1, "Basic secret");
    has(&server, 2, "Host: localhost");
    lacks(&server, 2, "secret");
    assert_non_null(strstr(exchange.answer.url, "//localhost:"));
    stl_http_clear(&exchange);
    end(&server, 3);
}

static void redirects_end(void **state)
{
    (void)state;
    struct server server;
    struct stl_http_exchange exchange = {.owner = NULL};
#define AGAIN ANSWER("301 Moved", "Location: /a\r\n", "")
    FAILS(STL_INVALID, ask((const char *const[]){AGAIN, AGAIN, AGAIN, AGAIN, AGAIN, AGAIN, AGAIN, NULL},
                           &server, &exchange));
    end(&server, 6);
    exchange = (struct stl_http_exchange){.owner = NULL};
    FAILS(STL_INVALID,
          ask((const char *const[]){ANSWER("301 Moved", "Location: file:///etc/passwd\r\n", ""), NULL},
              &server, &exchange));
    end(&server, 1);
    /* Nobody may send an upload elsewhere with a status that means "look there". */
    exchange = (struct stl_http_exchange){.request = {.method = "PUT", .body = "x", .length = 1}};
    OK(ask((const char *const[]){AGAIN, NULL}, &server, &exchange));
    assert_int_equal(exchange.answer.status, 301);
    stl_http_clear(&exchange);
    end(&server, 1);
}

static void addresses(void **state)
{
    (void)state;
    STL_AUTO_HTTP struct stl_http *http = open_client(NULL);
    STL_AUTO_FREE char *relative =
        stl_http_resolve(http, "https://a.example/v2/x/tags/list?n=1", "/v2/y?last=z");
    assert_string_equal(relative, "https://a.example/v2/y?last=z");
    assert_null(stl_http_resolve(http, "https://a.example/", "http://a.example/"));
    assert_null(stl_http_resolve(http, "https://a.example/", "ftp://a.example/"));
    assert_null(stl_http_resolve(http, "https://a.example/", "https://user:word@b.example/"));
    assert_true(stl_http_same_origin(http, "https://a.example/x", "https://A.example:443/y"));
    assert_false(stl_http_same_origin(http, "https://a.example/x", "https://a.example:444/x"));
    assert_false(stl_http_same_origin(http, "https://a.example/x", "http://a.example:443/x"));
}

struct work {
    struct stl_http_exchange *exchanges;
    size_t count, begun, ended, fail_at;
};

static struct stl_http_exchange *next(void *context)
{
    struct work *work = context;
    return work->begun < work->count ? &work->exchanges[work->begun++] : NULL;
}

static int one_has_ended(void *context, struct stl_http_exchange *exchange, struct stl_error *error)
{
    struct work *work = context;
    assert_int_equal(exchange->error.code, STL_OK);
    assert_int_equal(exchange->answer.status, 200);
    stl_http_clear(exchange);
    return ++work->ended == work->fail_at ? stl_error_set(error, STL_INVALID, "enough") : 0;
}

static void several_at_once(void **state)
{
    (void)state;
#define GOOD ANSWER("200 OK", TEN, "0123456789")
    static const char *const answers[] = {GOOD, GOOD, GOOD, GOOD, GOOD, GOOD, NULL};
    STL_AUTO_HTTP struct stl_http *http = open_client(&(struct stl_http_options){.parallel = 3});
    struct stl_http_exchange exchanges[6] = {[5] = {.owner = NULL}};
    struct work work = {.exchanges = exchanges, .count = 6};
    struct server server;
    begin(&server, answers, 3);
    for (size_t i = 0; i < 6; i++)
        exchanges[i].request.url = server.url;
    OK(stl_http_run(http, &(struct stl_http_work){next, one_has_ended, NULL, &work}, &err));
    assert_int_equal(work.ended, 6);
    end(&server, 6);
}

/* As many as were asked for, or six, have begun when the first ends. */
static void how_many_at_once(void **state)
{
    (void)state;
    static const char *const answers[] = {GOOD, GOOD, GOOD, GOOD, GOOD, GOOD, GOOD, GOOD, NULL};
    for (unsigned parallel = 0; parallel <= 3; parallel += 3) {
        STL_AUTO_HTTP struct stl_http *http = open_client(&(struct stl_http_options){.parallel = parallel});
        struct stl_http_exchange exchanges[8] = {[7] = {.owner = NULL}};
        struct work work = {.exchanges = exchanges, .count = 8, .fail_at = 1};
        struct server server;
        begin(&server, answers, parallel ? 3 : 6);
        for (size_t i = 0; i < 8; i++)
            exchanges[i].request.url = server.url;
        FAILS(STL_INVALID,
              stl_http_run(http, &(struct stl_http_work){next, one_has_ended, NULL, &work}, &err));
        assert_int_equal(work.ended, 1);
        end(&server, parallel ? 3 : 6);
    }
}

static void only_the_caller_names_a_proxy(void **state)
{
    (void)state;
    static const char *const answers[] = {GOOD, GOOD, NULL};
    struct server server;
    begin(&server, answers, 1);
    setenv("http_proxy", "http://127.0.0.1:9", 1);
    STL_AUTO_HTTP struct stl_http *direct = open_client(NULL);
    STL_AUTO_HTTP struct stl_http *through =
        open_client(&(struct stl_http_options){.proxy_http = server.url});
    struct stl_http_exchange exchange = {.request = {.url = server.url}};
    OK(stl_http_send(direct, &exchange, &err));
    stl_http_clear(&exchange);
    exchange.request.url = "http://far.invalid/x";
    OK(stl_http_send(through, &exchange, &err));
    has(&server, 1, "GET http://far.invalid/x HTTP/1.1\r\n");
    stl_http_clear(&exchange);
    unsetenv("http_proxy");
    end(&server, 2);
}

/* The servers of these tests are on this machine, where only one that is as near may send us. */
static void nobody_sends_us_nearer(void **state)
{
    (void)state;
    static const char *const answers[] = {
        ANSWER("307 Moved", "Location: http://169.254.169.254/latest\r\n", ""), NULL};
    static const char *const good[] = {GOOD, GOOD, GOOD, GOOD, NULL};
    struct server server;
    struct stl_http_exchange exchange = {.owner = NULL};
    FAILS(STL_INVALID, ask(answers, &server, &exchange));
    assert_non_null(strstr(err.message, "169.254.169.254 is a link-local address"));
    end(&server, 1);
    STL_AUTO_HTTP struct stl_http *http = open_client(NULL);
    STL_AUTO_HTTP struct stl_http *anywhere = open_client(&(struct stl_http_options){.any_address = true});
    begin(&server, good, 1);
    exchange = (struct stl_http_exchange){.request = {.url = server.url}};
    OK(stl_http_send(http, &exchange, &err));
    assert_int_equal(exchange.answer.distance, STL_LOOPBACK);
    stl_http_clear(&exchange);
    exchange.request.nearest = STL_PRIVATE;
    FAILS(STL_INVALID, stl_http_send(http, &exchange, &err));
    assert_non_null(strstr(err.message, "127.0.0.1 is a loopback address"));
    OK(stl_http_send(anywhere, &exchange, &err));
    stl_http_clear(&exchange);
    /* What a proxy on this machine asks for us is far away; the proxy itself is whom we choose to ask. */
    STL_AUTO_FREE char *name = stl_sprintf("localhost:%u", server.port);
    STL_AUTO_HTTP struct stl_http *through = open_client(&(struct stl_http_options){.proxy_http = name});
    exchange.request = (struct stl_http_request){.url = "http://far.invalid/x"};
    OK(stl_http_send(through, &exchange, &err));
    assert_int_equal(exchange.answer.distance, STL_PUBLIC);
    stl_http_clear(&exchange);
    exchange.request.nearest = STL_PUBLIC;
    OK(stl_http_send(through, &exchange, &err));
    stl_http_clear(&exchange);
    end(&server, 4);
}

static void nobody_there(void **state)
{
    (void)state;
    struct server server;
    begin(&server, (const char *const[]){GOOD, NULL}, 1);
    end(&server, 0);
    STL_AUTO_HTTP struct stl_http *http = open_client(&(struct stl_http_options){
        .attempts = 2, .ca = "/none.pem", .proxy_http = "127.0.0.1:9", .no_proxy = "127.0.0.1"});
    STL_AUTO_FREE char *url = stl_sprintf("%s?signature=secret", server.url);
    struct stl_http_exchange exchange = {.request = {.url = url}};
    FAILS(STL_UNAVAILABLE, stl_http_send(http, &exchange, &err));
    assert_non_null(strstr(err.message, server.url));
    assert_null(strstr(err.message, "secret"));
    assert_null(strstr(err.message, "none.pem")); /* nor has the proxy been asked */
    assert_null(strstr(err.message, "proxy"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_asked_and_answered),
        cmocka_unit_test(answers_outlast_trouble),
        cmocka_unit_test(trouble_outlasts_attempts),
        cmocka_unit_test(impatience),
        cmocka_unit_test(the_server_says_when),
        cmocka_unit_test(a_reset_is_a_cut),
        cmocka_unit_test(an_answer_that_stops),
        cmocka_unit_test(an_error_without_end),
        cmocka_unit_test(what_may_have_happened_is_not_repeated),
        cmocka_unit_test(a_cut_body_goes_on),
        cmocka_unit_test(a_body_begins_where_the_caller_says),
        cmocka_unit_test(everything_has_a_limit),
        cmocka_unit_test(redirects_leave_the_password_behind),
        cmocka_unit_test(redirects_end),
        cmocka_unit_test(addresses),
        cmocka_unit_test(several_at_once),
        cmocka_unit_test(how_many_at_once),
        cmocka_unit_test(only_the_caller_names_a_proxy),
        cmocka_unit_test(nobody_sends_us_nearer),
        cmocka_unit_test(nobody_there),
    };
    return unit_run(tests);
}
