/* Blobs of a registry, into the stage. */
#include <stdio.h>
#include <stdlib.h>

#include "images-readers.h"
#include "images-remote.h"
#include "images.h"
#include "remote-choice.h"

static const char *const headers[] = {"Accept-Encoding: identity", NULL};

struct fetching {
    const struct stl_images *images;
    const struct stl_remote_blob *blobs;
    size_t count, next;
    stl_copy_progress *progress;
    void *context;
    struct stl_error broken; /* why the next one could not begin */
};

struct download {
    struct stl_http_exchange exchange;
    const struct stl_remote_blob *blob;
    struct stl_temp temp;
    struct stl_copy copy;
};

static int write_download(void *context, const void *bytes, size_t length, struct stl_error *err)
{
    struct download *download = context;
    return stl_copy_add(&download->copy, bytes, length, err);
}

static char *staged_name(size_t number, char name[STL_STAGED_NAME_MAX])
{
    snprintf(name, STL_STAGED_NAME_MAX, "fetched-%zu", number);
    return name;
}

static void download_clear(struct download *download)
{
    stl_temp_abort(&download->temp);
    free((char *)download->exchange.request.url);
    stl_http_clear(&download->exchange);
    free(download);
}

static struct stl_http_exchange *next_download(void *context)
{
    struct fetching *fetching = context;
    const struct stl_remote_choice *choice = fetching->images->remote->choice;
    char name[STL_STAGED_NAME_MAX], text[STL_DIGEST_TEXT_MAX];
    if (fetching->next == fetching->count || fetching->broken.code != STL_OK)
        return NULL;
    struct download *download = stl_alloc(sizeof *download);
    download->blob = &fetching->blobs[fetching->next];
    download->temp = (struct stl_temp)STL_TEMP_INIT;
    download->exchange.owner = download;
    download->exchange.request =
        (struct stl_http_request){.url = stl_remote_url(choice->remote, choice->address.name.text, "blobs/%s",
                                                        stl_digest_format(&download->blob->digest, text)),
                                  .headers = headers,
                                  .write = write_download,
                                  .context = download,
                                  .most = download->blob->size};
    staged_name(fetching->next++, name);
    if (stl_stage_create(fetching->images->source->stage, name, &download->temp, &fetching->broken)) {
        download_clear(download);
        return NULL;
    }
    stl_copy_begin(&download->copy, download->temp.fd, download->blob->digest.algorithm, fetching->progress,
                   fetching->context);
    return &download->exchange;
}

static int check_download(const struct fetching *fetching, struct download *download, struct stl_error *err)
{
    const struct stl_http_answer *answer = &download->exchange.answer;
    struct stl_digest actual;
    if (answer->status == 404)
        return stl_error_set(err, STL_MANIFEST_BLOB_UNKNOWN, "the registry does not have it");
    if (answer->status != 200 && answer->status != 206)
        return stl_remote_refused(fetching->images->remote->choice->remote, &download->exchange, err);
    if (download->copy.size != download->blob->size)
        return stl_error_set(err, STL_SIZE_INVALID, "it has %lld bytes where %lld are expected",
                             (long long)download->copy.size, (long long)download->blob->size);
    stl_copy_end(&download->copy, &actual);
    if (!stl_digest_equal(&actual, &download->blob->digest))
        return stl_error_set(err, STL_DIGEST_INVALID, "its content has another digest");
    return 0;
}

static void dropped(void *context, struct stl_http_exchange *exchange)
{
    (void)context;
    download_clear(exchange->owner);
}

static int download_ended(void *context, struct stl_http_exchange *exchange, struct stl_error *err)
{
    struct fetching *fetching = context;
    struct download *download = exchange->owner;
    char text[STL_DIGEST_TEXT_MAX];
    int result = -1;
    if (exchange->error.code != STL_OK)
        *err = exchange->error;
    else
        result = check_download(fetching, download, err);
    if (result == 0)
        stl_temp_park(&download->temp);
    else
        stl_error_context(err, "%s: blob %s", fetching->images->source->label,
                          stl_digest_format(&download->blob->digest, text));
    download_clear(download);
    return result;
}

int stl_images_fetch(const struct stl_images *images, const struct stl_remote_blob *blobs, size_t count,
                     stl_copy_progress *progress, void *context, struct stl_error *err)
{
    struct fetching fetching = {
        .images = images, .blobs = blobs, .count = count, .progress = progress, .context = context};
    size_t ignored;
    if (stl_remote_run(images->remote->choice->remote,
                       &(struct stl_http_work){next_download, download_ended, dropped, &fetching}, err))
        return -1;
    if (fetching.broken.code != STL_OK) {
        *err = fetching.broken;
        return -1;
    }
    for (size_t i = 0; i < count; i++)
        stl_digestset_add(&images->remote->blobs, &blobs[i].digest, &ignored);
    return 0;
}

bool stl_remote_images_staged(const struct stl_images *images, const struct stl_digest *digest,
                              char name[STL_STAGED_NAME_MAX])
{
    size_t number;
    if (!stl_digestset_find(&images->remote->blobs, digest, &number))
        return false;
    staged_name(number, name);
    return true;
}

/* A small blob, such as a config, that is needed to decide what to fetch. */
int stl_remote_images_blob(const struct stl_images *images, const struct stl_digest *digest, int64_t size,
                           struct stl_buf *bytes, struct stl_error *err)
{
    const struct stl_remote_choice *choice = images->remote->choice;
    char text[STL_DIGEST_TEXT_MAX];
    struct stl_digest actual;
    STL_AUTO_FREE char *url = stl_remote_url(choice->remote, choice->address.name.text, "blobs/%s",
                                             stl_digest_format(digest, text));
    struct stl_http_exchange exchange = {
        .request = {.url = url, .headers = headers, .most = size ? size : 1}};
    if (stl_remote_send(choice->remote, &exchange, err))
        return -1;
    const struct stl_buf *body = &exchange.answer.body;
    int result = exchange.answer.status == 200;
    if (exchange.answer.status != 200 && exchange.answer.status != 404)
        result = stl_remote_refused(choice->remote, &exchange, err);
    if (result > 0) {
        stl_digest_of(digest->algorithm, body->data ? body->data : "", body->length, &actual);
        if (!stl_digest_equal(&actual, digest))
            result = stl_error_set(err, STL_DIGEST_INVALID, "%s: blob %s has another digest",
                                   images->source->label, text);
        else if (stl_buf_add(bytes, body->data, body->length))
            result = stl_error_set(err, STL_INVALID, "a blob of %lld bytes is too large to be read",
                                   (long long)size);
    }
    stl_http_clear(&exchange);
    return result;
}
