#include "exchange.h"
#include "exchange.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "client.h"
#include "clock.h"

int stl_http_open(struct stl_http **http, const struct stl_http_options *options, struct stl_error *err)
{
    struct stl_http *made = stl_alloc(sizeof *made);
    made->options = *options;
#define DEFAULT(name, value) made->options.name = options->name ? options->name : (value)
    DEFAULT(parallel, 6);
    DEFAULT(attempts, 5);
    DEFAULT(backoff, 500);
    DEFAULT(patience, 120);
    DEFAULT(idle, 60);
    if (stl_curl_load(&made->curl, err)) {
        free(made);
        return -1;
    }
    made->multi = made->curl.multi_init();
    *http = made;
    return 0;
}

static void end(struct stl_http_transfer *transfer)
{
    struct stl_http_transfer **link = &transfer->http->transfers;
    while (*link != transfer)
        link = &(*link)->next;
    *link = transfer->next;
    stl_http_release(transfer);
    free(transfer->url);
    free(transfer);
}

void stl_http_close(struct stl_http **http)
{
    struct stl_http *old = stl_steal(*http);
    if (!old)
        return;
    old->curl.multi_cleanup(old->multi);
    old->curl.global_cleanup();
    free(old);
}

static void start_transfer(struct stl_http *http, struct stl_http_exchange *exchange)
{
    struct stl_http_transfer *transfer = stl_alloc(sizeof *transfer);
    exchange->answer = (struct stl_http_answer){0};
    stl_error_clear(&exchange->error);
    *transfer = (struct stl_http_transfer){.http = http,
                                           .exchange = exchange,
                                           .url = stl_strdup(exchange->request.url),
                                           .written = exchange->request.from,
                                           .nearest = exchange->request.nearest,
                                           .next = http->transfers};
    http->transfers = transfer;
}

/* Begins what is due. Returns the number of milliseconds after which something more will be. */
static int begin_due(struct stl_http *http, const struct stl_http_work *work, struct stl_error *err)
{
    double now = stl_monotonic(), first = now + 1;
    for (struct stl_http_transfer *transfer = http->transfers, *next; transfer; transfer = next) {
        next = transfer->next;
        if (!transfer->running && transfer->not_before <= now) {
            struct stl_http_exchange *exchange = transfer->exchange;
            if (stl_http_begin(transfer, &exchange->error) == 0)
                continue;
            end(transfer);
            if (work->ended(work->context, exchange, err))
                return -1;
            first = now;
        } else if (!transfer->running && transfer->not_before < first)
            first = transfer->not_before;
    }
    return (int)((first - now) * 1000);
}

/* Returns how many have ended, whether or not they are to begin again. */
static int take_ended(struct stl_http *http, const struct stl_http_work *work, struct stl_error *err)
{
    int left, number = 0;
    for (CURLMsg *message; (message = http->curl.multi_info_read(http->multi, &left)) != NULL;) {
        struct stl_http_transfer *transfer = NULL;
        CURLcode code = message->data.result;
        if (message->msg != CURLMSG_DONE)
            continue;
        http->curl.easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&transfer);
        number++;
        if (stl_http_again(transfer, code))
            continue;
        struct stl_http_exchange *exchange = transfer->exchange;
        end(transfer);
        if (work->ended(work->context, exchange, err))
            return -1;
    }
    return number;
}

static size_t count(const struct stl_http *http)
{
    size_t number = 0;
    for (const struct stl_http_transfer *transfer = http->transfers; transfer; transfer = transfer->next)
        number++;
    return number;
}

static int work_on(struct stl_http *http, const struct stl_http_work *work, struct stl_error *err)
{
    for (;;) {
        struct stl_http_exchange *exchange;
        int running, ended = 0;
        while (count(http) < http->options.parallel && (exchange = work->next(work->context)) != NULL)
            start_transfer(http, exchange);
        if (!http->transfers)
            return 0;
        int wait = begin_due(http, work, err);
        if (wait < 0)
            return -1;
        CURLMcode code = http->curl.multi_perform(http->multi, &running);
        if (code == CURLM_OK)
            ended = take_ended(http, work, err);
        if (ended < 0)
            return -1;
        /* What has ended makes room, or begins again. */
        if (code == CURLM_OK && ended == 0)
            code = http->curl.multi_poll(http->multi, NULL, 0, wait, NULL);
        if (code != CURLM_OK)
            return stl_error_set(err, STL_UNAVAILABLE, "libcurl: %s", http->curl.multi_strerror(code));
    }
}

