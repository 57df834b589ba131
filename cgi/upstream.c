/* Waits for content that is fetched from another registry (fetcher.h), and sends it while it arrives. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fetcher.h"
#include "route.h"

enum { CHUNK = 256 << 10, LOOK = 50 /* milliseconds between two looks at a growing file */ };

bool upstream_has(const struct exchange *exchange, const struct stl_error *err)
{
    bool missing =
        err->code == STL_NAME_UNKNOWN || err->code == STL_MANIFEST_UNKNOWN || err->code == STL_BLOB_UNKNOWN;
    return missing &&
           stl_upstreams_find(&exchange->registry->settings.upstreams, exchange->request.name.text);
}

/* A blob that is being fetched and sent. */
struct passage {
    struct exchange *exchange;
    int file;           /* -1: it has not begun, or cannot be opened any more */
    int64_t size, sent; /* bytes of the blob; bytes sent so far */
};

/* Sends what has arrived of the first `limit` bytes. Returns -1 if the client is gone. */
static int send_on(struct passage *passage, int64_t limit)
{
    STL_AUTO_FREE char *chunk = stl_alloc(CHUNK);
    while (passage->sent < limit) {
        int64_t left = limit - passage->sent;
        ssize_t n = pread(passage->file, chunk, left < CHUNK ? (size_t)left : CHUNK, passage->sent);
        if (n <= 0)
            return 0;
        if (response_write(&passage->exchange->response, chunk, (size_t)n))
            return -1;
        passage->sent += n;
    }
    return 0;
}

/* The file may be gone already: then the blob is about to be in the repository, and is sent from there. */
static void open_passage(struct passage *passage, const struct stl_fetch_answer *answer)
{
    struct exchange *exchange = passage->exchange;
    const char *name = answer->text;
    if (passage->file >= 0 || strncmp(name, STL_TMP "/", strlen(STL_TMP "/")) || strstr(name, ".."))
        return;
    passage->file = openat(exchange->registry->root.fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (passage->file < 0)
        return;
    passage->size = answer->size;
    response_header(&exchange->response, "Docker-Content-Digest", "%s", exchange->request.reference);
    response_header(&exchange->response, "ETag", "\"%s\"", exchange->request.reference);
    response_begin(&exchange->response, 200, "application/octet-stream", answer->size);
}

/* Nobody gets all of a blob before its digest has been checked: its last byte waits for that. Returns 1 if
 * the answer has been given, 0 if what was asked for is here now, or -1. */
static int follow_passage(struct passage *passage, int answers, struct stl_error *err)
{
    const struct response *response = &passage->exchange->response;
    for (;;) {
        struct stl_fetch_answer answer;
        int came = stl_fetch_wait(answers, passage->file < 0 ? -1 : LOOK, &answer, err);
        if (came < 0)
            return -1;
        if (came && answer.step == STL_FETCH_FAILED)
            return stl_error_set(err, answer.code < STL_CODES ? answer.code : STL_UNAVAILABLE, "%s",
                                 answer.text);
        if (came && answer.step == STL_FETCH_BEGUN)
            open_passage(passage, &answer);
        bool done = came && answer.step == STL_FETCH_DONE;
        if (passage->file < 0) {
            if (done)
                return 0;
            continue;
        }
        if (response->head || send_on(passage, passage->size - !done) || done)
            return 1;
    }
}

int upstream_get(struct exchange *exchange, bool manifest, struct stl_error *err)
{
    struct passage passage = {.exchange = exchange, .file = -1};
    struct stl_fetch_request request;
    stl_error_clear(err);
    stl_fetch_want(&request, exchange->request.name.text, exchange->request.reference, manifest);
    STL_AUTO_CLOSE int answers = stl_fetch_ask(exchange->registry, &request, err);
    int result = answers < 0 ? -1 : follow_passage(&passage, answers, err);
    stl_close_fd(&passage.file);
    return result;
}
