#include "response.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"

enum { RETRY_AFTER = 10 }; /* seconds */

static const char *reason(int status)
{
    static const struct {
        int status;
        const char *text;
    } reasons[] = {
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {304, "Not Modified"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {412, "Precondition Failed"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {416, "Range Not Satisfiable"},
        {429, "Too Many Requests"},
        {500, "Internal Server Error"},
        {503, "Service Unavailable"},
        {507, "Insufficient Storage"},
    };
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
        if (reasons[i].status == status)
            return reasons[i].text;
    return "Unknown";
}

void response_init(struct response *response, struct channel *channel, bool head)
{
    *response = (struct response){.channel = channel, .head = head};
    response_header(response, "Docker-Distribution-Api-Version", "registry/2.0");
    response_header(response, "X-Content-Type-Options", "nosniff");
    response_header(response, "Content-Security-Policy",
                    "default-src 'none'; frame-ancestors 'none'; sandbox");
}

void response_clear(struct response *response)
{
    stl_buf_clear(&response->headers);
}

void response_header(struct response *response, const char *name, const char *format, ...)
{
    if (response->started)
        abort();
    va_list args;
    va_start(args, format);
    STL_AUTO_FREE char *value = stl_vsprintf(format, args);
    va_end(args);
    for (char *p = value; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = ' ';
    if (stl_buf_printf(&response->headers, "%s: %s\r\n", name, value))
        abort();
}

/* Writes the headers and, in the same go, a body that is at hand. */
static void start_response(struct response *response, int status, const char *body, size_t length)
{
    if (response->started)
        abort();
    STL_AUTO_BUF struct stl_buf all = STL_BUF_INIT;
    if (stl_buf_printf(&all, "Status: %d %s\r\n", status, reason(status)) ||
        stl_buf_add(&all, response->headers.data, response->headers.length) || stl_buf_puts(&all, "\r\n") ||
        (body && !response->head && stl_buf_add(&all, body, length)))
        abort();
    response->started = true;
    response->channel->write(response->channel->context, all.data, all.length);
}

static void describe_body(struct response *response, int status, const char *type, int64_t length)
{
    if (type)
        response_header(response, "Content-Type", "%s", type);
    if (status != 204 && status != 304)
        response_header(response, "Content-Length", "%lld", (long long)length);
}

void response_send(struct response *response, int status, const char *type, const char *body, size_t length)
{
    describe_body(response, status, type, (int64_t)length);
    start_response(response, status, body, length);
}

void response_send_json(struct response *response, int status, struct json_object *document)
{
    STL_AUTO_FREE char *text = stl_sprintf("%s\n", stl_json_text(document));
    response_header(response, "Cache-Control", "no-store");
    response_send(response, status, "application/json", text, strlen(text));
}

void response_begin(struct response *response, int status, const char *type, int64_t length)
{
    describe_body(response, status, type, length);
    start_response(response, status, NULL, 0);
}

int response_write(struct response *response, const void *bytes, size_t length)
{
    if (!response->started)
        abort();
    return response->head ? 0 : response->channel->write(response->channel->context, bytes, length);
}

/* Faults of the installation go to the server's log. The client is told the system's error, but no path. */
static void add_message(struct stl_buf *body, const struct stl_error *err)
{
    const char *text = stl_code_for_clients(err->code),
               *reason = err->sys_errno ? strerror(err->sys_errno) : "";
    if (!text) {
        stl_json_add_quoted(body, err->message);
        return;
    }
    STL_AUTO_FREE char *told = stl_sprintf("%s%s%s%s: its administrator finds more in the web server's log",
                                           text, *reason ? " (" : "", reason, *reason ? ")" : "");
    stl_json_add_quoted(body, told);
}

void response_error(struct response *response, const struct request *request, const struct stl_error *err)
{
    STL_AUTO_BUF struct stl_buf body = STL_BUF_INIT;
    int status = stl_code_http_status(err->code);
    if (status >= 500)
        response->channel->log(response->channel->context, err->message);
    if (response->started)
        return; /* part of the body has been sent: the client sees that it is shorter than Content-Length says
                   */
    stl_buf_printf(&body, "{\"errors\":[{\"code\":\"%s\",\"message\":", stl_code_oci(err->code));
    add_message(&body, err);
    stl_buf_puts(&body, ",\"detail\":{\"name\":");
    stl_json_add_quoted(&body, request->name.text);
    if (request->reference) {
        stl_buf_puts(&body, ",\"reference\":");
        stl_json_add_quoted(&body, request->reference);
    }
    stl_buf_puts(&body, "}}]}\n");
    response_header(response, "Cache-Control", "no-store");
    if (err->code == STL_UNAVAILABLE)
        response_header(response, "Retry-After", "%d", RETRY_AFTER);
    response_send(response, status, "application/json", body.data, body.length);
}
