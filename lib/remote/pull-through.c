#include "pull-through.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "through-fetch.h"
#include "through-refresh.h"

enum {
    FETCHES_MAX = 4096, /* that wait at a time; and as many clients that wait for them */
    WORKERS_MAX = 64,
    TICK = 500,         /* milliseconds between two looks at `ending` */
    MISSING_FOR = 30,   /* seconds before something that the upstream does not have is asked for again */
    FAILED_FOR = 5,     /* the same after other failures */
    LIMITED_FOR = 60,   /* the same if the upstream limits our requests */
    FIRST_REFRESH = 30, /* seconds after the start, or less if tags stay fresh for a shorter time */
};

/* --- waiting clients ------------------------------------------------------------------------------------ */

/* The caller holds the lock, here and in the following functions. */
static void remember(struct through *through, const struct through_fetch *fetch,
                     const struct stl_fetch_answer *answer)
{
    int wait = answer->code == STL_TOO_MANY_REQUESTS                                      ? LIMITED_FOR
               : answer->code == STL_MANIFEST_UNKNOWN || answer->code == STL_BLOB_UNKNOWN ? MISSING_FOR
                                                                                          : FAILED_FOR;
    struct through_past *past = &through->past[through->past_next++ % STL_THROUGH_PAST_MAX];
    *past = (struct through_past){fetch->request, *answer, stl_monotonic() + wait};
}

static const struct stl_fetch_answer *recall(const struct through *through,
                                             const struct stl_fetch_request *request)
{
    double now = stl_monotonic();
    for (size_t i = 0; i < STL_THROUGH_PAST_MAX; i++)
        if (through->past[i].until > now && !memcmp(&through->past[i].request, request, sizeof *request))
            return &through->past[i].answer;
    return NULL;
}

static struct through_fetch **find_fetch(struct through *through, const struct stl_fetch_request *request,
                                         size_t *count)
{
    struct through_fetch **link = &through->first;
    *count = 0;
    while (*link && memcmp(&(*link)->request, request, sizeof *request)) {
        link = &(*link)->next;
        ++*count;
    }
    return link;
}

static void add_waiter(struct through *through, struct through_fetch *fetch, int fd)
{
    if (fetch->begun.step == STL_FETCH_BEGUN)
        stl_fetch_answer(fd, &fetch->begun);
    stl_grow(fetch->waiters, fetch->waiter_count);
    fetch->waiters[fetch->waiter_count++] = fd;
    through->waiters++;
}

static void end_fetch(struct through *through, struct through_fetch *fetch, const struct stl_error *err)
{
    struct stl_fetch_answer answer = {.step = err->code == STL_OK ? STL_FETCH_DONE : STL_FETCH_FAILED,
                                      .code = err->code};
    size_t ignored;
    snprintf(answer.text, sizeof answer.text, "%s", err->message);
    if (answer.step == STL_FETCH_FAILED && fetch->asked)
        remember(through, fetch, &answer);
    stl_through_tell(fetch, &answer);
    for (size_t i = 0; i < fetch->waiter_count; i++)
        close(fetch->waiters[i]);
    through->waiters -= fetch->waiter_count;
    *find_fetch(through, &fetch->request, &ignored) = fetch->next;
    free(fetch->waiters);
    free(fetch);
}

/* --- requests ------------------------------------------------------------------------------------------- */

static void refuse(int fd, enum stl_code code, const char *why)
{
    struct stl_fetch_answer answer = {.step = STL_FETCH_FAILED, .code = code};
    snprintf(answer.text, sizeof answer.text, "%s", why);
    stl_fetch_answer(fd, &answer);
    close(fd);
}

/* Those who send requests are not trusted. */
static bool is_valid(const struct stl_fetch_request *request)
{
    struct stl_error ignored = STL_ERROR_INIT;
    struct stl_reference reference;
    struct stl_name name;
    return stl_name_parse(request->name, &name, &ignored) == 0 &&
           stl_reference_parse(request->reference, &reference, &ignored) == 0 &&
           (request->manifest || reference.is_digest);
}

