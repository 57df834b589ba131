/* Writes the objects of a bucket, several at a time, one kind after the other. */
#include "bucket-run.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bucket.h"

/* --- one request an object ------------------------------------------------------------------------------ */

struct uploading {
    struct bucket *bucket;
    int phase;
    size_t next;
    bool vanished;
    struct stl_error *err;
};

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
