#include "remote.h"

#include <stdarg.h>
#include <string.h>

#include "json.h"
#include "s3.h"

enum { PARALLEL_MAX = 32, TRIES_MAX = 2 };

int stl_remote_open(struct stl_remote *remote, const struct stl_remote_options *options,
                    struct stl_error *err)
{
    struct stl_http_options http = options->http;
    if (http.parallel == 0 || http.parallel > PARALLEL_MAX)
        http.parallel = http.parallel ? PARALLEL_MAX : 6;
    *remote = (struct stl_remote){.host = stl_strdup(options->host),
                                  .url = options->store ? stl_strdup(options->store->base)
                                                        : stl_address_url(options->host, options->plain),
                                  .store = options->store,
                                  .plain = options->plain,
                                  .parallel = http.parallel};
    if (options->credentials)
        stl_credentials_copy(&remote->credentials, options->credentials);
    if (stl_http_open(&remote->http, &http, err) == 0 &&
        stl_http_open(&remote->http_for_tokens, &http, err) == 0)
        return 0;
    stl_remote_close(remote);
    return -1;
}

static void forget_authorization(struct stl_remote *remote)
{
    if (remote->authorization)
        explicit_bzero(remote->authorization, strlen(remote->authorization));
    free(stl_steal(remote->authorization));
}

void stl_remote_close(struct stl_remote *remote)
{
    forget_authorization(remote);
    stl_credentials_clear(&remote->credentials);
    stl_http_close(&remote->http);
    stl_http_close(&remote->http_for_tokens);
    free(remote->host);
    free(remote->url);
    free(remote->scope);
    free(remote->realm);
    free(remote->service);
    *remote = (struct stl_remote){0};
}

void stl_remote_use(struct stl_remote *remote, const char *name, const char *actions, const char *from)
{
    char *scope = stl_sprintf("repository:%s:%s%s%s%s", name, actions, from ? " repository:" : "",
                              from ? from : "", from ? ":pull" : "");
    if (remote->scope && !strcmp(remote->scope, scope)) {
        free(scope);
        return;
    }
    free(remote->scope);
    remote->scope = scope;
    if (remote->authorization && remote->realm) /* a token is for one scope; a password is for all */
        forget_authorization(remote);
}

/* --- requests ------------------------------------------------------------------------------------------- */

struct run {
    struct stl_remote *remote;
    const struct stl_http_work *work;
    struct slot {
        struct stl_http_exchange *exchange; /* NULL: free */
        char *authorization;                /* the one sent with this attempt */
        const char *const *headers;         /* the exchange's own, while it has signed ones instead */
        const char **signed_headers;
        char *token;
        unsigned serial, tries;
        bool waiting; /* it has to be sent again */
    } slots[PARALLEL_MAX];
};

/* Adds the signature and what it needs to the headers. */
static void sign(const struct stl_s3 *store, struct slot *slot)
{
    struct stl_http_request *request = &slot->exchange->request;
    size_t count = 0;
    while (request->headers && request->headers[count])
        count++;
    slot->headers = request->headers;
    slot->signed_headers = stl_alloc((count + 3) * sizeof *slot->signed_headers);
    for (size_t i = 0; i < count; i++)
        slot->signed_headers[i] = request->headers[i];
    slot->signed_headers[count++] = "x-amz-content-sha256: " STL_S3_EMPTY_HASH;
    if (store->token)
        slot->signed_headers[count++] = slot->token = stl_sprintf("x-amz-security-token: %s", store->token);
    request->headers = slot->signed_headers;
    request->aws_region = store->region;
    request->aws_key = store->key;
}

static void drop_authorization(struct slot *slot)
{
    if (slot->signed_headers) {
        slot->exchange->request.headers = slot->headers;
        free(stl_steal(slot->signed_headers));
        free(stl_steal(slot->token));
    }
    if (slot->authorization)
        explicit_bzero(slot->authorization, strlen(slot->authorization));
    free(stl_steal(slot->authorization));
}

static struct slot *find_slot(struct run *run, const struct stl_http_exchange *exchange)
{
    for (size_t i = 0; i < PARALLEL_MAX; i++)
        if (run->slots[i].exchange == exchange)
            return &run->slots[i];
    return NULL;
}

