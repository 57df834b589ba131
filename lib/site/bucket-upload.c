/* Writes the objects of a bucket, several at a time, one kind after the other. */
#include "bucket-run.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bucket.h"

int stl_bucket_open(const struct bucket *bucket, const struct stl_flat_entry *entry, struct stl_error *err)
{
    int fd = openat(bucket->registry->root.fd, entry->source, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    return fd >= 0 ? fd : stl_error_errno(err, "cannot open %s", entry->source);
}

/* --- one request an object ------------------------------------------------------------------------------ */

struct uploading {
    struct bucket *bucket;
    int phase;
    size_t next;
    bool vanished;
    struct stl_error *err;
};

ssize_t stl_bucket_read(void *context, int64_t position, void *bytes, size_t length, struct stl_error *err)
{
    const struct bucket_upload *upload = context;
    ssize_t n = pread(upload->fd, bytes, length, upload->start + position);
    return n < 0 ? stl_error_errno(err, "cannot read %s", upload->object->entry->source) : n;
}

void stl_bucket_headers(struct stl_s3_request *request, const struct stl_flat_entry *entry)
{
    stl_s3_header(request, "Content-Type: %s", entry->media_type);
    stl_s3_header(request, "Cache-Control: %s",
                  stl_flat_is_fixed(entry) ? "public, max-age=31536000, immutable" : "no-cache");
}

/* The digest is the hash that is signed, so the store itself checks what it gets. */
static void begin(struct uploading *uploading, struct bucket_upload *upload)
{
    const struct stl_flat_entry *entry = upload->object->entry;
    char text[STL_DIGEST_TEXT_MAX];
    const char *hash = "UNSIGNED-PAYLOAD";
    if (entry->text)
        hash = stl_s3_hash(entry->text, (size_t)entry->size, text);
    else if (entry->digest.algorithm == STL_SHA256)
        hash = strchr(stl_digest_format(&entry->digest, text), ':') + 1;
    stl_s3_begin(uploading->bucket->s3, &upload->request, "PUT", upload->object->key, NULL, hash);
    stl_bucket_headers(&upload->request, entry);
    struct stl_http_request *http = &upload->request.exchange.request;
    http->length = entry->size;
    http->body = entry->text;
    http->read = entry->text ? NULL : stl_bucket_read;
    http->context = upload;
}

void stl_bucket_upload_free(struct bucket_upload *upload)
{
    stl_s3_clear(&upload->request);
    stl_close_fd(&upload->fd);
    free(upload);
}

void stl_bucket_drop(void *context, struct stl_http_exchange *exchange)
{
    (void)context;
    stl_bucket_upload_free(exchange->owner);
}

static struct bucket_upload *new_upload(struct uploading *uploading, struct bucket_object *object)
{
    struct bucket_upload *upload = stl_alloc(sizeof *upload);
    struct stl_error err = STL_ERROR_INIT;
    upload->object = object;
    upload->fd = object->entry->text ? -1 : stl_bucket_open(uploading->bucket, object->entry, &err);
    if (object->entry->text || upload->fd >= 0)
        return upload;
    uploading->vanished |= err.sys_errno == ENOENT;
    if (err.sys_errno != ENOENT && uploading->err->code == STL_OK)
        *uploading->err = err;
    free(upload);
    return NULL;
}

static struct stl_http_exchange *next_object(void *context)
{
    struct uploading *uploading = context;
    struct bucket *bucket = uploading->bucket;
    while (uploading->next < bucket->count && !uploading->vanished && uploading->err->code == STL_OK) {
        struct bucket_object *object = &bucket->objects[uploading->next++];
        if (object->etag || object->phase != uploading->phase || stl_bucket_is_large(object))
            continue;
        struct bucket_upload *upload = new_upload(uploading, object);
        if (!upload)
            break;
        begin(uploading, upload);
        return &upload->request.exchange;
    }
    return NULL;
}

void stl_bucket_advance(struct bucket *bucket, int64_t bytes)
{
    bucket->done += (uint64_t)bytes;
    if (bucket->options->progress)
        bucket->options->progress(bucket->options->progress_context, bucket->done, bucket->total);
}

int stl_bucket_take(struct bucket *bucket, struct bucket_upload *upload, char **etag, struct stl_error *err)
{
    struct stl_http_exchange *exchange = &upload->request.exchange;
    bucket->s3->requests += exchange->answer.requests;
    if (exchange->error.code != STL_OK) {
        *err = exchange->error;
        return -1;
    }
    if (stl_s3_check(&upload->request, err))
        return -1;
    const char *header = stl_http_header(&exchange->answer, "ETag");
    if (!header || strpbrk(header, "\t\n"))
        return stl_error_set(err, STL_UNAVAILABLE, "PUT %s: the store sends no ETag", upload->request.url);
    *etag = stl_s3_bare(stl_strdup(header));
    stl_bucket_advance(bucket, exchange->request.length);
    return 0;
}

static int object_ended(void *context, struct stl_http_exchange *exchange, struct stl_error *err)
{
    struct uploading *uploading = context;
    struct bucket_upload *upload = exchange->owner;
    int result = stl_bucket_take(uploading->bucket, upload, &upload->object->etag, err);
    stl_bucket_upload_free(upload);
    return result;
}

/* --- all of them ---------------------------------------------------------------------------------------- */

static int upload_phase(struct uploading *uploading, struct stl_error *err)
{
    struct bucket *bucket = uploading->bucket;
    const struct stl_http_work work = {next_object, object_ended, stl_bucket_drop, uploading};
    uploading->next = 0;
    if (stl_http_run(bucket->s3->http, &work, err) || err->code != STL_OK)
        return -1;
    for (size_t i = 0; i < bucket->count && !uploading->vanished; i++) {
        struct bucket_object *object = &bucket->objects[i];
        if (object->etag || object->phase != uploading->phase || !stl_bucket_is_large(object))
            continue;
        int sent = stl_bucket_upload_parts(bucket, object, err);
        if (sent)
            return sent;
    }
    return uploading->vanished ? BUCKET_VANISHED : 0;
}

int stl_bucket_upload(struct bucket *bucket, struct stl_error *err)
{
    for (int phase = 0; phase <= STL_FLAT_PHASE_MAX; phase++) {
        struct uploading uploading = {.bucket = bucket, .phase = phase, .err = err};
        int sent = upload_phase(&uploading, err);
        if (sent)
            return sent;
    }
    return 0;
}
