#include "request.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "freeze.h"
#include "mem.h"
#include "percent.h"

enum {
    URI_MAX = 65536,
    PARAMETERS_MAX = 128,
    DRAIN_MS = 10000,
};

static const char *get(const struct channel *channel, const char *name)
{
    size_t length = strlen(name);
    for (char *const *p = channel->parameters; *p; p++)
        if (!strncmp(*p, name, length) && (*p)[length] == '=')
            return *p + length + 1;
    return NULL;
}

static const char *get_filled(const struct channel *channel, const char *name)
{
    const char *value = get(channel, name);
    return value && *value ? value : NULL;
}

/* Every valid address is printable ASCII. */
static bool is_clean(const char *text)
{
    while (*text > 0x20 && *text < 0x7f)
        text++;
    return *text == '\0';
}

bool request_decode(char *text)
{
    return stl_percent_decode(text, '\0');
}

static bool decode_part(char *text, char plain)
{
    return stl_percent_decode(text, plain) && is_clean(text);
}

static bool decode_parameter(char *text)
{
    if (!is_clean(text) || !stl_percent_decode(text, '\0'))
        return false;
    for (const unsigned char *p = (const unsigned char *)text; *p; p++)
        if (*p < 0x20 || *p == 0x7f)
            return false;
    return true;
}

/* The code that wants a parameter checks its decoded value; others, such as the account name that docker
 * sends, may have any character. '+' stays as it is: media types contain it. */
static int parse_query(struct request *request, struct stl_error *err)
{
    char *save = NULL;
    for (char *part = strtok_r(request->arguments, "&", &save); part; part = strtok_r(NULL, "&", &save)) {
        if (request->query_count == PARAMETERS_MAX)
            return stl_error_set(err, STL_URI_TOO_LONG, "the query has more than %d parameters",
                                 PARAMETERS_MAX);
        char *value = strchr(part, '=');
        if (value)
            *value++ = '\0';
        if (!decode_parameter(part) || (value && !decode_parameter(value)))
            return stl_error_set(err, STL_INVALID, "the query has characters that no parameter has");
        stl_grow(request->query, request->query_count);
        request->query[request->query_count++] = (struct parameter){part, value ? value : ""};
    }
    return 0;
}

static int parse_uri(struct request *request, struct stl_error *err)
{
    const char *raw = get_filled(request->channel, "REQUEST_URI");
    const char *script = get(request->channel, "SCRIPT_NAME"), *info = get(request->channel, "PATH_INFO");
    const char *query = get(request->channel, "QUERY_STRING");
    bool encoded = raw != NULL;
    size_t length = raw ? strcspn(raw, "?#") : 0;
    if (raw ? strlen(raw) > URI_MAX
            : strlen(script ? script : "") + strlen(info ? info : "") + strlen(query ? query : "") > URI_MAX)
        return stl_error_set(err, STL_URI_TOO_LONG, "the address is longer than %d bytes", URI_MAX);
    if (raw) {
        request->uri = stl_strndup(raw, length);
        request->arguments = stl_strdup(raw[length] == '?' ? raw + length + 1 : "");
    } else {
        request->uri = stl_sprintf("%s%s", script ? script : "", info ? info : "");
        request->arguments = stl_strdup(query ? query : "");
    }
    request->path = request->uri;
    if (encoded ? !decode_part(request->path, '/') : !is_clean(request->path))
        return stl_error_set(
            err, STL_NAME_INVALID,
            "the path has characters that no address of the registry has, or an encoded slash");
    return parse_query(request, err);
}

static int parse_length(struct request *request, struct stl_error *err)
{
    const char *text = get_filled(request->channel, "CONTENT_LENGTH");
    request->length = -1;
    if (!text || !strcmp(text, "-1")) /* caddy says so if it does not know the length */
        return 0;
    size_t digits = strspn(text, "0123456789");
    errno = 0;
    long long length = strtoll(text, NULL, 10);
    if (text[digits] || errno)
        return stl_error_set(err, STL_SIZE_INVALID, "Content-Length '%.40s' is not a number of bytes", text);
    request->length = length;
    return 0;
}

static bool is_secure(const struct channel *channel)
{
    const char *https = get_filled(channel, "HTTPS"), *scheme = get_filled(channel, "REQUEST_SCHEME");
    return (https && strcasecmp(https, "off")) || (scheme && !strcmp(scheme, "https"));
}

