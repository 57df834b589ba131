/* Pushing and deleting while servers die: see tests/load/soak.c. */
#include "soak.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SHARED_LAYERS = 24, PATIENCE = 180, PAUSE_NS = 40000000 };

#define LAYER_TYPE "application/vnd.oci.image.layer.v1.tar"

void soak_problem(struct worker *worker, const char *format, ...)
{
    char text[1000];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    time_t now = time(NULL);
    struct tm t;
    localtime_r(&now, &t);
    fprintf(stderr, "%02d:%02d:%02d worker %d: %s\n", t.tm_hour, t.tm_min, t.tm_sec, worker->number, text);
    worker->soak->problems++;
}

unsigned soak_random(struct worker *worker, unsigned below)
{
    worker->random = worker->random * 6364136223846793005 + 1442695040888963407;
    return (unsigned)(worker->random >> 33) % below;
}

bool soak_again(struct worker *worker, struct patience *patience, const char *what)
{
    if (!patience->tries++) {
        patience->until = http_now() + PATIENCE;
        return true;
    }
    worker->soak->repeated++;
    if (http_now() > patience->until) {
        soak_problem(worker, "gave up: %s", what);
        return false;
    }
    nanosleep(&(struct timespec){.tv_nsec = PAUSE_NS}, NULL);
    return true;
}

/* What stillage.cgi says itself; the servers' own pages look otherwise. */
static bool is_ours(const struct http_answer *answer)
{
    return answer->text && strstr(answer->text, "\"detail\":{\"name\"");
}

long soak_ask(struct worker *worker, const struct http_request *request, struct http_answer *answer)
{
    char url[HTTP_URL];
    struct http_request complete = *request;
    http_follow(worker->soak->urls[soak_random(worker, worker->soak->url_count)], request->url, "", url);
    complete.url = url;
    complete.time_limit = 60;
    /* On a connection that turns out to be dead libcurl would repeat a change by itself, and without its
     * body. */
    complete.fresh = strcmp(request->method, "GET") && strcmp(request->method, "HEAD");
    http_send(worker->curl, &complete, answer);
    if (answer->status < 500)
        return answer->status;
    if (is_ours(answer) && answer->status == 503)
        worker->soak->busy++;
    else if (is_ours(answer))
        soak_problem(worker, "%s %s: %ld %s", request->method, url, answer->status, answer->text);
    return 0;
}

static void unexpected(struct worker *worker, const struct http_request *request,
                       const struct http_answer *answer)
{
    soak_problem(worker, "%s %s: %ld %.300s", request->method, request->url, answer->status,
                 answer->text ? answer->text : "");
}

/* --- images --------------------------------------------------------------------------------------------- */

static void load_blob(struct worker *worker, const struct blob *blob)
{
    http_fill(worker->layer, blob->length, blob->seed);
}

static void make_blob(struct worker *worker, struct blob *blob, uint64_t seed, size_t length, bool shared)
{
    *blob = (struct blob){.length = length, .seed = seed, .shared = shared};
    load_blob(worker, blob);
    http_digest(worker->layer, length, blob->digest);
}

static size_t layer_length(struct worker *worker)
{
    return soak_random(worker, 40) ? 500 + soak_random(worker, 60000)
                                   : 1000000 + soak_random(worker, 2000000);
}

static int describe(char *text, size_t size, const char *type, const char *digest, size_t length)
{
    return snprintf(text, size, "{\"mediaType\":\"%s\",\"digest\":\"%s\",\"size\":%zu}", type, digest,
                    length);
}

void soak_make_image(struct worker *worker, struct image *image, const struct image *subject)
{
    uint64_t own = (uint64_t)(worker->number + 1) << 32 | ++worker->made << 2;
    *image = (struct image){.type = HTTP_IMAGE, .blob_count = 2 + soak_random(worker, SOAK_LAYERS - 1)};
    make_blob(worker, &image->blobs[0], own, 300 + soak_random(worker, 2000), false);
    make_blob(worker, &image->blobs[1], own + 1, layer_length(worker), false);
    unsigned first = soak_random(worker, SHARED_LAYERS);
    for (unsigned i = 2; i < image->blob_count; i++) {
        unsigned number = (first + i) % SHARED_LAYERS;
        make_blob(worker, &image->blobs[i], 1 + number, 1000 + number * 10000, true);
    }
    char *p = image->manifest, *end = p + sizeof image->manifest;
    p += snprintf(p, (size_t)(end - p), "{\"schemaVersion\":2,\"mediaType\":\"%s\",\"config\":", HTTP_IMAGE);
    for (unsigned i = 0; i < image->blob_count; i++) {
        p += describe(p, (size_t)(end - p), i ? LAYER_TYPE : "application/x.soak", image->blobs[i].digest,
                      image->blobs[i].length);
        p += snprintf(p, (size_t)(end - p), "%s",
                      i == 0                      ? ",\"layers\":["
                      : i + 1 < image->blob_count ? ","
                                                  : "]");
    }
    if (subject) {
        p += snprintf(p, (size_t)(end - p), ",\"subject\":");
        p += describe(p, (size_t)(end - p), subject->type, subject->digest, subject->length);
    }
    p += snprintf(p, (size_t)(end - p), "}");
    image->length = (size_t)(p - image->manifest);
    http_digest(image->manifest, image->length, image->digest);
}

