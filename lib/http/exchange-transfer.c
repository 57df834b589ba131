/* One attempt: a request as libcurl takes it, and what it brings. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "client.h"
#include "exchange.h"

static int64_t most(const struct stl_http_transfer *transfer)
{
    int64_t most = transfer->exchange->request.most;
    return most ? most : 1 << 20;
}

/* --- what comes ----------------------------------------------------------------------------------------- */

static size_t take_header(char *bytes, size_t size, size_t count, void *context)
{
    struct stl_http_transfer *transfer = context;
    struct stl_buf *headers = &transfer->exchange->answer.headers;
    size_t length = size * count, text = length;
    if (length > 5 && memcmp(bytes, "HTTP/", 5) == 0) {
        stl_buf_clear(headers);             /* those of a provisional answer (1xx) came before */
        stl_error_clear(&transfer->broken); /* another address of the server was refused */
    }
    headers->ceiling = STL_EXCHANGE_HEADERS_MAX;
    while (text > 0 && (bytes[text - 1] == '\n' || bytes[text - 1] == '\r' || bytes[text - 1] == ' '))
        text--;
    if (text > 0 && !memchr(bytes, '\0', text) &&
        (stl_buf_add(headers, bytes, text) || stl_buf_add(headers, "", 1))) {
        stl_error_set(&transfer->broken, STL_INVALID, "the headers of the answer are too long");
        return 0;
    }
    return length;
}

/* Where the first byte of an answer 206 belongs; -1 if it does not say. */
static int64_t range_start(const struct stl_http_answer *answer)
{
    const char *value = stl_http_header(answer, "Content-Range");
    char *end;
    if (!value || strncasecmp(value, "bytes ", 6))
        return -1;
    long long start = strtoll(value + 6, &end, 10);
    return end == value + 6 || *end != '-' || start < 0 ? -1 : start;
}

static bool goes_to_writer(const struct stl_http_transfer *transfer)
{
    int status = transfer->exchange->answer.status;
    return transfer->exchange->request.write && (status == 200 || status == 206);
}

