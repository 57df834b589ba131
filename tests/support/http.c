#include "http.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

double http_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void format_digest(const unsigned char sum[32], char text[HTTP_DIGEST])
{
    int at = snprintf(text, HTTP_DIGEST, "sha256:");
    for (size_t i = 0; i < 32; i++)
        at += snprintf(text + at, (size_t)(HTTP_DIGEST - at), "%02x", sum[i]);
}

void http_digest(const void *bytes, size_t length, char text[HTTP_DIGEST])
{
    unsigned char sum[32];
    EVP_Digest(bytes, length, sum, NULL, EVP_sha256(), NULL);
    format_digest(sum, text);
}

/* xorshift64* */
void http_fill(char *bytes, size_t length, uint64_t seed)
{
    uint64_t x = seed * 0x9e3779b97f4a7c15 + 1;
    for (size_t i = 0; i < length; i += sizeof x) {
        x ^= x >> 12;
        x ^= x << 25;
        x ^= x >> 27;
        uint64_t word = x * 0x2545f4914f6cdd1d;
        memcpy(bytes + i, &word, length - i < sizeof word ? length - i : sizeof word);
    }
}

static size_t give(char *to, size_t size, size_t count, void *context)
{
    struct http_body *body = context;
    size_t n = size * count, left = body->length - body->sent;
    size_t at = body->period ? body->sent % body->period : body->sent;
    if (n > left)
        n = left;
    if (body->period && n > body->period - at)
        n = body->period - at;
    memcpy(to, body->bytes + at, n);
    body->sent += n;
    return n;
}

static size_t take(char *bytes, size_t size, size_t count, void *context)
{
    struct http_answer *answer = context;
    size_t n = size * count, room = HTTP_TEXT - answer->text_length, kept = n < room ? n : room;
    if (!answer->hash) {
        answer->hash = EVP_MD_CTX_new();
        EVP_DigestInit_ex(answer->hash, EVP_sha256(), NULL);
        answer->text = malloc(HTTP_TEXT + 1);
    }
    EVP_DigestUpdate(answer->hash, bytes, n);
    answer->length += (int64_t)n;
    memcpy(answer->text + answer->text_length, bytes, kept);
    answer->text_length += kept;
    answer->text[answer->text_length] = '\0';
    return n;
}

static void copy_value(const char *line, size_t length, const char *name, char *value, size_t size)
{
    size_t skip = strlen(name);
    if (length <= skip || strncasecmp(line, name, skip))
        return;
    while (line[skip] == ' ')
        skip++;
    snprintf(value, size, "%.*s", (int)strcspn(line + skip, "\r\n"), line + skip);
}

static size_t read_header(char *line, size_t size, size_t count, void *context)
{
    struct http_answer *answer = context;
    size_t length = size * count;
    copy_value(line, length, "location:", answer->location, sizeof answer->location);
    copy_value(line, length, "docker-content-digest:", answer->digest, sizeof answer->digest);
    copy_value(line, length, "content-type:", answer->type, sizeof answer->type);
    copy_value(line, length, "range:", answer->range, sizeof answer->range);
    return length;
}

static struct curl_slist *set_body(CURL *curl, const struct http_request *request)
{
    char line[HTTP_TYPE + 20];
    struct curl_slist *headers = curl_slist_append(NULL, "Expect:");
    if (request->type) {
        snprintf(line, sizeof line, "Content-Type: %s", request->type);
        headers = curl_slist_append(headers, line);
    }
    if (request->header)
        headers = curl_slist_append(headers, request->header);
    if (request->body) {
        request->body->sent = 0;
        curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(curl, CURLOPT_READFUNCTION, give);
        curl_easy_setopt(curl, CURLOPT_READDATA, request->body);
        curl_easy_setopt(curl, CURLOPT_INFILESIZE_LARGE,
                         request->body->chunked ? (curl_off_t)-1 : (curl_off_t)request->body->length);
        if (request->body->chunked)
            headers = curl_slist_append(headers, "Transfer-Encoding: chunked");
    } else if (!strcmp(request->method, "HEAD")) {
        curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
    } else if (strcmp(request->method, "GET")) {
        curl_easy_setopt(curl, CURLOPT_POST, 1L);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, 0L);
    }
    return headers;
}

void http_send(CURL *curl, const struct http_request *request, struct http_answer *answer)
{
    *answer = (struct http_answer){0};
    curl_easy_reset(curl);
    curl_easy_setopt(curl, CURLOPT_URL, request->url);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, request->time_limit);
    curl_easy_setopt(curl, CURLOPT_FRESH_CONNECT, (long)request->fresh);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, read_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, answer);
    curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, 1L << 19);
    curl_easy_setopt(curl, CURLOPT_UPLOAD_BUFFERSIZE, 1L << 20);
    struct curl_slist *headers = set_body(curl, request);
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request->method);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    if (curl_easy_perform(curl) == CURLE_OK)
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer->status);
    curl_slist_free_all(headers);
    if (answer->hash) {
        unsigned char sum[32];
        EVP_DigestFinal_ex(answer->hash, sum, NULL);
        format_digest(sum, answer->sum);
    }
}

void http_clear(struct http_answer *answer)
{
    EVP_MD_CTX_free(answer->hash);
    free(answer->text);
    *answer = (struct http_answer){0};
}

void http_follow(const char *base, const char *location, const char *query, char url[HTTP_URL])
{
    const char *separator = !*query ? "" : strchr(location, '?') ? "&" : "?";
    snprintf(url, HTTP_URL, "%s%s%s%s", strncmp(location, "http", 4) ? base : "", location, separator, query);
}
