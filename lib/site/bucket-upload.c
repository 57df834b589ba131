/* Writes the objects of a bucket, several at a time, one kind after the other. */
#include "bucket-run.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bucket.h"
#include "manifest.h"

enum { LARGE = 64 << 20, PARTS_MAX = 10000, VANISHED = 1 };

/* What is uploaded together: no object may be visible before those with lower numbers. */
static int phase_of(const struct stl_flat_entry *entry)
{
    bool index = entry->kind == STL_FLAT_MANIFEST && stl_media_type_is_index(entry->media_type);
    return 2 * (int)entry->kind + index;
}

static bool is_large(const struct stl_flat_entry *entry)
{
    return entry->size > LARGE;
}

static int open_source(const struct bucket *bucket, const struct stl_flat_entry *entry, struct stl_error *err)
{
    int fd = openat(bucket->registry->root.fd, entry->source, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    return fd >= 0 ? fd : stl_error_errno(err, "cannot open %s", entry->source);
}

/* --- one request an object ------------------------------------------------------------------------------ */

struct upload {
    struct stl_s3_request request; /* first: its owner is this */
    struct bucket_object *object;
    int fd;
    int64_t start; /* of a part */
    size_t part;
};

struct uploading {
    struct bucket *bucket;
    int phase;
    size_t next;
    bool vanished;
    struct stl_error *err;
    /* of an object in parts */
    struct bucket_object *large;
    const char *id;
    int64_t part_size;
    char **etags;
    size_t parts;
};

static ssize_t read_source(void *context, int64_t position, void *bytes, size_t length, struct stl_error *err)
{
    const struct upload *upload = context;
    ssize_t n = pread(upload->fd, bytes, length, upload->start + position);
    return n < 0 ? stl_error_errno(err, "cannot read %s", upload->object->entry->source) : n;
}

static void add_headers(struct stl_s3_request *request, const struct stl_flat_entry *entry)
{
    stl_s3_header(request, "Content-Type: %s", entry->media_type);
    stl_s3_header(request, "Cache-Control: %s",
                  stl_flat_is_fixed(entry) ? "public, max-age=31536000, immutable" : "no-cache");
}

/* The digest is the hash that is signed, so the store itself checks what it gets. */
static void begin(struct uploading *uploading, struct upload *upload)
{
    const struct stl_flat_entry *entry = upload->object->entry;
    char text[STL_DIGEST_TEXT_MAX];
    const char *hash = "UNSIGNED-PAYLOAD";
    if (entry->text)
        hash = stl_s3_hash(entry->text, (size_t)entry->size, text);
    else if (entry->digest.algorithm == STL_SHA256)
        hash = strchr(stl_digest_format(&entry->digest, text), ':') + 1;
    stl_s3_begin(uploading->bucket->s3, &upload->request, "PUT", upload->object->key, NULL, hash);
    add_headers(&upload->request, entry);
    struct stl_http_request *http = &upload->request.exchange.request;
    http->length = entry->size;
    http->body = entry->text;
    http->read = entry->text ? NULL : read_source;
    http->context = upload;
}

static void free_upload(struct upload *upload)
{
    stl_s3_clear(&upload->request);
    stl_close_fd(&upload->fd);
    free(upload);
}

static void drop(void *context, struct stl_http_exchange *exchange)
{
    (void)context;
    free_upload(exchange->owner);
}

static struct upload *new_upload(struct uploading *uploading, struct bucket_object *object)
{
    struct upload *upload = stl_alloc(sizeof *upload);
    struct stl_error err = STL_ERROR_INIT;
    upload->object = object;
    upload->fd = object->entry->text ? -1 : open_source(uploading->bucket, object->entry, &err);
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
        if (object->etag || phase_of(object->entry) != uploading->phase || is_large(object->entry))
            continue;
        struct upload *upload = new_upload(uploading, object);
        if (!upload)
            break;
        begin(uploading, upload);
        return &upload->request.exchange;
    }
    return NULL;
}

static void advance(struct bucket *bucket, int64_t bytes)
{
    bucket->done += (uint64_t)bytes;
    if (bucket->options->progress)
        bucket->options->progress(bucket->options->progress_context, bucket->done, bucket->total);
}

/* Sets *etag to what the store says of what it got. */
static int take_answer(struct bucket *bucket, struct upload *upload, char **etag, struct stl_error *err)
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
    advance(bucket, exchange->request.length);
    return 0;
}

static int object_ended(void *context, struct stl_http_exchange *exchange, struct stl_error *err)
{
    struct uploading *uploading = context;
    struct upload *upload = exchange->owner;
    int result = take_answer(uploading->bucket, upload, &upload->object->etag, err);
    free_upload(upload);
    return result;
}

/* --- objects in parts ----------------------------------------------------------------------------------- */

static struct stl_http_exchange *next_part(void *context)
{
    struct uploading *uploading = context;
    if (uploading->next == uploading->parts)
        return NULL;
    struct upload *upload = new_upload(uploading, uploading->large);
    if (!upload)
        return NULL;
    upload->part = uploading->next++;
    upload->start = (int64_t)upload->part * uploading->part_size;
    int64_t left = uploading->large->entry->size - upload->start;
    STL_AUTO_FREE char *query = stl_sprintf("partNumber=%zu&uploadId=%s", upload->part + 1, uploading->id);
    stl_s3_begin(uploading->bucket->s3, &upload->request, "PUT", uploading->large->key, query,
                 "UNSIGNED-PAYLOAD");
    struct stl_http_request *http = &upload->request.exchange.request;
    http->length = left < uploading->part_size ? left : uploading->part_size;
    http->read = read_source;
    http->context = upload;
    return &upload->request.exchange;
}

