/*
 * Large objects, in parts. What a run has sent when it is cut stays in the store; the next run asks which
 * parts are there, and compares their entity tags, which are MD5 sums with most stores, with its own file.
 */
#include "bucket-run.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bucket.h"
#include "evp.h"
#include "io.h"

enum { LARGE = 64 << 20, PARTS_MAX = 10000, CHUNK = 1 << 20 };

struct sending {
    struct bucket *bucket;
    struct bucket_object *object;
    int fd;
    const char *id; /* as it is written in a query */
    int64_t part_size;
    struct stl_s3_part *parts;
    size_t count, next;
};

bool stl_bucket_is_large(const struct bucket_object *object)
{
    return object->entry->size > LARGE;
}

static int64_t size_of(const struct sending *sending, size_t part)
{
    int64_t left = sending->object->entry->size - (int64_t)part * sending->part_size;
    return left < sending->part_size ? left : sending->part_size;
}

/* --- parts that are there ------------------------------------------------------------------------------- */

int stl_bucket_find_parts(struct bucket *bucket, struct stl_error *err)
{
    if (stl_s3_uploads(bucket->s3, &bucket->uploads, err))
        return -1;
    for (size_t i = 0; i < bucket->uploads.count; i++) {
        const struct stl_s3_upload *upload = &bucket->uploads.items[i];
        struct stl_flat_place place;
        bool ours = stl_flat_parse_path(upload->key, &place) && place.kind == STL_FLAT_BLOB;
        const struct bucket_object *object = ours ? stl_bucket_find(bucket, upload->key) : NULL;
        bool useful = object && !object->etag && stl_bucket_is_large(object);
        if (ours && !useful && stl_s3_abandon(bucket->s3, upload->key, upload->id, err))
            return -1;
    }
    return 0;
}

/* Finds the first upload of the object, and aborts further ones. */
static int find_upload(const struct sending *sending, const char **id, struct stl_error *err)
{
    struct bucket *bucket = sending->bucket;
    *id = NULL;
    for (size_t i = 0; i < bucket->uploads.count; i++) {
        const struct stl_s3_upload *upload = &bucket->uploads.items[i];
        if (strcmp(upload->key, sending->object->key))
            continue;
        if (!*id)
            *id = upload->id;
        else if (stl_s3_abandon(bucket->s3, upload->key, upload->id, err))
            return -1;
    }
    return 0;
}

/* The MD5 sum of a part in hexadecimal; "" if it cannot be computed, which equals no entity tag. */
static int sum_part(const struct sending *sending, size_t part, char text[2 * STL_S3_MD5_BYTES + 1],
                    struct stl_error *err)
{
    STL_AUTO_FREE char *chunk = stl_alloc(CHUNK);
    unsigned char sum[EVP_MAX_MD_SIZE] = "";
    int64_t at = (int64_t)part * sending->part_size, end = at + size_of(sending, part);
    STL_AUTO_DIGEST_CONTEXT EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool fine = context && EVP_DigestInit_ex(context, EVP_md5(), NULL) == 1;
    ssize_t n = 1;
    for (; fine && at < end && n > 0; at += n) {
        n = stl_pread_full(sending->fd, chunk, end - at < CHUNK ? (size_t)(end - at) : CHUNK, at);
        fine = n > 0 && EVP_DigestUpdate(context, chunk, (size_t)n) == 1;
    }
    fine = fine && EVP_DigestFinal_ex(context, sum, NULL) == 1;
    text[0] = '\0';
    for (size_t i = 0; fine && i < STL_S3_MD5_BYTES; i++)
        snprintf(text + 2 * i, 3, "%02x", sum[i]);
    return n < 0 ? stl_error_errno(err, "cannot read %s", sending->object->entry->source) : 0;
}

/* Keeps the parts that have the right bytes. */
static int check_parts(struct sending *sending, struct stl_error *err)
{
    if (stl_s3_parts(sending->bucket->s3, sending->object->key, sending->id, sending->parts, sending->count,
                     err))
        return -1;
    for (size_t i = 0; i < sending->count; i++) {
        struct stl_s3_part *part = &sending->parts[i];
        char sum[2 * STL_S3_MD5_BYTES + 1] = "";
        if (!part->etag)
            continue;
        if (part->size == size_of(sending, i) && sum_part(sending, i, sum, err))
            return -1;
        if (strcmp(part->etag, sum))
            free(stl_steal(part->etag));
        else
            stl_bucket_advance(sending->bucket, part->size);
    }
    return 0;
}

/* --- parts that are missing ----------------------------------------------------------------------------- */

static struct stl_http_exchange *next_part(void *context)
{
    struct sending *sending = context;
    while (sending->next < sending->count && sending->parts[sending->next].etag)
        sending->next++;
    if (sending->next == sending->count)
        return NULL;
    struct bucket_upload *upload = stl_alloc(sizeof *upload);
    upload->object = sending->object;
    upload->fd = dup(sending->fd);
    upload->part = sending->next++;
    upload->start = (int64_t)upload->part * sending->part_size;
    STL_AUTO_FREE char *query = stl_sprintf("partNumber=%zu&uploadId=%s", upload->part + 1, sending->id);
    stl_s3_begin(sending->bucket->s3, &upload->request, "PUT", sending->object->key, query,
                 "UNSIGNED-PAYLOAD");
    struct stl_http_request *http = &upload->request.exchange.request;
    http->length = size_of(sending, upload->part);
    http->read = stl_bucket_read;
    http->context = upload;
    return &upload->request.exchange;
}

