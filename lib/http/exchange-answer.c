/* What an answer says: its headers, and where it sends us. */
#include "exchange.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "client.h"

void stl_http_clear(struct stl_http_exchange *exchange)
{
    stl_buf_clear(&exchange->answer.headers);
    stl_buf_clear(&exchange->answer.body);
    free(exchange->answer.url);
    exchange->answer = (struct stl_http_answer){0};
}

const char *stl_http_next_header(const struct stl_http_answer *answer, const char *name, const char *previous)
{
    if (!answer->headers.length)
        return NULL;
    const char *end = answer->headers.data + answer->headers.length;
    size_t length = strlen(name);
    for (const char *line = previous ? previous + strlen(previous) + 1 : answer->headers.data; line < end;
         line += strlen(line) + 1)
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
