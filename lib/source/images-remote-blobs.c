/* Blobs of a registry: fetched into files that outlast a killed run, and taken from there. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "arriving.h"
#include "file.h"
#include "images-readers.h"
#include "images-remote.h"
#include "images.h"
#include "remote-choice.h"

static const char *const headers[] = {"Accept-Encoding: identity", NULL};

struct download {
    struct stl_http_exchange exchange;
    struct stl_arriving arriving;
    const struct stl_remote_blob *blob;
    struct download *next;
};

struct fetching {
    const struct stl_images *images;
    const struct stl_remote_blob *blobs;
    size_t count, next;
    struct download *again; /* to be downloaded once more */
    stl_copy_progress *progress;
    void *context;
    struct stl_error broken; /* why the next one could not begin */
};

/* The place for the name of the file with a blob. */
static char **file_of(const struct stl_images *images, const struct stl_digest *digest)
{
    struct stl_remote_images *remote = images->remote;
    size_t number;
    stl_digestset_find(&remote->blobs, digest, &number);
    return &remote->files[number];
}

static void download_free(struct download *download)
{
    free((char *)download->exchange.request.url);
    stl_http_clear(&download->exchange);
    free(download);
}

static void blame(const struct fetching *fetching, const struct stl_digest *digest, struct stl_error *err)
{
    char text[STL_DIGEST_TEXT_MAX];
    stl_error_context(err, "%s: blob %s", fetching->images->source->label, stl_digest_format(digest, text));
}

/* Checks the file and leaves it where it is, unlocked. Returns 1 if it has to be downloaded once more. */
static int finish_download(const struct fetching *fetching, struct download *download, int status,
                           struct stl_error *err)
{
    struct stl_arriving *arriving = &download->arriving;
    if (err->code == STL_OK && stl_arriving_check(arriving, err) == 0) {
        stl_temp_park(&arriving->temp);
        return 0;
    }
    if (stl_arriving_restart(arriving, status, err))
        return 1;
    if (stl_arriving_close(arriving, err))
        fetching->images->remote->interrupted = true;
    blame(fetching, &download->blob->digest, err);
    return -1;
}

/* Returns 1 if something has to be asked for, 0 if all of it is here, or -1. */
static int begin_download(struct fetching *fetching, struct download *download, struct stl_error *err)
{
    const struct stl_remote_choice *choice = fetching->images->remote->choice;
    const struct stl_digest *digest = &download->blob->digest;
    struct stl_arriving *arriving = &download->arriving;
    char text[STL_DIGEST_TEXT_MAX], **file = file_of(fetching->images, digest);
    if (stl_arriving_begin(arriving, &fetching->images->source->registry->root, choice->remote,
                           choice->address.name.text, digest, download->blob->size, fetching->progress,
                           fetching->context, err))
        return -1;
    *file = stl_strdup(arriving->temp.name);
    download->exchange.owner = download;
    download->exchange.request =
        (struct stl_http_request){.url = stl_remote_url(choice->remote, choice->address.name.text, "blobs/%s",
                                                        stl_digest_format(digest, text)),
                                  .headers = headers,
                                  .write = stl_arriving_write,
                                  .context = arriving,
                                  .from = arriving->from,
                                  .most = download->blob->size};
    /* An empty blob is asked for, too: the registry has to have it. */
    return arriving->from < arriving->size || arriving->size == 0
               ? 1
               : finish_download(fetching, download, 0, err);
}

static struct stl_http_exchange *next_download(void *context)
{
    struct fetching *fetching = context;
    if (fetching->again) {
        struct download *download = fetching->again;
        fetching->again = download->next;
        download->exchange.request.from = 0;
        return &download->exchange;
    }
    while (fetching->next < fetching->count && fetching->broken.code == STL_OK) {
        struct download *download = stl_alloc(sizeof *download);
        download->blob = &fetching->blobs[fetching->next++];
        int needed = begin_download(fetching, download, &fetching->broken);
        download->exchange.request.from = download->arriving.from;
        if (needed > 0)
            return &download->exchange;
        download_free(download);
    }
    return NULL;
}

