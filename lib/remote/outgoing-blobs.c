/* Sends blobs, several at once: skips those that are there, mounts those that can be mounted, uploads the
 * rest. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "file-extent.h"
#include "layout.h"
#include "outgoing-run.h"
#include "outgoing.h"
#include "percent.h"

enum { TRIES_MAX = 4 };

struct blob {
    struct stl_http_exchange exchange;
    struct stl_digest digest;
    int64_t size;
    enum { BLOB_ASK, BLOB_BEGIN, BLOB_SEND } step;
    bool waiting;           /* ready for its next step */
    unsigned tries;         /* how often its upload was cut */
    char *location;         /* of the upload */
    struct stl_extent file; /* while it is sent */
    int64_t sent;
    struct uploading *uploading;
};

struct uploading {
    struct outgoing *outgoing;
    struct blob *blobs;
    size_t count, next;
};

static const char *const octets[] = {"Content-Type: application/octet-stream", NULL};

/* --- which blobs ---------------------------------------------------------------------------------------- */

static int missing_here(const struct outgoing *outgoing, const struct stl_digest *digest,
                        struct stl_error *err)
{
    char text[STL_DIGEST_TEXT_MAX];
    return stl_error_set(err, STL_BLOB_UNKNOWN, "%s: blob %s is missing: run 'stillage verify'",
                         outgoing->repo.name.text, stl_digest_format(digest, text));
}

static int collect_blobs(struct uploading *uploading, struct stl_error *err)
{
    struct outgoing *outgoing = uploading->outgoing;
    struct stl_digestset seen = {0};
    int result = 0;
    for (size_t i = 0; i < outgoing->contents.digests.count && result == 0; i++)
        for (size_t k = 0; outgoing->missing[i] && k < outgoing->contents.manifests[i].link_count; k++) {
            const struct stl_held_link *link = &outgoing->contents.manifests[i].links[k];
            int64_t size = 0;
            size_t number;
            if (stl_contents_find(&outgoing->contents, &link->digest) != STL_NOT_HELD ||
                !stl_digestset_add(&seen, &link->digest, &number))
                continue;
            int found = stl_repo_has_blob(&outgoing->repo, &link->digest, &size, err);
            if (found < 0 || (!found && link->required && !link->child))
                result = found < 0 ? -1 : missing_here(outgoing, &link->digest, err);
            if (found <= 0) /* it belongs to another platform, or is a foreign layer */
                continue;
            stl_grow(uploading->blobs, uploading->count);
            uploading->blobs[uploading->count++] =
                (struct blob){.digest = link->digest, .size = size, .file = STL_EXTENT_INIT, .waiting = true};
        }
    stl_digestset_clear(&seen);
    return result;
}

/* Blobs are mounted from at most one other repository: the token names it besides the target. */
static void choose_source(struct uploading *uploading)
{
    struct outgoing *outgoing = uploading->outgoing;
    size_t number;
    outgoing->from = NULL;
    for (size_t i = 0; i < uploading->count && !outgoing->from; i++)
        if (stl_digestset_find(&outgoing->known, &uploading->blobs[i].digest, &number) &&
            strcmp(outgoing->known_in[number]->text, outgoing->to.text))
            outgoing->from = outgoing->known_in[number]->text;
    if (!outgoing->options->dry_run)
        stl_remote_use(outgoing->options->remote, outgoing->to.text, "pull,push", outgoing->from);
}

static bool is_in_source(const struct outgoing *outgoing, const struct blob *blob)
{
    size_t number;
    return outgoing->from && stl_digestset_find(&outgoing->known, &blob->digest, &number) &&
           !strcmp(outgoing->known_in[number]->text, outgoing->from);
}

/* --- requests ------------------------------------------------------------------------------------------- */

