#include "exchange.h"
#include "exchange.h"

#include <stdlib.h>

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

static void end_transfer(struct stl_http_transfer *transfer)
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

/* Starts the transfers that are due. Returns in how many milliseconds the next one will be. */
static int begin_due(struct stl_http *http, const struct stl_http_work *work, struct stl_error *err)
{
    double now = stl_monotonic(), first = now + 1;
    for (struct stl_http_transfer *transfer = http->transfers, *next; transfer; transfer = next) {
        next = transfer->next;
        if (!transfer->running && transfer->not_before <= now) {
            struct stl_http_exchange *exchange = transfer->exchange;
            if (stl_http_begin(transfer, &exchange->error) == 0)
                continue;
            end_transfer(transfer);
            if (work->ended(work->context, exchange, err))
                return -1;
            first = now;
        } else if (!transfer->running && transfer->not_before < first)
            first = transfer->not_before;
    }
    return (int)((first - now) * 1000);
}

/* Returns how many transfers have ended, including those that will be repeated. */
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
        end_transfer(transfer);
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
        /* If a transfer has ended, go round at once: there is room for another, or it is repeated. */
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
        end_transfer(http->transfers);
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