/* --- blobs ---------------------------------------------------------------------------------------------- */

enum route { POST_PUT, STREAM, CHUNKS, ONE_POST, ROUTES };

struct session {
    struct worker *worker;
    const char *repository;
    const struct blob *blob;
    enum route route;
    char path[HTTP_URL]; /* "": there is none */
    size_t offset;
    bool ranged;  /* every request said where its bytes belong */
    bool closing; /* a request that ends it may have arrived */
    bool trouble; /* the last request did not do what it should */
};

static bool has_blob(struct worker *worker, const char *repository, const char *digest)
{
    char path[HTTP_URL];
    struct http_answer answer;
    long status = 0;
    snprintf(path, sizeof path, "/v2/%s/blobs/%s", repository, digest);
    const struct http_request request = {.method = "HEAD", .url = path};
    for (struct patience patience = {0}; !status && soak_again(worker, &patience, path);
         http_clear(&answer)) {
        status = soak_ask(worker, &request, &answer);
        if (status && status != 200 && status != 404)
            unexpected(worker, &request, &answer);
    }
    return status == 200;
}

static void keep_location(struct session *session, const struct http_answer *answer)
{
    const char *path = strstr(answer->location, "/v2/");
    snprintf(session->path, sizeof session->path, "%s", path ? path : "");
    session->offset = 0;
    session->closing = false;
    session->ranged = true;
}

/* Returns whether the blob is there: it was mounted, or came with the request itself. */
static bool begin_session(struct session *session, const char *from)
{
    struct worker *worker = session->worker;
    char path[HTTP_URL];
    struct http_answer answer;
    struct http_body body = {.bytes = worker->layer, .length = session->blob->length};
    int used = snprintf(path, sizeof path, "/v2/%s/blobs/uploads/", session->repository);
    struct http_request request = {.method = "POST", .url = path, .type = HTTP_BYTES};
    if (from)
        snprintf(path + used, sizeof path - (size_t)used, "?mount=%s&from=%s", session->blob->digest, from);
    else if (session->route == ONE_POST) {
        snprintf(path + used, sizeof path - (size_t)used, "?digest=%s", session->blob->digest);
        request.body = &body;
    }
    long status = soak_ask(worker, &request, &answer);
    if (status == 201 && from)
        worker->soak->mounts++;
    else if (status == 202)
        keep_location(session, &answer);
    else if (status && status != 201)
        unexpected(worker, &request, &answer);
    http_clear(&answer);
    return status == 201;
}

/* "0-0" is said of nothing and of a single byte; here it is nothing. */
static size_t offset_of(const struct http_answer *answer)
{
    const char *dash = strchr(answer->range, '-');
    size_t last = dash ? strtoul(dash + 1, NULL, 10) : 0;
    return last ? last + 1 : 0;
}

/* How far did it come? A session that is gone has become the blob; if the one who closed it was killed, maybe
 * only in the store, and all is to be sent again. Bytes of which nobody said where they belong may still
 * arrive: then it is better to begin anew. */
static bool ask_session(struct session *session)
{
    struct worker *worker = session->worker;
    struct http_answer answer;
    const struct http_request request = {.method = "GET", .url = session->path};
    session->trouble = true;
    if (!session->ranged) {
        session->path[0] = '\0';
        return session->closing && has_blob(worker, session->repository, session->blob->digest);
    }
    long status = soak_ask(worker, &request, &answer);
    bool there = false;
    if (status == 204) {
        session->offset = offset_of(&answer);
        worker->soak->resumed++;
        if (session->offset > session->blob->length) {
            soak_problem(worker, "%s holds %zu bytes of %zu", session->path, session->offset,
                         session->blob->length);
            session->path[0] = '\0';
        }
    } else if (status == 404) {
        there = has_blob(worker, session->repository, session->blob->digest);
        if (!there && !session->closing)
            soak_problem(worker, "the session %s is gone", session->path);
        session->path[0] = '\0';
    } else if (status)
        unexpected(worker, &request, &answer);
    http_clear(&answer);
    return there;
}