int stl_http_run(struct stl_http *http, const struct stl_http_work *work, struct stl_error *err)
{
    int result = work_on(http, work, err);
    while (http->transfers) {
        struct stl_http_exchange *exchange = http->transfers->exchange;
        end(http->transfers);
        stl_http_clear(exchange);
        if (work->dropped)
            work->dropped(work->context, exchange);
    }
    return result;
}

/* --- one exchange --------------------------------------------------------------------------------------- */

static struct stl_http_exchange *next_one(void *context)
{
    struct stl_http_exchange **waiting = context;
    return stl_steal(*waiting);
}

static int one_ended(void *context, struct stl_http_exchange *exchange, struct stl_error *err)
{
    (void)context;
    if (exchange->error.code == STL_OK)
        return 0;
    *err = exchange->error;
    stl_http_clear(exchange);
    return -1;
}

struct stl_http_work stl_http_single(struct stl_http_exchange **waiting)
{
    return (struct stl_http_work){.next = next_one, .ended = one_ended, .context = waiting};
}

int stl_http_send(struct stl_http *http, struct stl_http_exchange *exchange, struct stl_error *err)
{
    struct stl_http_work work = stl_http_single(&exchange);
    return stl_http_run(http, &work, err);
}

void stl_http_clear(struct stl_http_exchange *exchange)
{
    stl_buf_clear(&exchange->answer.headers);
    stl_buf_clear(&exchange->answer.body);
    free(exchange->answer.url);
    exchange->answer = (struct stl_http_answer){0};
}

/* --- headers and URLs ----------------------------------------------------------------------------------- */

const char *stl_http_next_header(const struct stl_http_answer *answer, const char *name, const char *previous)
{
    const char *end = answer->headers.data + answer->headers.length;
    size_t length = strlen(name);
    for (const char *line = previous ? previous + strlen(previous) + 1 : answer->headers.data;
         answer->headers.length && line < end; line += strlen(line) + 1)
        if (strncasecmp(line, name, length) == 0 && line[length] == ':')
            return line + length + 1 + strspn(line + length + 1, " \t");
    return NULL;
}

const char *stl_http_header(const struct stl_http_answer *answer, const char *name)
{
    return stl_http_next_header(answer, name, NULL);
}

static char *url_part(struct stl_http *http, const CURLU *url, CURLUPart part)
{
    char *text = NULL, *copy = NULL;
    unsigned flags = part == CURLUPART_PORT ? CURLU_DEFAULT_PORT : 0;
    if (http->curl.url_get(url, part, &text, flags) == CURLUE_OK)
        copy = stl_strdup(text);
    http->curl.free(text);
    return copy;
}

char *stl_http_resolve(struct stl_http *http, const char *base, const char *url)
{
    CURLU *parsed = http->curl.url();
    char *result = NULL;
    if (http->curl.url_set(parsed, CURLUPART_URL, base, 0) == CURLUE_OK &&
        http->curl.url_set(parsed, CURLUPART_URL, url, CURLU_DISALLOW_USER) == CURLUE_OK) {
        STL_AUTO_FREE char *scheme = url_part(http, parsed, CURLUPART_SCHEME);
        bool secure = strncasecmp(base, "https:", 6) == 0;
        http->curl.url_set(parsed, CURLUPART_FRAGMENT, NULL, 0);
        if (scheme && (!strcmp(scheme, "https") || (!strcmp(scheme, "http") && !secure)))
            result = url_part(http, parsed, CURLUPART_URL);
    }
    http->curl.url_cleanup(parsed);
    return result;
}

static char *origin(struct stl_http *http, const char *url)
{
    CURLU *parsed = http->curl.url();
    char *result = NULL;
    if (http->curl.url_set(parsed, CURLUPART_URL, url, 0) == CURLUE_OK) {
        STL_AUTO_FREE char *scheme = url_part(http, parsed, CURLUPART_SCHEME);
        STL_AUTO_FREE char *host = url_part(http, parsed, CURLUPART_HOST);
        STL_AUTO_FREE char *port = url_part(http, parsed, CURLUPART_PORT);
        if (scheme && host && port)
            result = stl_sprintf("%s://%s:%s", scheme, host, port);
    }
    http->curl.url_cleanup(parsed);
    return result;
}

bool stl_http_same_origin(struct stl_http *http, const char *left, const char *right)
{
    STL_AUTO_FREE char *a = origin(http, left), *b = origin(http, right);
    return a && b && strcasecmp(a, b) == 0;
}
