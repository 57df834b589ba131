#include "cgi-client.h"

#include <stdlib.h>
#include <string.h>

#include "../../cgi/auth.h"
#include "../../cgi/route.h"
#include "scratch.h"

/* The next line of the head, or NULL at its end; *rest moves on. */
static char *next_line(char **rest)
{
    char *line = *rest, *newline = strchr(line, '\n');
    if (!newline || newline == line) {
        *rest = newline ? newline + 1 : line + strlen(line);
        return NULL;
    }
    *newline = '\0';
    *rest = newline + 1;
    return line;
}

bool client_parse(struct client *client, char *text, size_t size)
{
    char *rest = text, *first = next_line(&rest), *space = first ? strchr(first, ' ') : NULL;
    size_t count = 0;
    *client = (struct client){0};
    if (!space)
        return false;
    *space = '\0';
    client->method = first;
    client->uri = space + 1;
    while (count < CLIENT_LINES && (client->lines[count] = next_line(&rest)) != NULL)
        count++;
    client->body = rest;
    client->length = size - (size_t)(rest - text);
    return true;
}

static ssize_t give(void *context, void *bytes, size_t size)
{
    struct client *client = context;
    size_t n = client->length < size ? client->length : size;
    memcpy(bytes, client->body, n);
    client->body += n;
    client->length -= n;
    return (ssize_t)n;
}

static int take(void *context, const void *bytes, size_t length)
{
    struct client *client = context;
    return stl_buf_add(&client->answer, bytes, length);
}

static void take_log(void *context, const char *line)
{
    struct client *client = context;
    EXPECT(*line && !strchr(line, '\n'));
    stl_buf_puts(&client->log, line);
}

void client_ask(struct client *client, const struct stl_registry *registry)
{
    char *parameters[CLIENT_LINES + 3];
    size_t count = 0;
    STL_AUTO_FREE char *method = stl_sprintf("REQUEST_METHOD=%s", client->method);
    STL_AUTO_FREE char *uri = stl_sprintf("REQUEST_URI=%s", client->uri);
    for (; client->lines[count]; count++)
        parameters[count] = (char *)client->lines[count];
    parameters[count++] = method;
    parameters[count++] = uri;
    parameters[count] = NULL;
    struct channel channel = {.parameters = parameters,
                              .context = client,
                              .read = give,
                              .write = take,
                              .log = take_log,
                              .framed = client->framed,
                              .insists = client->insists};
    struct exchange exchange = {.registry = registry, .identity = STL_IDENTITY_ANONYMOUS};
    struct stl_error err = STL_ERROR_INIT;
    int failed = request_init(&exchange.request, &channel, &err);
    response_init(&exchange.response, &channel, !strcmp(client->method, "HEAD"));
    if (failed || route_request(&exchange, &err)) {
        EXPECT(err.code && err.message[0]);
        response_error(&exchange.response, &exchange.request, &err);
    }
    request_drain(&exchange.request);
    auth_clear(&exchange);
    response_clear(&exchange.response);
    request_clear(&exchange.request);
}

void client_clear(struct client *client)
{
    stl_buf_clear(&client->answer);
    stl_buf_clear(&client->log);
}

char *client_expand(const char *text, char mark, const char *replacement)
{
    STL_AUTO_BUF struct stl_buf out = STL_BUF_INIT;
    for (; *text; text++) {
        if (*text == mark)
            stl_buf_puts(&out, replacement);
        else
            stl_buf_add(&out, text, 1);
    }
    return stl_strdup(out.data ? out.data : "");
}
