/* Small objects of an S3-compatible store, read, written and removed. */
#include "s3.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

enum { OBJECT_MAX = 1 << 30, BULK_MAX = 1000 };

int stl_s3_get(struct stl_s3 *s3, const char *key, struct stl_buf *bytes, char **etag, struct stl_error *err)
{
    struct stl_s3_request request;
    stl_s3_begin(s3, &request, "GET", key, NULL, NULL);
    request.exchange.request.most = OBJECT_MAX;
    int result = stl_s3_send(s3, &request, err);
    const struct stl_http_answer *answer = &request.exchange.answer;
    /* 403 is no "not found": stores answer it to those who may not list the bucket, and they cannot publish
     * anyway. */
    if (result == 0 && answer->status != 404) {
        result = stl_s3_check(&request, err) ? -1 : 1;
        if (result > 0 && stl_buf_add(bytes, answer->body.data ? answer->body.data : "", answer->body.length))
            result = stl_error_set(err, STL_INVALID, "%s is too large", request.url);
        const char *tag = stl_http_header(answer, "ETag");
        if (result > 0 && etag)
            *etag = stl_strdup(tag ? tag : "");
    }
    stl_s3_clear(&request);
    return result;
}

int stl_s3_put(struct stl_s3 *s3, const char *key, const char *media_type, const void *bytes, size_t length,
               bool only_new, struct stl_error *err)
{
    struct stl_s3_request request;
    char hash[STL_DIGEST_TEXT_MAX];
    stl_s3_begin(s3, &request, "PUT", key, NULL, stl_s3_hash(bytes, length, hash));
    stl_s3_header(&request, "Content-Type: %s", media_type);
    stl_s3_header(&request, "Cache-Control: no-store");
    if (only_new)
        stl_s3_header(&request, "If-None-Match: *");
    request.exchange.request.body = bytes;
    request.exchange.request.length = (int64_t)length;
    int result = stl_s3_send(s3, &request, err);
    int status = request.exchange.answer.status;
    if (result == 0)
        result = only_new && (status == 412 || status == 409) ? 1 : stl_s3_check(&request, err);
    stl_s3_clear(&request);
    return result;
}

int stl_s3_delete(struct stl_s3 *s3, const char *key, struct stl_error *err)
{
    struct stl_s3_request request;
    stl_s3_begin(s3, &request, "DELETE", key, NULL, NULL);
    int result = stl_s3_send(s3, &request, err) || stl_s3_check(&request, err) ? -1 : 0;
    stl_s3_clear(&request);
    return result;
}

/* --- many at once --------------------------------------------------------------------------------------- */

static void escape(struct stl_buf *out, const char *text)
{
    for (; *text; text++)
        if (strchr("&<>", *text))
            stl_buf_printf(out, "&#%d;", *text);
        else
            stl_buf_add(out, text, 1);
}

bool stl_s3_md5(const void *bytes, size_t length, unsigned char md5[STL_S3_MD5_BYTES])
{
    unsigned size = 0;
    return EVP_Digest(bytes, length, md5, &size, EVP_md5(), NULL) == 1 && size == STL_S3_MD5_BYTES;
}

/* For deletions, stores insist on this checksum, whatever others they know. */
static void add_checksum(struct stl_s3_request *request, const struct stl_buf *body)
{
    unsigned char md5[STL_S3_MD5_BYTES], text[STL_S3_MD5_BYTES * 2];
    if (!stl_s3_md5(body->data, body->length, md5))
        return;
    EVP_EncodeBlock(text, md5, sizeof md5);
    stl_s3_header(request, "Content-MD5: %s", (const char *)text);
}

/* Returns 0, 1 if the store has no such request, or -1. */
static int delete_some(struct stl_s3 *s3, const char *const *keys, size_t count, struct stl_error *err)
{
    STL_AUTO_BUF struct stl_buf body = STL_BUF_INIT;
    struct stl_s3_request request;
    char hash[STL_DIGEST_TEXT_MAX];
    stl_buf_puts(&body, "<Delete><Quiet>true</Quiet>");
    for (size_t i = 0; i < count; i++) {
        stl_buf_puts(&body, "<Object><Key>");
        escape(&body, s3->prefix);
        escape(&body, keys[i]);
        stl_buf_puts(&body, "</Key></Object>");
    }
    stl_buf_puts(&body, "</Delete>");
    stl_s3_begin(s3, &request, "POST", NULL, "delete=", stl_s3_hash(body.data, body.length, hash));
    stl_s3_header(&request, "Content-Type: application/xml");
    add_checksum(&request, &body);
    struct stl_http_request *http = &request.exchange.request;
    http->body = body.data;
    http->length = (int64_t)body.length;
    http->harmless = true;
    int result = stl_s3_send(s3, &request, err), status = request.exchange.answer.status;
    if (result == 0)
        result = status == 400 || status == 404 || status == 405 || status == 501
                     ? 1
                     : stl_s3_check(&request, err);
    stl_s3_clear(&request);
    return result;
}

int stl_s3_delete_all(struct stl_s3 *s3, const char *const *keys, size_t count, struct stl_error *err)
{
    for (size_t done = 0; done < count;) {
        size_t some = count - done < BULK_MAX ? count - done : BULK_MAX;
        int result = s3->no_bulk || some == 1 ? 1 : delete_some(s3, keys + done, some, err);
        s3->no_bulk |= result > 0 && some > 1;
        for (size_t i = 0; result > 0 && i < some; i++)
            if (stl_s3_delete(s3, keys[done + i], err))
                return -1;
        if (result < 0)
            return -1;
        done += some;
    }
    return 0;
}