static struct slot *next_slot(struct run *run)
{
    for (size_t i = 0; i < PARALLEL_MAX; i++)
        if (run->slots[i].exchange && run->slots[i].waiting)
            return &run->slots[i];
    struct stl_http_exchange *exchange = run->work->next(run->work->context);
    struct slot *slot = exchange ? find_slot(run, NULL) : NULL;
    if (slot)
        *slot = (struct slot){.exchange = exchange};
    return slot;
}

static struct stl_http_exchange *next_request(void *context)
{
    struct run *run = context;
    struct stl_error ignored = STL_ERROR_INIT; /* then the answer is 401, which is handled */
    struct slot *slot = next_slot(run);
    if (!slot)
        return NULL;
    stl_remote_renew(run->remote, &ignored);
    slot->waiting = false;
    slot->serial = run->remote->serial;
    /* A registry may send an upload to another host. */
    if (run->remote->authorization &&
        stl_http_same_origin(run->remote->http, slot->exchange->request.url, run->remote->url))
        slot->authorization = stl_strdup(run->remote->authorization);
    slot->exchange->request.authorization = slot->authorization;
    slot->exchange->request.nearest = run->remote->nearest;
    if (run->remote->store && run->remote->store->key)
        sign(run->remote->store, slot);
    return slot->exchange;
}

static int request_ended(void *context, struct stl_http_exchange *exchange, struct stl_error *err)
{
    struct run *run = context;
    struct stl_remote *remote = run->remote;
    struct slot *slot = find_slot(run, exchange);
    exchange->request.authorization = NULL;
    drop_authorization(slot);
    remote->requests += exchange->answer.requests;
    if (!remote->nearest && exchange->error.code == STL_OK)
        remote->nearest = exchange->answer.distance;
    if (exchange->error.code == STL_OK && exchange->answer.status == 401 && slot->tries++ < TRIES_MAX) {
        bool newer = slot->serial != remote->serial; /* another exchange has just obtained it */
        int got = newer ? 1 : stl_remote_authorize(remote, &exchange->answer, err);
        if (got) {
            stl_http_clear(exchange);
            slot->waiting = true;
            return got > 0 ? 0 : -1;
        }
    }
    *slot = (struct slot){.exchange = NULL};
    return run->work->ended(run->work->context, exchange, err);
}

static void dropped(void *context, struct stl_http_exchange *exchange)
{
    struct run *run = context;
    struct slot *slot = find_slot(run, exchange);
    drop_authorization(slot);
    *slot = (struct slot){.exchange = NULL};
    if (run->work->dropped)
        run->work->dropped(run->work->context, exchange);
}

int stl_remote_run(struct stl_remote *remote, const struct stl_http_work *work, struct stl_error *err)
{
    struct run run = {.remote = remote, .work = work};
    int result =
        stl_http_run(remote->http, &(struct stl_http_work){next_request, request_ended, dropped, &run}, err);
    for (size_t i = 0; i < PARALLEL_MAX; i++)
        if (run.slots[i].exchange)
            dropped(&run, run.slots[i].exchange);
    return result;
}

int stl_remote_send(struct stl_remote *remote, struct stl_http_exchange *exchange, struct stl_error *err)
{
    struct stl_http_work work = stl_http_single(&exchange);
    return stl_remote_run(remote, &work, err);
}

void stl_remote_drop(void *context, struct stl_http_exchange *exchange)
{
    (void)context;
    free((char *)exchange->request.url);
    stl_http_clear(exchange);
    free(exchange);
}

/* --- texts ---------------------------------------------------------------------------------------------- */

char *stl_remote_url(const struct stl_remote *remote, const char *name, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    STL_AUTO_FREE char *path = stl_vsprintf(format, args);
    va_end(args);
    STL_AUTO_FREE char *encoded = remote->store ? stl_s3_encode(path) : NULL;
    return stl_sprintf("%s/v2/%s/%s", remote->url, name, encoded ? encoded : path);
}

char *stl_remote_manifest_url(const struct stl_remote *remote, const char *name, const char *reference)
{
    return stl_remote_url(remote, name, "manifests/%s", reference);
}