/* Called before the first byte of a body is taken: where does it belong, and is the body small enough? */
static int check_head(struct stl_http_transfer *transfer)
{
    struct stl_http_answer *answer = &transfer->exchange->answer;
    curl_off_t length = -1;
    long status = 0;
    transfer->http->curl.easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
    transfer->http->curl.easy_getinfo(transfer->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    transfer->judged = true;
    answer->status = (int)status;
    transfer->skip = status == 200 ? transfer->written : 0;
    if (goes_to_writer(transfer) && status == 206 && range_start(answer) != transfer->written)
        return stl_error_set(&transfer->broken, STL_INVALID,
                             "the answer is not the range that was asked for");
    int64_t before = goes_to_writer(transfer) ? transfer->written - transfer->skip : 0;
    if (status >= 200 && status < 300 && length > most(transfer) - before)
        return stl_error_set(&transfer->broken, STL_INVALID,
                             "the answer has %lld bytes, more than the %lld that were expected",
                             (long long)length, (long long)most(transfer));
    return 0;
}

static int give(struct stl_http_transfer *transfer, const char *bytes, size_t length)
{
    const struct stl_http_request *request = &transfer->exchange->request;
    size_t skipped = (int64_t)length < transfer->skip ? length : (size_t)transfer->skip;
    transfer->skip -= (int64_t)skipped;
    bytes += skipped;
    length -= skipped;
    if ((int64_t)length > most(transfer) - transfer->written)
        return stl_error_set(&transfer->broken, STL_INVALID,
                             "the answer has more than the %lld bytes that were expected",
                             (long long)most(transfer));
    if (length == 0 || request->write(request->context, bytes, length, &transfer->broken) == 0) {
        transfer->written += (int64_t)length;
        return 0;
    }
    if (transfer->broken.code == STL_OK)
        stl_error_set(&transfer->broken, STL_INVALID, "the answer was refused");
    return -1;
}

static int keep_header(struct stl_http_transfer *transfer, const char *bytes, size_t length)
{
    struct stl_http_answer *answer = &transfer->exchange->answer;
    bool good = answer->status >= 200 && answer->status < 300;
    size_t limit =
        good || most(transfer) < STL_HTTP_ERROR_BODY_MAX ? (size_t)most(transfer) : STL_HTTP_ERROR_BODY_MAX;
    size_t room = limit - answer->body.length;
    if (good && length > room)
        return stl_error_set(&transfer->broken, STL_INVALID, "the answer has more than %zu bytes", limit);
    answer->body.ceiling = limit;
    stl_buf_add(&answer->body, bytes, length < room ? length : room);
    /* The rest of an error's body is not read: a server might send it for ever. */
    if (!good && transfer->received > STL_HTTP_PROGRESS)
        return stl_error_set(&transfer->broken, STL_INVALID, "the answer %d does not end", answer->status);
    return 0;
}

static size_t take_body(char *bytes, size_t size, size_t count, void *context)
{
    struct stl_http_transfer *transfer = context;
    size_t length = size * count;
    if (!transfer->judged && check_head(transfer))
        return 0;
    transfer->received += (int64_t)length;
    return (goes_to_writer(transfer) ? give : keep_header)(transfer, bytes, length) == 0 ? length : 0;
}

/* --- what goes ------------------------------------------------------------------------------------------ */

static size_t send_body(char *bytes, size_t size, size_t count, void *context)
{
    struct stl_http_transfer *transfer = context;
    const struct stl_http_request *request = &transfer->exchange->request;
    int64_t left = request->length - transfer->sent;
    size_t length = (int64_t)(size * count) < left ? size * count : (size_t)left;
    ssize_t got = (ssize_t)length;
    if (request->read)
        got = request->read(request->context, transfer->sent, bytes, length, &transfer->broken);
    else
        memcpy(bytes, (const char *)request->body + transfer->sent, length);
    if (got >= 0 && (got > 0 || length == 0)) {
        transfer->sent += got;
        return (size_t)got;
    }
    if (transfer->broken.code == STL_OK)
        stl_error_set(&transfer->broken, STL_INVALID, "what is being sent has become shorter");
    return CURL_READFUNC_ABORT;
}

/* libcurl calls this when it sends the body again on another connection. */
static int seek_body(void *context, curl_off_t offset, int origin)
{
    struct stl_http_transfer *transfer = context;
    if (origin != SEEK_SET)
        return CURL_SEEKFUNC_CANTSEEK;
    transfer->sent = offset;
    return CURL_SEEKFUNC_OK;
}

static void add_header(struct stl_http_transfer *transfer, const char *text)
{
    transfer->headers = transfer->http->curl.slist_append(transfer->headers, text);
}

static void set_headers(struct stl_http_transfer *transfer)
{
    const struct stl_http_request *request = &transfer->exchange->request;
    for (const char *const *header = request->headers; header && *header; header++)
        add_header(transfer, *header);
    if (request->authorization && stl_http_same_origin(transfer->http, request->url, transfer->url)) {
        STL_AUTO_FREE char *text = stl_sprintf("Authorization: %s", request->authorization);
        add_header(transfer, text);
        explicit_bzero(text, strlen(text));
    }
    if (transfer->written > 0) {
        STL_AUTO_FREE char *text = stl_sprintf("Range: bytes=%lld-", (long long)transfer->written);
        add_header(transfer, text);
    }
    /* Nothing is sent before the server has said that it accepts it. (libcurl 7.88 would sign the header
     * as well, which is not sent: the signature would be wrong.) */
    if (!request->aws_region)
        add_header(transfer, "Expect:");
    transfer->http->curl.easy_setopt(transfer->easy, CURLOPT_HTTPHEADER, transfer->headers);
}

static void set_method(struct stl_http_transfer *transfer)
{
    const struct stl_curl *curl = &transfer->http->curl;
    const struct stl_http_request *request = &transfer->exchange->request;
    const char *method = request->method ? request->method : "GET";
    if (!strcmp(method, "HEAD"))
        curl->easy_setopt(transfer->easy, CURLOPT_NOBODY, 1L);
    else if (request->body || request->read || (strcmp(method, "GET") && strcmp(method, "DELETE"))) {
        curl->easy_setopt(transfer->easy, CURLOPT_UPLOAD, 1L);
        curl->easy_setopt(transfer->easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)request->length);
        curl->easy_setopt(transfer->easy, CURLOPT_READFUNCTION, send_body);
        curl->easy_setopt(transfer->easy, CURLOPT_READDATA, transfer);
        curl->easy_setopt(transfer->easy, CURLOPT_SEEKFUNCTION, seek_body);
        curl->easy_setopt(transfer->easy, CURLOPT_SEEKDATA, transfer);
    }
    if (strcmp(method, "HEAD") && strcmp(method, "GET"))
        curl->easy_setopt(transfer->easy, CURLOPT_CUSTOMREQUEST, method);
    if (request->aws_region) {
        STL_AUTO_FREE char *scope = stl_sprintf("aws:amz:%s:s3", request->aws_region);
        curl->easy_setopt(transfer->easy, CURLOPT_AWS_SIGV4, scope);
        curl->easy_setopt(transfer->easy, CURLOPT_USERPWD, request->aws_key);
    }
}