static int part_ended(void *context, struct stl_http_exchange *exchange, struct stl_error *err)
{
    struct sending *sending = context;
    struct bucket_upload *upload = exchange->owner;
    int result = stl_bucket_take(sending->bucket, upload, &sending->parts[upload->part].etag, err);
    stl_bucket_upload_free(upload);
    return result;
}

/* Returns the text of an element of the answer to a POST, on the heap, or NULL. */
static char *post(const struct sending *sending, const char *query, const struct stl_buf *body,
                  const char *element, struct stl_error *err)
{
    struct stl_s3_request request;
    char hash[STL_DIGEST_TEXT_MAX], *text = NULL;
    const char *bytes = body->data ? body->data : "";
    stl_s3_begin(sending->bucket->s3, &request, "POST", sending->object->key, query,
                 stl_s3_hash(bytes, body->length, hash));
    if (body->length)
        stl_s3_header(&request, "Content-Type: application/xml");
    else
        stl_bucket_headers(&request, sending->object->entry);
    request.exchange.request.body = bytes;
    request.exchange.request.length = (int64_t)body->length;
    if (stl_s3_send(sending->bucket->s3, &request, err) == 0 && stl_s3_check(&request, err) == 0) {
        const char *xml = request.exchange.answer.body.data;
        text = xml ? stl_s3_element(xml, NULL, element) : NULL;
        if (!text)
            stl_error_set(err, STL_UNAVAILABLE, "POST %s: the answer has no %s", request.url, element);
    }
    stl_s3_clear(&request);
    return text;
}

/* For stores that do not state the entity tag when the object is put together. */
static char *ask_etag(const struct sending *sending, struct stl_error *err)
{
    struct stl_s3_request request;
    char *etag = NULL;
    stl_s3_begin(sending->bucket->s3, &request, "HEAD", sending->object->key, NULL, NULL);
    if (stl_s3_send(sending->bucket->s3, &request, err) == 0 && stl_s3_check(&request, err) == 0) {
        const char *header = stl_http_header(&request.exchange.answer, "ETag");
        etag = stl_s3_bare(stl_strdup(header ? header : ""));
    }
    stl_s3_clear(&request);
    return etag;
}

static int complete(const struct sending *sending, struct stl_error *err)
{
    STL_AUTO_BUF struct stl_buf list = STL_BUF_INIT;
    stl_buf_puts(&list, "<CompleteMultipartUpload>");
    for (size_t i = 0; i < sending->count; i++)
        stl_buf_printf(&list, "<Part><PartNumber>%zu</PartNumber><ETag>%s</ETag></Part>", i + 1,
                       sending->parts[i].etag);
    stl_buf_puts(&list, "</CompleteMultipartUpload>");
    STL_AUTO_FREE char *query = stl_sprintf("uploadId=%s", sending->id);
    STL_AUTO_FREE char *etag = stl_s3_bare(post(sending, query, &list, "ETag", err));
    if (etag && !*etag) {
        free(etag);
        etag = ask_etag(sending, err);
    }
    sending->object->etag = stl_steal(etag);
    return sending->object->etag ? 0 : -1;
}

static int send_object(struct sending *sending, struct stl_error *err)
{
    const struct stl_http_work work = {next_part, part_ended, stl_bucket_drop, sending};
    STL_AUTO_FREE char *made = NULL;
    const char *found;
    struct stl_buf nothing = STL_BUF_INIT;
    if (find_upload(sending, &found, err))
        return -1;
    if (!found) {
        STL_AUTO_FREE char *id = post(sending, "uploads=", &nothing, "UploadId", err);
        made = id ? stl_s3_encode_value(id) : NULL;
    }
    sending->id = found ? found : made;
    if (!sending->id || (found && check_parts(sending, err)) ||
        stl_http_run(sending->bucket->s3->http, &work, err))
        return -1;
    return complete(sending, err);
}

int stl_bucket_upload_parts(struct bucket *bucket, struct bucket_object *object, struct stl_error *err)
{
    int64_t least = (object->entry->size + PARTS_MAX - 1) / PARTS_MAX;
    STL_AUTO_CLOSE int fd = stl_bucket_open(bucket, object->entry, err);
    if (fd < 0 && err->sys_errno == ENOENT) {
        stl_error_clear(err);
        return BUCKET_VANISHED;
    }
    if (fd < 0)
        return -1;
    struct sending sending = {
        .bucket = bucket, .object = object, .fd = fd, .part_size = least > LARGE ? least : LARGE};
    sending.count = (size_t)((object->entry->size + sending.part_size - 1) / sending.part_size);
    sending.parts = stl_alloc(sending.count * sizeof *sending.parts);
    int sent = send_object(&sending, err);
    for (size_t i = 0; i < sending.count; i++)
        free(sending.parts[i].etag);
    free(sending.parts);
    return sent;
}