static int part_ended(void *context, struct stl_http_exchange *exchange, struct stl_error *err)
{
    struct uploading *uploading = context;
    struct upload *upload = exchange->owner;
    int result = take_answer(uploading->bucket, upload, &uploading->etags[upload->part], err);
    free_upload(upload);
    return result;
}

/* Returns the text of an element of the answer to a POST, on the heap, or NULL. */
static char *post(struct bucket *bucket, const struct bucket_object *object, const char *query,
                  const struct stl_buf *body, const char *element, struct stl_error *err)
{
    struct stl_s3_request request;
    char hash[STL_DIGEST_TEXT_MAX], *text = NULL;
    const char *bytes = body->data ? body->data : "";
    stl_s3_begin(bucket->s3, &request, "POST", object->key, query, stl_s3_hash(bytes, body->length, hash));
    if (body->length)
        stl_s3_header(&request, "Content-Type: application/xml");
    else
        add_headers(&request, object->entry);
    request.exchange.request.body = bytes;
    request.exchange.request.length = (int64_t)body->length;
    if (stl_s3_send(bucket->s3, &request, err) == 0 && stl_s3_check(&request, err) == 0) {
        const char *xml = request.exchange.answer.body.data;
        text = xml ? stl_s3_element(xml, NULL, element) : NULL;
        if (!text)
            stl_error_set(err, STL_UNAVAILABLE, "POST %s: the answer has no %s", request.url, element);
    }
    stl_s3_clear(&request);
    return text;
}

static void give_up(struct bucket *bucket, const struct bucket_object *object, const char *id)
{
    struct stl_error ignored = STL_ERROR_INIT;
    struct stl_s3_request request;
    STL_AUTO_FREE char *query = stl_sprintf("uploadId=%s", id);
    stl_s3_begin(bucket->s3, &request, "DELETE", object->key, query, NULL);
    stl_s3_send(bucket->s3, &request, &ignored);
    stl_s3_clear(&request);
}

static int send_parts(struct uploading *uploading, struct stl_error *err)
{
    struct bucket *bucket = uploading->bucket;
    const struct stl_http_work work = {next_part, part_ended, drop, uploading};
    STL_AUTO_BUF struct stl_buf list = STL_BUF_INIT;
    if (stl_http_run(bucket->s3->http, &work, err) || uploading->err->code != STL_OK)
        return -1;
    if (uploading->vanished)
        return VANISHED;
    stl_buf_puts(&list, "<CompleteMultipartUpload>");
    for (size_t i = 0; i < uploading->parts; i++)
        stl_buf_printf(&list, "<Part><PartNumber>%zu</PartNumber><ETag>%s</ETag></Part>", i + 1,
                       uploading->etags[i]);
    stl_buf_puts(&list, "</CompleteMultipartUpload>");
    STL_AUTO_FREE char *query = stl_sprintf("uploadId=%s", uploading->id);
    uploading->large->etag = stl_s3_bare(post(bucket, uploading->large, query, &list, "ETag", err));
    return uploading->large->etag ? 0 : -1;
}

static int upload_large(struct uploading *uploading, struct bucket_object *object, struct stl_error *err)
{
    struct stl_buf nothing = STL_BUF_INIT;
    int64_t least = (object->entry->size + PARTS_MAX - 1) / PARTS_MAX;
    STL_AUTO_FREE char *given = post(uploading->bucket, object, "uploads=", &nothing, "UploadId", err);
    STL_AUTO_FREE char *id = given ? stl_s3_encode(given) : NULL;
    if (!id)
        return -1;
    uploading->large = object;
    uploading->id = id;
    uploading->next = 0;
    uploading->part_size = least > LARGE ? least : LARGE;
    uploading->parts = (size_t)((object->entry->size + uploading->part_size - 1) / uploading->part_size);
    uploading->etags = stl_alloc(uploading->parts * sizeof *uploading->etags);
    int sent = send_parts(uploading, err);
    if (sent)
        give_up(uploading->bucket, object, id);
    for (size_t i = 0; i < uploading->parts; i++)
        free(uploading->etags[i]);
    free(uploading->etags);
    return sent;
}

/* --- all of them ---------------------------------------------------------------------------------------- */

static int upload_phase(struct uploading *uploading, struct stl_error *err)
{
    struct bucket *bucket = uploading->bucket;
    const struct stl_http_work work = {next_object, object_ended, drop, uploading};
    uploading->next = 0;
    if (stl_http_run(bucket->s3->http, &work, err) || err->code != STL_OK)
        return -1;
    for (size_t i = 0; i < bucket->count && !uploading->vanished; i++) {
        struct bucket_object *object = &bucket->objects[i];
        if (object->etag || phase_of(object->entry) != uploading->phase || !is_large(object->entry))
            continue;
        int sent = upload_large(uploading, object, err);
        if (sent)
            return sent;
    }
    return uploading->vanished ? VANISHED : 0;
}

int stl_bucket_upload(struct bucket *bucket, struct stl_error *err)
{
    for (int phase = 0; phase <= 2 * STL_FLAT_PAGE + 1; phase++) {
        struct uploading uploading = {.bucket = bucket, .phase = phase, .err = err};
        int sent = upload_phase(&uploading, err);
        if (sent)
            return sent;
    }
    return 0;
}
