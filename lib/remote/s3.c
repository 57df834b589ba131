#include "s3.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "digest.h"
#include "percent.h"

enum { ANSWER_MAX = 16 << 20 };

char *stl_s3_hash(const void *bytes, size_t length, char hex[STL_DIGEST_TEXT_MAX])
{
    struct stl_digest digest;
    stl_digest_of(STL_SHA256, bytes, length, &digest);
    stl_digest_format(&digest, hex);
    memmove(hex, strchr(hex, ':') + 1, 65);
    return hex;
}

static char *encode(const char *text, const char *plain)
{
    STL_AUTO_BUF struct stl_buf out = STL_BUF_INIT;
    stl_percent_encode(&out, text, plain);
    return stl_strdup(out.data ? out.data : "");
}

char *stl_s3_encode(const char *text)
{
    return encode(text, "/");
}

char *stl_s3_encode_value(const char *text)
{
    return encode(text, "");
}

char *stl_s3_bare(char *etag)
{
    size_t length = etag ? strlen(etag) : 0;
    if (length < 2 || etag[0] != '"' || etag[length - 1] != '"')
        return etag;
    memmove(etag, etag + 1, length - 2);
    etag[length - 2] = '\0';
    return etag;
}

/* --- requests ------------------------------------------------------------------------------------------- */

void stl_s3_header(struct stl_s3_request *request, const char *format, ...)
{
    va_list args;
    if (request->header_count == STL_S3_HEADERS)
        abort();
    va_start(args, format);
    char *text = stl_vsprintf(format, args);
    va_end(args);
    request->texts[request->header_count] = text;
    request->headers[request->header_count++] = text;
    request->exchange.request.headers = request->headers;
}

void stl_s3_begin(const struct stl_s3 *s3, struct stl_s3_request *request, const char *method,
                  const char *key, const char *query, const char *hash)
{
    *request = (struct stl_s3_request){0};
    STL_AUTO_FREE char *path = key ? stl_s3_encode(key) : NULL;
    request->url = stl_sprintf("%s%s%s%s%s", key ? s3->base : s3->bucket, path ? "/" : "", path ? path : "",
                               query ? "?" : "", query ? query : "");
    struct stl_http_request *http = &request->exchange.request;
    http->method = method;
    http->url = request->url;
    http->aws_region = s3->key ? s3->region : NULL;
    http->aws_key = s3->key;
    http->most = ANSWER_MAX;
    request->exchange.owner = request;
    stl_s3_header(request, "x-amz-content-sha256: %s", hash ? hash : STL_S3_EMPTY_HASH);
    if (s3->token)
        stl_s3_header(request, "x-amz-security-token: %s", s3->token);
}

void stl_s3_clear(struct stl_s3_request *request)
{
    stl_http_clear(&request->exchange);
    for (size_t i = 0; i < request->header_count; i++)
        free(request->texts[i]);
    free(request->url);
    *request = (struct stl_s3_request){0};
}

int stl_s3_send(struct stl_s3 *s3, struct stl_s3_request *request, struct stl_error *err)
{
    int sent = stl_http_send(s3->http, &request->exchange, err);
    s3->requests += request->exchange.answer.requests;
    return sent;
}

/* What to do about an error. */
static const char *advice(const char *code)
{
    if (!strcmp(code, "RequestTimeTooSkewed"))
        return ": is the clock of this machine right?";
    bool region = !strcmp(code, "AuthorizationHeaderMalformed") || !strcmp(code, "PermanentRedirect") ||
                  !strcmp(code, "IllegalLocationConstraintException");
    return region ? ": give the region of the bucket with --region" : "";
}

int stl_s3_check(const struct stl_s3_request *request, struct stl_error *err)
{
    const struct stl_http_answer *answer = &request->exchange.answer;
    const char *method = request->exchange.request.method;
    const char *body = answer->body.data ? answer->body.data : "";
    STL_AUTO_FREE char *code = stl_s3_element(body, NULL, "Code");
    if (answer->status >= 200 && answer->status < 300 && !strstr(body, "<Error>"))
        return 0;
    STL_AUTO_FREE char *message = stl_s3_element(body, NULL, "Message");
    bool refused = answer->status == 401 || answer->status == 403;
    return stl_error_set(err, refused ? STL_DENIED : STL_UNAVAILABLE, "%s %s: %s%s%s (status %d)%s", method,
                         request->url, code ? code : "the store refuses it", message && *message ? ": " : "",
                         message ? message : "", answer->status, advice(code ? code : ""));
}

/* --- XML ------------------------------------------------------------------------------------------------ */

static void unescape(char *text)
{
    static const struct {
        const char *name, character;
    } entities[] = {{"&quot;", '"'}, {"&#34;", '"'}, {"&apos;", '\''}, {"&#39;", '\''},
                    {"&lt;", '<'},   {"&gt;", '>'},  {"&amp;", '&'}};
    char *out = text;
    while (*text) {
        size_t i = 0, count = sizeof entities / sizeof *entities;
        while (i < count && strncmp(text, entities[i].name, strlen(entities[i].name)))
            i++;
        *out++ = i < count ? entities[i].character : *text;
        text += i < count ? strlen(entities[i].name) : 1;
    }
    *out = '\0';
}

char *stl_s3_element(const char *xml, const char *end, const char *name)
{
    STL_AUTO_FREE char *open = stl_sprintf("<%s>", name), *close = stl_sprintf("</%s>", name);
    const char *begin = strstr(xml, open);
    const char *last = begin ? strstr(begin, close) : NULL;
    if (!last || (end && last > end))
        return NULL;
    begin += strlen(open);
    char *text = stl_strndup(begin, (size_t)(last - begin));
    unescape(text);
    return text;
}