static void take_request(struct through *through, const struct stl_fetch_request *asked, int fd)
{
    const struct stl_upstream *upstream =
        is_valid(asked) ? stl_upstreams_find(&through->options->registry->settings.upstreams, asked->name)
                        : NULL;
    struct stl_fetch_request request;
    stl_fetch_want(&request, asked->name, asked->reference, asked->manifest);
    if (!upstream) {
        refuse(fd, STL_NAME_UNKNOWN, "registry.yaml has no upstream for this repository");
        return;
    }
    pthread_mutex_lock(&through->lock);
    size_t count;
    const struct stl_fetch_answer *past = recall(through, &request);
    struct through_fetch **link = past ? NULL : find_fetch(through, &request, &count);
    if (past) {
        stl_fetch_answer(fd, past);
        close(fd);
    } else if (through->waiters >= FETCHES_MAX || (!*link && count >= FETCHES_MAX))
        refuse(fd, STL_UNAVAILABLE, "too much is being fetched at once: try again in a few seconds");
    else {
        if (!*link) {
            *link = stl_alloc(sizeof **link);
            **link = (struct through_fetch){.request = request, .upstream = upstream};
            (*link)->begun.step = STL_FETCH_DONE;
            pthread_cond_signal(&through->work);
        }
        add_waiter(through, *link, fd);
    }
    pthread_mutex_unlock(&through->lock);
}

/* --- threads -------------------------------------------------------------------------------------------- */

static struct through_fetch *next_fetch(const struct through *through)
{
    struct through_fetch *fetch = through->first;
    while (fetch && fetch->running)
        fetch = fetch->next;
    return fetch;
}

static void *work(void *context)
{
    struct through *through = context;
    pthread_mutex_lock(&through->lock);
    for (;;) {
        struct stl_error err = STL_ERROR_INIT;
        struct through_fetch *fetch = next_fetch(through);
        if (!fetch && through->ending)
            break;
        if (!fetch) {
            pthread_cond_wait(&through->work, &through->lock);
            continue;
        }
        fetch->running = true;
        pthread_mutex_unlock(&through->lock);
        stl_through_fetch(through, fetch, &err);
        pthread_mutex_lock(&through->lock);
        end_fetch(through, fetch, &err);
    }
    pthread_mutex_unlock(&through->lock);
    return NULL;
}

static bool is_ending(struct through *through)
{
    pthread_mutex_lock(&through->lock);
    bool ending = through->ending;
    pthread_mutex_unlock(&through->lock);
    return ending;
}

/* Asks the upstreams, one by one, for their tags again whenever it is time. */
static void *refresh(void *context)
{
    struct through *through = context;
    const struct stl_upstreams *upstreams = &through->options->registry->settings.upstreams;
    STL_AUTO_FREE double *due = stl_alloc(upstreams->count * sizeof *due);
    for (size_t i = 0; i < upstreams->count; i++) {
        int64_t fresh = upstreams->items[i].fresh_for;
        due[i] = stl_monotonic() + (double)(fresh < FIRST_REFRESH ? fresh : FIRST_REFRESH);
    }
    while (!is_ending(through)) {
        nanosleep(&(struct timespec){.tv_nsec = TICK * 1000000}, NULL);
        for (size_t i = 0; i < upstreams->count; i++) {
            const struct stl_upstream *upstream = &upstreams->items[i];
            if (upstream->fresh_for == 0 || stl_monotonic() < due[i])
                continue;
            stl_through_refresh(through, upstream);
            due[i] = stl_monotonic() + (double)upstream->fresh_for;
        }
    }
    return NULL;
}

static void receive(struct through *through)
{
    const struct stl_pull_through *options = through->options;
    struct pollfd ready = {.fd = options->socket, .events = POLLIN};
    while (!*options->ending) {
        struct stl_fetch_request request = {0};
        int fd = -1;
        if (poll(&ready, 1, TICK) > 0 && stl_fetch_receive(options->socket, &request, &fd) > 0)
            take_request(through, &request, fd);
    }
}

int stl_pull_through_serve(const struct stl_pull_through *options, struct stl_error *err)
{
    struct through *through = stl_alloc(sizeof *through);
    pthread_t threads[WORKERS_MAX + 1];
    size_t wanted = options->parallel < WORKERS_MAX ? options->parallel : WORKERS_MAX, count = 0;
    *through = (struct through){.options = options};
    pthread_mutex_init(&through->lock, NULL);
    pthread_cond_init(&through->work, NULL);
    stl_named_blobs_begin(&through->named);
    int failed = pthread_create(&threads[count], NULL, refresh, through);
    for (count += !failed; count <= wanted && !failed; count += !failed)
        failed = pthread_create(&threads[count], NULL, work, through);
    if (!failed)
        receive(through);
    pthread_mutex_lock(&through->lock);
    through->ending = true;
    pthread_cond_broadcast(&through->work);
    pthread_mutex_unlock(&through->lock);
    for (size_t i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    for (size_t i = 0; i < STL_THROUGH_IDLE_MAX; i++)
        stl_remote_close(&through->idle[i].remote);
    stl_named_blobs_end(&through->named);
    free(through);
    return failed ? stl_error_set(err, STL_SYSTEM, "cannot start a thread: %s", strerror(failed)) : 0;
}
