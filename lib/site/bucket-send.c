/* Requests that send an object of a bucket, or a part of it. */
#include "bucket-run.h"

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