static ssize_t read_body(void *context, int64_t position, void *bytes, size_t length, struct stl_error *err)
{
    struct blob *blob = context;
    struct outgoing *outgoing = blob->uploading->outgoing;
    ssize_t n = stl_extent_read(&blob->file, position, bytes, length, err);
    if (n > 0 && position + n > blob->sent) {
        outgoing->done += (uint64_t)(position + n - blob->sent);
        blob->sent = position + n;
        if (outgoing->options->progress)
            outgoing->options->progress(outgoing->options->progress_context, outgoing->done, outgoing->total);
    }
    return n;
}

static void ask_for_place(struct blob *blob, struct stl_http_request *request)
{
    const struct outgoing *outgoing = blob->uploading->outgoing;
    struct stl_remote *remote = outgoing->options->remote;
    char text[STL_DIGEST_TEXT_MAX];
    STL_AUTO_BUF struct stl_buf query = STL_BUF_INIT;
    if (is_in_source(outgoing, blob) && blob->tries == 0) {
        stl_buf_printf(&query, "?mount=%s&from=", stl_digest_format(&blob->digest, text));
        stl_percent_encode(&query, outgoing->from, "");
    }
    *request = (struct stl_http_request){
        .method = "POST",
        .url = stl_remote_url(remote, outgoing->to.text, "blobs/uploads/%s", query.length ? query.data : "")};
}

static void send_it(struct blob *blob, struct stl_http_request *request)
{
    char text[STL_DIGEST_TEXT_MAX], path[STL_PATH_MAX];
    STL_AUTO_BUF struct stl_buf digest = STL_BUF_INIT;
    stl_percent_encode(&digest, stl_digest_format(&blob->digest, text), "");
    blob->file = (struct stl_extent){.fd = openat(blob->uploading->outgoing->repo.fd,
                                                  stl_path_blob(&blob->digest, path), O_RDONLY | O_CLOEXEC),
                                     .owned = true,
                                     .size = blob->size};
    *request =
        (struct stl_http_request){.method = "PUT",
                                  .url = stl_sprintf("%s%sdigest=%s", blob->location,
                                                     strchr(blob->location, '?') ? "&" : "?", digest.data),
                                  .headers = octets,
                                  .once = true,
                                  .read = read_body,
                                  .context = blob,
                                  .length = blob->size};
}

static struct stl_http_exchange *next_blob(void *context)
{
    struct uploading *uploading = context;
    const struct outgoing *outgoing = uploading->outgoing;
    char text[STL_DIGEST_TEXT_MAX];
    struct blob *blob = NULL;
    /* Blobs that have begun go first, since upload sessions expire. */
    for (size_t i = 0; i < uploading->next && !blob; i++)
        if (uploading->blobs[i].waiting)
            blob = &uploading->blobs[i];
    if (!blob && uploading->next < uploading->count)
        blob = &uploading->blobs[uploading->next++];
    if (!blob)
        return NULL;
    blob->waiting = false;
    blob->exchange.owner = blob;
    if (blob->step == BLOB_ASK)
        blob->exchange.request = (struct stl_http_request){
            .method = "HEAD",
            .url = stl_remote_url(outgoing->options->remote, outgoing->to.text, "blobs/%s",
                                  stl_digest_format(&blob->digest, text))};
    else
        (blob->step == BLOB_BEGIN ? ask_for_place : send_it)(blob, &blob->exchange.request);
    return &blob->exchange;
}

/* --- answers -------------------------------------------------------------------------------------------- */

static void next_step(struct blob *blob, int step)
{
    blob->step = step;
    blob->waiting = true;
}

static void note_known(struct outgoing *outgoing, const struct blob *blob)
{
    size_t count = outgoing->known.count, number;
    if (!stl_digestset_add(&outgoing->known, &blob->digest, &number))
        return;
    stl_grow(outgoing->known_in, count);
    outgoing->known_in[number] = outgoing->names[outgoing->name_count - 1];
}