int request_init(struct request *request, struct channel *channel, struct stl_error *err)
{
    const char *method = get(channel, "REQUEST_METHOD");
    *request = (struct request){
        .channel = channel,
        .registry = get_filled(channel, "STILLAGE_REGISTRY"),
        .method = method ? method : "",
        .content_type = get_filled(channel, "CONTENT_TYPE"),
        .content_range = get_filled(channel, "HTTP_CONTENT_RANGE"),
        .if_match = get_filled(channel, "HTTP_IF_MATCH"),
        .if_none_match = get_filled(channel, "HTTP_IF_NONE_MATCH"),
        .authorization = get_filled(channel, "HTTP_AUTHORIZATION"),
        .remote_user = get_filled(channel, "REMOTE_USER"),
        .remote_address = get_filled(channel, "REMOTE_ADDR"),
        .host = get_filled(channel, "HTTP_HOST"),
        .user_agent = get_filled(channel, "HTTP_USER_AGENT"),
        .secure = is_secure(channel),
    };
    if (parse_uri(request, err))
        return -1;
    return parse_length(request, err);
}

void request_stop(struct request *request)
{
    if (request->channel->timeout)
        timeout_end(request->channel->timeout);
}

void request_clear(struct request *request)
{
    request_stop(request);
    free(request->query);
    free(request->uri);
    free(request->arguments);
}

const char *request_query_next(const struct request *request, const char *key, size_t *position)
{
    while (*position < request->query_count) {
        const struct parameter *parameter = &request->query[(*position)++];
        if (!strcmp(parameter->key, key))
            return parameter->value;
    }
    return NULL;
}

const char *request_query(const struct request *request, const char *key)
{
    size_t position = 0;
    return request_query_next(request, key, &position);
}

/* --- the body ------------------------------------------------------------------------------------------- */

/* The timeout begins with the body, and ends with it. Returns whether bytes came. */
static bool watch_body(struct request *request, ssize_t n)
{
    struct timeout *timeout = request->channel->timeout;
    if (!timeout)
        return n > 0;
    request->verdict = timeout_verdict(timeout);
    if (n > 0)
        timeout_earn(timeout, (size_t)n);
    if (n <= 0 || request->verdict || request->received + n == request->length)
        timeout_end(timeout);
    return n > 0 && !request->verdict;
}

size_t request_read(struct request *request, void *bytes, size_t size)
{
    const struct channel *channel = request->channel;
    if (request->length >= 0 && (uint64_t)(request->length - request->received) < size)
        size = (size_t)(request->length - request->received);
    if (request->ended || size == 0)
        return 0;
    if (request->received == 0 && channel->timeout)
        timeout_begin(channel->timeout, request->rate, request->registry_written, request->upload);
    ssize_t n = channel->read(channel->context, bytes, size);
    if (!watch_body(request, n)) {
        request->ended = true;
        request->cut = n < 0 || request->length >= 0 || request->verdict;
    }
    request->received += n > 0 ? n : 0;
    return n > 0 ? (size_t)n : 0;
}

void request_drain(struct request *request)
{
    char chunk[16384];
    const struct channel *channel = request->channel;
    bool has_body =
        request->length >= 0 || (strcmp(request->method, "GET") && strcmp(request->method, "HEAD"));
    if (!channel->insists || !has_body || request->ended)
        return;
    if (channel->timeout)
        timeout_allow(channel->timeout, DRAIN_MS);
    while (request->received != request->length) {
        int64_t left = request->length < 0 ? INT64_MAX : request->length - request->received;
        size_t size = left < (int64_t)sizeof chunk ? (size_t)left : sizeof chunk;
        ssize_t n = channel->read(channel->context, chunk, size);
        if (n <= 0)
            break;
        request->received += n;
    }
}

bool request_is_whole(const struct request *request)
{
    if (request->length >= 0)
        return request->received == request->length;
    return request->ended && !request->cut && request->channel->framed;
}

int request_cut_error(const struct request *request, struct stl_error *err)
{
    if (request->verdict == VERDICT_FROZEN && stl_check_frozen(request->registry_written, err))
        return -1;
    if (request->verdict == VERDICT_FROZEN || request->verdict == VERDICT_ENDING)
        return stl_error_set(err, STL_UNAVAILABLE,
                             "the registry accepts no more bytes at the moment: resume the upload later");
    if (request->verdict == VERDICT_WANTED)
        return stl_error_set(err, STL_CONFLICT,
                             "another request has taken over this upload, since this one sent no more");
    if (request->verdict == VERDICT_SLOW)
        return stl_error_set(
            err, STL_TOO_SLOW,
            "the body arrived too slowly: at least %lld bytes a second are required on average",
            (long long)request->rate);
    if (request->length < 0)
        return stl_error_set(err, STL_SIZE_INVALID, "the body broke off after %lld bytes",
                             (long long)request->received);
    return stl_error_set(err, STL_SIZE_INVALID,
                         "the body ended after %lld of the %lld bytes of Content-Length",
                         (long long)request->received, (long long)request->length);
}