/* Sends what the route sends next, from where the server is. */
static bool continue_session(struct session *session)
{
    struct worker *worker = session->worker;
    size_t left = session->blob->length - session->offset, n = left;
    char path[HTTP_URL], query[200], range[80];
    struct http_answer answer;
    if (session->route == CHUNKS && left > 2000)
        n = left / 2;
    bool last = session->route == STREAM ? left == 0 : n == left;
    struct http_body body = {
        .bytes = worker->layer + session->offset, .length = n, .chunked = session->route == STREAM && n};
    struct http_request request = {
        .method = last ? "PUT" : "PATCH", .url = path, .type = HTTP_BYTES, .body = &body};
    snprintf(query, sizeof query, "digest=%s", session->blob->digest);
    http_follow("", session->path, last ? query : "", path);
    if (session->route != CHUNKS && n)
        session->ranged = false;
    else if (n) {
        snprintf(range, sizeof range, "Content-Range: %zu-%zu", session->offset, session->offset + n - 1);
        request.header = range;
    }
    session->closing = session->closing || last;
    long status = soak_ask(worker, &request, &answer);
    bool there = status == 201 && last;
    if (status == 202 && !last) {
        session->offset += n;
        if (offset_of(&answer) != session->offset)
            soak_problem(worker, "PATCH %s: %zu bytes should be there, not %s", path, session->offset,
                         answer.range);
    } else if (!there && status && status != 409 && status != 416 && status != 404)
        unexpected(worker, &request, &answer);
    http_clear(&answer);
    return there || (status != 202 && ask_session(session));
}

static bool push_blob(struct worker *worker, const char *repository, const struct blob *blob,
                      const char *from)
{
    struct session session = {.worker = worker,
                              .repository = repository,
                              .blob = blob,
                              .route = (enum route)soak_random(worker, ROUTES)};
    bool there = blob->shared && has_blob(worker, repository, blob->digest);
    if (there)
        return true;
    load_blob(worker, blob);
    session.trouble = true;
    for (struct patience patience = {0}; !there;) {
        if (session.trouble && !soak_again(worker, &patience, blob->digest))
            return false;
        session.trouble = false;
        if (session.path[0])
            there = continue_session(&session);
        else {
            there = begin_session(&session, blob->shared && patience.tries == 1 ? from : NULL);
            session.trouble = !session.path[0];
        }
    }
    return true;
}

bool soak_push_blobs(struct worker *worker, const char *repository, struct image *image, const char *from)
{
    image->since = http_now();
    for (unsigned i = 0; i < image->blob_count; i++)
        if (!push_blob(worker, repository, &image->blobs[i], from))
            return false;
    return true;
}

/* --- manifests ------------------------------------------------------------------------------------------ */

long soak_put_manifest(struct worker *worker, const char *repository, const char *reference,
                       struct image *image)
{
    char path[HTTP_URL];
    struct http_answer answer;
    struct http_body body = {.bytes = image->manifest, .length = image->length};
    snprintf(path, sizeof path, "/v2/%s/manifests/%s", repository, reference);
    const struct http_request request = {.method = "PUT", .url = path, .type = image->type, .body = &body};
    long status = soak_ask(worker, &request, &answer);
    bool unknown = status == 404 && answer.text && strstr(answer.text, "MANIFEST_BLOB_UNKNOWN");
    if (unknown && http_now() - image->since > worker->soak->grace)
        worker->soak->late++;
    else if ((status && status != 201) || (status == 201 && strcmp(answer.digest, image->digest) != 0)) {
        unexpected(worker, &request, &answer);
        if (!unknown)
            status = 0;
    }
    http_clear(&answer);
    return status;
}

bool soak_delete(struct worker *worker, const char *repository, const char *what, bool *sure)
{
    char path[HTTP_URL];
    struct http_answer answer;
    snprintf(path, sizeof path, "/v2/%s/%s", repository, what);
    const struct http_request request = {.method = "DELETE", .url = path};
    for (struct patience patience = {0}; soak_again(worker, &patience, path);) {
        long status = soak_ask(worker, &request, &answer);
        bool done = status == 202 || (status == 404 && !*sure);
        if (status && !done)
            unexpected(worker, &request, &answer);
        http_clear(&answer);
        if (status)
            return done;
        *sure = false;
    }
    return false;
}
