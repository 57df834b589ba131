/* After an attempt: the answer, another attempt, another address, or an error. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client.h"
#include "clock.h"
#include "exchange.h"
#include "random.h"

static const char *method_of(const struct stl_http_transfer *transfer)
{
    return transfer->exchange->request.method ? transfer->exchange->request.method : "GET";
}

static bool is_fetch(const struct stl_http_transfer *transfer)
{
    return !strcmp(method_of(transfer), "GET") || !strcmp(method_of(transfer), "HEAD");
}

/* The query of a URL may be a signature, which is a secret for a while. */
static void blame(const struct stl_http_transfer *transfer, struct stl_error *err)
{
    stl_error_context(err, "%s %.*s", method_of(transfer), (int)strcspn(transfer->url, "?"), transfer->url);
}

/* --- waiting -------------------------------------------------------------------------------------------- */

/* Seconds; -1: the server does not say. */
static double retry_after(struct stl_http_transfer *transfer)
{
    const char *value = stl_http_header(&transfer->exchange->answer, "Retry-After");
    char *end;
    if (!value)
        return -1;
    double seconds = (double)strtoull(value, &end, 10);
    if (end != value && *end == '\0' && *value != '-')
        return seconds;
    time_t date = transfer->http->curl.getdate(value, NULL);
    if (date == (time_t)-1)
        return -1;
    seconds = difftime(date, time(NULL));
    return seconds > 0 ? seconds : 0;
}

/* A random time between half of it and all of it. */
static double backoff(const struct stl_http_transfer *transfer)
{
    uint16_t random;
    unsigned doublings = transfer->attempts - 1 < 6 ? transfer->attempts - 1 : 6;
    double longest = (double)((uint64_t)transfer->http->options.backoff << doublings) / 1000;
    stl_random(&random, sizeof random);
    return longest * (0.5 + 0.5 * random / UINT16_MAX);
}

static bool wait_for_another(struct stl_http_transfer *transfer)
{
    double asked = retry_after(transfer), wait = backoff(transfer);
    if (transfer->received >= STL_HTTP_PROGRESS && transfer->exchange->request.write)
        transfer->attempts = 1;
    if (transfer->attempts >= transfer->http->options.attempts || asked > transfer->http->options.patience)
        return false;
    transfer->not_before = stl_monotonic() + (asked > wait ? asked : wait);
    stl_http_release(transfer);
    return true;
}

/* Whether it may be repeated even if the server has already begun it. */
static bool is_harmless(const struct stl_http_transfer *transfer)
{
    const struct stl_http_request *request = &transfer->exchange->request;
    bool changes = !strcmp(method_of(transfer), "POST") || !strcmp(method_of(transfer), "PATCH");
    return (request->harmless || !changes) && !request->once;
}

static bool is_passing(const struct stl_http_transfer *transfer)
{
    switch (transfer->exchange->answer.status) {
    case 429:
    case 503:
        return true;
    case 408:
    case 500:
    case 502:
    case 504:
        return is_harmless(transfer);
    default:
        return false;
    }
}

static bool is_repeatable(const struct stl_http_transfer *transfer, CURLcode code)
{
    switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
        return true;
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_PARTIAL_FILE:
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
    case CURLE_SSL_CONNECT_ERROR:
        return is_harmless(transfer);
    default:
        return false;
    }
}

/* --- redirects ------------------------------------------------------------------------------------------ */

static bool is_redirect(const struct stl_http_transfer *transfer)
{
    int status = transfer->exchange->answer.status;
    bool moved = status == 307 || status == 308;
    if (is_fetch(transfer))
        moved |= status == 301 || status == 302 || status == 303;
    return moved && !transfer->exchange->request.aws_region &&
           stl_http_header(&transfer->exchange->answer, "Location");
}