static int asked(struct blob *blob, struct stl_error *err)
{
    struct outgoing *outgoing = blob->uploading->outgoing;
    int status = blob->exchange.answer.status;
    if (status == 200) {
        note_known(outgoing, blob);
        return 0;
    }
    if (status != 404)
        return stl_remote_refused(outgoing->options->remote, &blob->exchange, err);
    if (!outgoing->options->dry_run)
        next_step(blob, BLOB_BEGIN);
    outgoing->report->blobs++;
    outgoing->report->bytes += (uint64_t)blob->size;
    outgoing->total += (uint64_t)blob->size;
    return 0;
}

static int begun(struct blob *blob, struct stl_error *err)
{
    struct outgoing *outgoing = blob->uploading->outgoing;
    struct stl_remote *remote = outgoing->options->remote;
    const char *location = stl_http_header(&blob->exchange.answer, "Location");
    if (blob->exchange.answer.status == 201) {
        outgoing->report->mounted++;
        outgoing->report->blobs--;
        outgoing->report->bytes -= (uint64_t)blob->size;
        outgoing->done += (uint64_t)blob->size;
        note_known(outgoing, blob);
        return 0;
    }
    if (blob->exchange.answer.status != 202)
        return stl_remote_refused(remote, &blob->exchange, err);
    free(blob->location);
    blob->location = location ? stl_http_resolve(remote->http, blob->exchange.answer.url, location) : NULL;
    if (!blob->location)
        return stl_error_set(err, STL_INVALID,
                             "%s does not say where to upload to, or names an address that is not to be "
                             "trusted",
                             remote->host);
    next_step(blob, BLOB_SEND);
    return 0;
}

/* An upload that was cut starts again: nobody knows how much of it arrived. */
static int sent(struct blob *blob, struct stl_error *err)
{
    struct outgoing *outgoing = blob->uploading->outgoing;
    int status = blob->exchange.answer.status;
    bool cut = blob->exchange.error.code == STL_UNAVAILABLE;
    stl_extent_close(&blob->file);
    if (!cut && status == 201) {
        note_known(outgoing, blob);
        return 0;
    }
    if ((cut || status == 404 || status >= 500) && ++blob->tries < TRIES_MAX) {
        next_step(blob, BLOB_BEGIN);
        return 0;
    }
    if (!cut)
        return stl_remote_refused(outgoing->options->remote, &blob->exchange, err);
    *err = blob->exchange.error;
    return -1;
}

static void forget_blob(struct blob *blob)
{
    free((char *)blob->exchange.request.url);
    blob->exchange.request = (struct stl_http_request){.url = NULL};
    stl_http_clear(&blob->exchange);
}

static int blob_ended(void *context, struct stl_http_exchange *exchange, struct stl_error *err)
{
    const struct uploading *uploading = context;
    struct blob *blob = exchange->owner;
    char text[STL_DIGEST_TEXT_MAX];
    int result = -1;
    if (exchange->error.code == STL_OK ||
        (exchange->error.code == STL_UNAVAILABLE && blob->step == BLOB_SEND))
        result = (blob->step == BLOB_ASK ? asked : blob->step == BLOB_BEGIN ? begun : sent)(blob, err);
    else
        *err = exchange->error;
    forget_blob(blob);
    return result ? stl_error_context(err, "%s/%s: blob %s", uploading->outgoing->options->remote->host,
                                      uploading->outgoing->to.text, stl_digest_format(&blob->digest, text))
                  : 0;
}

int stl_outgoing_blobs(struct outgoing *outgoing, struct stl_error *err)
{
    struct uploading uploading = {.outgoing = outgoing};
    int result = collect_blobs(&uploading, err);
    for (size_t i = 0; i < uploading.count; i++)
        uploading.blobs[i].uploading = &uploading;
    if (result == 0) {
        choose_source(&uploading);
        result = stl_remote_run(
            outgoing->options->remote,
            &(struct stl_http_work){.next = next_blob, .ended = blob_ended, .context = &uploading}, err);
    }
    for (size_t i = 0; i < uploading.count; i++) {
        forget_blob(&uploading.blobs[i]);
        stl_extent_close(&uploading.blobs[i].file);
        free(uploading.blobs[i].location);
    }
    free(uploading.blobs);
    return result;
}
