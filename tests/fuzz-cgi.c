/*
 * A request to stillage.cgi: "METHOD URI", then lines NAME=value as a web server would set them, an empty line, and the
 * body. In the URI '~' stands for an upload session that exists, and '^' for the digest of the body.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../cgi/auth.h"
#include "../cgi/route.h"
#include "fuzz.h"
#include "json.h"
#include "scratch.h"

enum { PARAMETERS_MAX = 16, RUNS = 3000 };

struct client {
    const char *body;
    size_t length, given;
    struct stl_buf answer;
};

static ssize_t give(void *context, void *bytes, size_t size)
{
    struct client *client = context;
    size_t n = client->length - client->given;
    n = n < size ? n : size;
    memcpy(bytes, client->body + client->given, n);
    client->given += n;
    return (ssize_t)n;
}

static int take(void *context, const void *bytes, size_t length)
{
    struct client *client = context;
    return stl_buf_add(&client->answer, bytes, length);
}

static void take_log(void *context, const char *line)
{
    (void)context;
    EXPECT(*line && !strchr(line, '\n'));
}

/* A CGI answer (RFC 3875, section 6): a status, whole header lines, and JSON for errors. */
static void check_answer(const struct stl_buf *answer, bool head)
{
    struct stl_error err = STL_ERROR_INIT;
    EXPECT(answer->data && !strncmp(answer->data, "Status: ", 8));
    int status = (int)strtol(answer->data + 8, NULL, 10);
    EXPECT(status >= 200 && status < 600 && status != 500);
    const char *end = strstr(answer->data, "\r\n\r\n");
    EXPECT(end);
    for (const char *p = answer->data; p < end + 2; p++)
        EXPECT((unsigned char)*p >= 0x20 || *p == '\t' || (p[0] == '\r' && p[1] == '\n') || (p[0] == '\n' && p[-1] == '\r'));
    size_t length = answer->length - (size_t)(end + 4 - answer->data);
    EXPECT(!head || length == 0);
    if (status >= 400 && !head) {
        STL_AUTO_JSON struct json_object *body = stl_json_parse(end + 4, length, &err);
        EXPECT(body && json_object_object_get_ex(body, "errors", NULL));
    }
}

static void answer(struct channel *channel, bool head)
{
    struct client *client = channel->context;
    struct exchange exchange = {.registry = scratch_registry(), .identity = STL_IDENTITY_ANONYMOUS};
    struct stl_error err = STL_ERROR_INIT;
    int failed = request_init(&exchange.request, channel, &err);
    response_init(&exchange.response, channel, head);
    if (failed || route_request(&exchange, &err)) {
        EXPECT(err.code && err.message[0]);
        response_error(&exchange.response, &exchange.request, &err);
    }
    request_drain(&exchange.request);
    auth_clear(&exchange);
    response_clear(&exchange.response);
    request_clear(&exchange.request);
    check_answer(&client->answer, head);
}

/* A session of the repository "app", as a client gets it. */
static char *begin_session(void)
{
    char *parameters[] = {"REQUEST_METHOD=POST", "REQUEST_URI=/v2/app/blobs/uploads/", "CONTENT_LENGTH=0", NULL};
    static const char header[] = "\r\nDocker-Upload-UUID: ";
    struct client client = {.body = ""};
    struct channel channel = {.parameters = parameters, .context = &client, .read = give, .write = take, .log = take_log};
    answer(&channel, false);
    const char *id = strstr(client.answer.data, header);
    EXPECT(id);
    id += strlen(header);
    char *copy = stl_strndup(id, strcspn(id, "\r"));
    stl_buf_clear(&client.answer);
    return copy;
}

static char *expand(const char *uri, const struct client *client)
{
    STL_AUTO_BUF struct stl_buf out = STL_BUF_INIT;
    STL_AUTO_FREE char *id = strchr(uri, '~') ? begin_session() : NULL;
    struct stl_digest digest;
    char text[STL_DIGEST_TEXT_MAX];
    stl_digest_of(STL_SHA256, client->body, client->length, &digest);
    for (; *uri; uri++)
        stl_buf_printf(&out, "%s%.1s", *uri == '~' ? id : *uri == '^' ? stl_digest_format(&digest, text) : "",
                       *uri == '~' || *uri == '^' ? "" : uri);
    return stl_strdup(out.data ? out.data : "");
}

/* The next line of the head, or NULL at its end; *rest moves on. */
static char *next_line(char **rest)
{
    char *line = *rest, *newline = line ? strchr(line, '\n') : NULL;
    if (!newline || newline == line) {
        *rest = newline ? newline + 1 : line + strlen(line);
        return NULL;
    }
    *newline = '\0';
    *rest = newline + 1;
    return line;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static size_t runs;
    if (runs++ % RUNS == 0)
        scratch_reset();
    STL_AUTO_FREE char *text = stl_strndup((const char *)data, size);
    char *rest = text, *first = next_line(&rest), *parameters[PARAMETERS_MAX + 3] = {NULL};
    size_t count = 0;
    char *uri = first ? strchr(first, ' ') : NULL;
    if (!uri)
        return 0;
    *uri++ = '\0';
    for (char *line; (line = next_line(&rest)) != NULL && count < PARAMETERS_MAX;)
        parameters[count++] = line;
    struct client client = {.body = rest, .length = size - (size_t)(rest - text)};
    STL_AUTO_FREE char *expanded = expand(uri, &client);
    STL_AUTO_FREE char *method = stl_sprintf("REQUEST_METHOD=%s", first),
                       *target = stl_sprintf("REQUEST_URI=%s", expanded);
    parameters[count++] = method;
    parameters[count] = target;
    struct channel channel = {.parameters = parameters, .context = &client, .read = give, .write = take, .log = take_log,
                              .framed = size % 2, .insists = size % 3 == 0};
    answer(&channel, !strcmp(first, "HEAD"));
    stl_buf_clear(&client.answer);
    return 0;
}