static bool redirect(struct stl_http_transfer *transfer)
{
    struct stl_error *err = &transfer->exchange->error;
    const char *location = stl_http_header(&transfer->exchange->answer, "Location");
    STL_AUTO_FREE char *url = stl_http_resolve(transfer->http, transfer->url, location);
    if (!url)
        stl_error_set(err, STL_INVALID, "it is redirected to %.*s, which is not followed",
                      (int)strcspn(location, "?"), location);
    else if (transfer->redirects++ >= STL_HTTP_REDIRECTS_MAX)
        stl_error_set(err, STL_INVALID, "it is redirected more than %d times", STL_HTTP_REDIRECTS_MAX);
    else {
        stl_http_release(transfer);
        free(transfer->url);
        transfer->url = stl_steal(url);
        transfer->attempts = 0;
        transfer->not_before = 0;
        return true;
    }
    blame(transfer, err);
    return false;
}

/* A redirect may not lead nearer than the server is (distance.h). */
static void note_distance(struct stl_http_transfer *transfer)
{
    if (transfer->nearest && !is_redirect(transfer))
        return;
    enum stl_distance distance = stl_http_distance(transfer);
    if (distance > transfer->nearest)
        transfer->nearest = distance;
    if (transfer->redirects == 0)
        transfer->exchange->answer.distance = distance;
}

/* --- proxies -------------------------------------------------------------------------------------------- */

/* What the proxy has answered to CONNECT; 0: it was not asked. */
static int proxy_status(const struct stl_http_transfer *transfer)
{
    long status = 0;
    transfer->http->curl.easy_getinfo(transfer->easy, CURLINFO_HTTP_CONNECTCODE, &status);
    return (int)status;
}

/* Returns whether `status` is an answer of the proxy itself, which is then the error. */
static bool is_refused_by_proxy(struct stl_http_transfer *transfer, int status)
{
    STL_AUTO_FREE char *proxy = status >= 300 ? stl_http_tried_proxy(transfer) : NULL;
    if (!proxy)
        return false;
    stl_error_set(&transfer->exchange->error, STL_UNAVAILABLE, "the proxy %s answered %d%s", proxy, status,
                  status == 407 ? ": it wants a login, as in http_proxy=http://USER:PASSWORD@HOST:PORT" : "");
    blame(transfer, &transfer->exchange->error);
    return true;
}

/* --- all of it ------------------------------------------------------------------------------------------ */

/* What libcurl's text does not say; on the heap. */
static char *explain_failure(const struct stl_http_transfer *transfer, CURLcode code)
{
    STL_AUTO_FREE char *proxy = stl_http_tried_proxy(transfer);
    if (code == CURLE_SSL_CACERT_BADFILE && transfer->http->options.ca)
        return stl_sprintf(": %s", transfer->http->options.ca);
    if (code == CURLE_SSL_CONNECT_ERROR)
        return stl_strdup(": does the server talk HTTPS? --plain-http is for one that does not");
    return proxy ? stl_sprintf(", through the proxy %s", proxy) : stl_strdup("");
}

static bool failed(struct stl_http_transfer *transfer, CURLcode code)
{
    struct stl_error *err = &transfer->exchange->error;
    int refused = proxy_status(transfer);
    bool lasting = refused >= 400 && refused < 500 && refused != 429;
    if (transfer->broken.code != STL_OK)
        *err = transfer->broken;
    else if (!lasting && is_repeatable(transfer, code) && wait_for_another(transfer))
        return true;
    else if (is_refused_by_proxy(transfer, refused))
        return false;
    else {
        STL_AUTO_FREE char *more = explain_failure(transfer, code);
        stl_error_set(err, STL_UNAVAILABLE, "%s%s", transfer->http->curl.easy_strerror(code), more);
    }
    blame(transfer, err);
    return false;
}

bool stl_http_again(struct stl_http_transfer *transfer, CURLcode code)
{
    struct stl_http_answer *answer = &transfer->exchange->answer;
    long status = 0;
    if (code != CURLE_OK)
        return failed(transfer, code);
    transfer->http->curl.easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
    answer->status = (int)status;
    if (status == 407 && is_refused_by_proxy(transfer, answer->status))
        return false;
    note_distance(transfer);
    if (is_redirect(transfer))
        return redirect(transfer);
    if (is_passing(transfer) && wait_for_another(transfer))
        return true;
    answer->url = stl_steal(transfer->url);
    return false;
}