static void check_answer(const struct fetching *fetching, const struct stl_http_exchange *exchange,
                         struct stl_error *err)
{
    int status = exchange->answer.status;
    if (exchange->error.code != STL_OK)
        *err = exchange->error;
    else if (status == 404)
        stl_error_set(err, STL_MANIFEST_BLOB_UNKNOWN, "the registry does not have it");
    else if (status != 200 && status != 206)
        stl_remote_refused(fetching->images->remote->choice->remote, exchange, err);
}

/* Another download has failed: the bytes that have arrived of this one are kept. */
static void dropped(void *context, struct stl_http_exchange *exchange)
{
    struct download *download = exchange->owner;
    (void)context;
    stl_temp_park(&download->arriving.temp);
    download_free(download);
}

static int download_ended(void *context, struct stl_http_exchange *exchange, struct stl_error *err)
{
    struct fetching *fetching = context;
    struct download *download = exchange->owner;
    check_answer(fetching, exchange, err);
    int result = finish_download(fetching, download, exchange->answer.status, err);
    if (result > 0) {
        stl_http_clear(exchange);
        download->next = fetching->again;
        fetching->again = download;
        return 0;
    }
    download_free(download);
    return result;
}

/* Bytes that are already here need no more room. */
static int check_rest_fits(const struct fetching *fetching, struct stl_error *err)
{
    const struct stl_remote_choice *choice = fetching->images->remote->choice;
    const struct stl_root *root = &fetching->images->source->registry->root;
    uint64_t missing = 0;
    for (size_t i = 0; i < fetching->count; i++) {
        const struct stl_remote_blob *blob = &fetching->blobs[i];
        missing += (uint64_t)(blob->size - stl_arriving_kept(root, choice->remote, choice->address.name.text,
                                                             &blob->digest, blob->size));
    }
    return stl_space_check(root->fd, missing, err);
}

/* The disk has filled up: whoever makes room need not fetch everything again. */
static int keep_all(struct stl_remote_images *remote, struct stl_error *err)
{
    struct stl_error full = *err;
    remote->interrupted = true;
    stl_error_set(err, full.code,
                  "%s; what has arrived is kept for the next run: 'stillage gc --grace 0s' removes it",
                  full.message);
    err->sys_errno = full.sys_errno;
    return -1;
}

int stl_images_fetch(const struct stl_images *images, const struct stl_remote_blob *blobs, size_t count,
                     stl_copy_progress *progress, void *context, struct stl_error *err)
{
    struct stl_remote_images *remote = images->remote;
    struct fetching fetching = {
        .images = images, .blobs = blobs, .count = count, .progress = progress, .context = context};
    size_t ignored;
    if (check_rest_fits(&fetching, err))
        return -1;
    remote->files = stl_alloc(count * sizeof *remote->files);
    for (size_t i = 0; i < count; i++)
        stl_digestset_add(&remote->blobs, &blobs[i].digest, &ignored);
    int result =
        stl_remote_run(remote->choice->remote,
                       &(struct stl_http_work){next_download, download_ended, dropped, &fetching}, err);
    while (fetching.again)
        dropped(&fetching, next_download(&fetching));
    if (result == 0 && fetching.broken.code != STL_OK) {
        *err = fetching.broken;
        result = -1;
    }
    return result && err->code == STL_NO_SPACE ? keep_all(remote, err) : result;
}

int stl_images_sync(const struct stl_images *images, const struct stl_digest *digest, struct stl_error *err)
{
    STL_AUTO_CLOSE int fd = openat(images->source->registry->root.fd, *file_of(images, digest),
                                   O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return 0;
    return fd < 0 || fsync(fd) ? stl_error_errno(err, "cannot sync a file in tmp/") : 0;
}

int stl_images_take(const struct stl_images *images, const struct stl_digest *digest, struct stl_temp *temp,
                    struct stl_error *err)
{
    STL_AUTO_FREE char *file = stl_steal(*file_of(images, digest));
    return stl_temp_take(&images->source->registry->root, file, temp, err);
}

void stl_remote_images_clear_blobs(struct stl_remote_images *remote, const struct stl_root *root)
{
    for (size_t i = 0; i < remote->blobs.count; i++) {
        if (remote->files[i] && !remote->interrupted)
            stl_temp_drop(root, remote->files[i]);
        free(remote->files[i]);
    }
    free(remote->files);
    stl_digestset_clear(&remote->blobs);
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