static void set_connection(struct stl_http_transfer *transfer)
{
    const struct stl_curl *curl = &transfer->http->curl;
    const struct stl_http_options *options = &transfer->http->options;
    bool secure = strncasecmp(transfer->url, "https:", 6) == 0;
    const char *proxy = stl_http_proxy(transfer);
    CURL *easy = transfer->easy;
    curl->easy_setopt(easy, CURLOPT_PROXY, proxy ? proxy : ""); /* "": not the environment's, either */
    curl->easy_setopt(easy, CURLOPT_NOPROXY, options->no_proxy ? options->no_proxy : "");
    curl->easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    curl->easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl->easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
    curl->easy_setopt(easy, CURLOPT_PIPEWAIT, secure ? 1L : 0L); /* without TLS there is no HTTP/2 */
    curl->easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, 30L);
    curl->easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1024L);
    curl->easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, (long)options->idle);
    /* From libcurl 8.13 on, this does not work with signed requests. */
    curl->easy_setopt(easy, CURLOPT_PATH_AS_IS, transfer->exchange->request.aws_region ? 0L : 1L);
    if (options->ca) {
        curl->easy_setopt(easy, CURLOPT_CAINFO, options->ca);
        curl->easy_setopt(easy, CURLOPT_CAPATH, NULL);
    }
    if (options->trusted) { /* besides the system's folder of certificates */
        struct curl_blob blob = {(void *)options->trusted, strlen(options->trusted), CURL_BLOB_COPY};
        curl->easy_setopt(easy, CURLOPT_CAINFO_BLOB, &blob);
    }
    if (options->certificate) {
        curl->easy_setopt(easy, CURLOPT_SSLCERT, options->certificate);
        curl->easy_setopt(easy, CURLOPT_SSLKEY, options->key);
    }
    curl->easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, options->insecure ? 0L : 1L);
    curl->easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, options->insecure ? 0L : 2L);
}

static void set_callbacks(struct stl_http_transfer *transfer)
{
    const struct stl_curl *curl = &transfer->http->curl;
    curl->easy_setopt(transfer->easy, CURLOPT_PRIVATE, transfer);
    curl->easy_setopt(transfer->easy, CURLOPT_HEADERFUNCTION, take_header);
    curl->easy_setopt(transfer->easy, CURLOPT_HEADERDATA, transfer);
    curl->easy_setopt(transfer->easy, CURLOPT_WRITEFUNCTION, take_body);
    curl->easy_setopt(transfer->easy, CURLOPT_WRITEDATA, transfer);
    curl->easy_setopt(transfer->easy, CURLOPT_OPENSOCKETFUNCTION, stl_http_socket);
    curl->easy_setopt(transfer->easy, CURLOPT_OPENSOCKETDATA, transfer);
    if (transfer->http->options.agent)
        curl->easy_setopt(transfer->easy, CURLOPT_USERAGENT, transfer->http->options.agent);
}

int stl_http_begin(struct stl_http_transfer *transfer, struct stl_error *err)
{
    const struct stl_curl *curl = &transfer->http->curl;
    stl_buf_clear(&transfer->exchange->answer.headers);
    stl_buf_clear(&transfer->exchange->answer.body);
    stl_http_release(transfer);
    transfer->sent = transfer->received = 0;
    transfer->judged = false;
    stl_error_clear(&transfer->broken);
    if (strncasecmp(transfer->url, "http://", 7) && strncasecmp(transfer->url, "https://", 8))
        return stl_error_set(err, STL_INVALID, "%s: neither http nor https", transfer->url);
    transfer->easy = curl->easy_init();
    curl->easy_setopt(transfer->easy, CURLOPT_URL, transfer->url);
    set_connection(transfer);
    set_callbacks(transfer);
    set_method(transfer);
    set_headers(transfer);
    transfer->attempts++;
    transfer->exchange->answer.requests++;
    CURLMcode code = curl->multi_add_handle(transfer->http->multi, transfer->easy);
    transfer->running = code == CURLM_OK;
    return code == CURLM_OK ? 0
                            : stl_error_set(err, STL_UNAVAILABLE, "libcurl: %s", curl->multi_strerror(code));
}

void stl_http_release(struct stl_http_transfer *transfer)
{
    const struct stl_curl *curl = &transfer->http->curl;
    if (transfer->easy) {
        curl->multi_remove_handle(transfer->http->multi, transfer->easy);
        curl->easy_cleanup(transfer->easy);
    }
    for (struct curl_slist *item = transfer->headers; item; item = item->next)
        explicit_bzero(item->data, strlen(item->data)); /* one may hold a password */
    curl->slist_free_all(transfer->headers);
    transfer->easy = NULL;
    transfer->headers = NULL;
    transfer->running = false;
}
