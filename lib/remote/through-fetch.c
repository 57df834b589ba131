#include "through-fetch.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "arriving.h"
#include "blobs.h"
#include "fetched.h"
#include "freeze.h"
#include "project-quota.h"
#include "publication.h"
#include "quota.h"
#include "references.h"
#include "repo-make.h"

/* A failure of the upstream is not the client's fault. What the upstream refuses does not exist for clients,
 * since some registries refuse what they do not have. */
static int judge_upstream(const char *host, bool manifest, struct stl_error *err)
{
    const enum stl_code unknown = manifest ? STL_MANIFEST_UNKNOWN : STL_BLOB_UNKNOWN;
    switch (err->code) {
    case STL_NOT_FOUND:
        return stl_error_set(err, unknown, "neither this registry nor %s has it", host);
    case STL_DENIED:
        return stl_error_set(err, unknown, "this registry does not have it, and %s refuses it", host);
    case STL_MANIFEST_UNKNOWN:
    case STL_BLOB_UNKNOWN:
    case STL_TOO_MANY_REQUESTS:
    case STL_SYSTEM:
    case STL_NO_SPACE:
    case STL_READ_ONLY:
    case STL_STORAGE:
        return -1;
    default:
        err->code = STL_UNAVAILABLE;
        return -1;
    }
}

/* --- manifests ------------------------------------------------------------------------------------------ */

static int publish_fetched(const struct stl_registry *registry, const struct stl_name *name,
                           const char *reference, const struct stl_manifest *manifest,
                           const struct stl_buf *bytes, struct stl_error *err)
{
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
    STL_AUTO_PUBLICATION struct stl_publication publication = STL_PUBLICATION_INIT;
    STL_AUTO_CLOSE int writing = stl_write_begin(registry, err);
    struct stl_reference parsed;
    if (writing < 0 || stl_reference_parse(reference, &parsed, err) ||
        stl_repo_make(&repo, registry, name, err))
        return -1;
    stl_publication_begin(&publication, &repo);
    publication.allow_missing_children = publication.allow_missing_blobs = true;
    if (!parsed.is_digest)
        stl_publication_set_tag(&publication, &parsed.tag, &manifest->digest, false);
    stl_publication_add_manifest(&publication, manifest, bytes->data, false);
    return stl_publication_commit(&publication, err);
}

int stl_through_get_manifest(struct through *through, struct stl_remote *remote,
                             const struct stl_address *address, const struct stl_name *name,
                             const char *reference, struct stl_error *err)
{
    const struct stl_registry *registry = through->options->registry;
    STL_AUTO_CLOSE int spool = memfd_create("stillage-manifest", MFD_CLOEXEC);
    STL_AUTO_BUF struct stl_buf bytes = STL_BUF_INIT;
    STL_AUTO_MANIFEST struct stl_manifest manifest = {0};
    struct stl_wanted wanted = {.reference = (char *)reference};
    struct stl_fetched fetched;
    if (spool < 0)
        return stl_error_errno(err, "cannot keep a manifest");
    stl_fetched_begin(&fetched, remote, address->name.text, registry->settings.push.manifest_size, spool);
    int result = stl_fetched_get(&fetched, &wanted, 1, err);
    if (result == 0 && !wanted.found)
        result = stl_error_set(err, STL_NOT_FOUND, "there is no %s", reference);
    if (result)
        judge_upstream(address->host, true, err);
    else if (stl_fetched_read(&fetched, wanted.number, &bytes, err) ||
             stl_manifest_parse(&manifest, bytes.data, bytes.length, fetched.items[wanted.number].media_type,
                                fetched.digests.items[wanted.number].algorithm, err))
        result = -1;
    else
        result = publish_fetched(registry, name, reference, &manifest, &bytes, err);
    if (result == 0)
        stl_named_blobs_note(&through->named, name, &manifest);
    stl_fetched_clear(&fetched);
    return result;
}

/* --- blobs ---------------------------------------------------------------------------------------------- */

struct download {
    struct through *through;
    struct through_fetch *fetch; /* NULL: no client waits */
    struct stl_http_exchange exchange;
    struct stl_arriving arriving;
    bool begun;   /* the upstream has sent something */
    bool is_ours; /* the failure is not the upstream's */
};

/* If the upstream compresses the answer unasked, clients get the blob only when all of it is here. */
static int begin_download(struct download *download, struct stl_error *err)
{
    const struct stl_arriving *arriving = &download->arriving;
    download->begun = true;
    if (stl_space_check(arriving->temp.fd, (uint64_t)(arriving->size - arriving->from), err))
        return -1;
    if (download->fetch && !stl_http_header(&download->exchange.answer, "Content-Encoding"))
        stl_through_begun(download->through, download->fetch, arriving->temp.name, arriving->size);
    return 0;
}

static int write_bytes(void *context, const void *bytes, size_t length, struct stl_error *err)
{
    struct download *download = context;
    download->is_ours = true;
    if (!download->begun && begin_download(download, err))
        return -1;
    if (stl_arriving_write(&download->arriving, bytes, length, err))
        return -1;
    download->is_ours = false;
    return 0;
}

static int send(struct stl_remote *remote, struct stl_http_exchange *exchange, struct stl_error *err)
{
    if (stl_remote_send(remote, exchange, err))
        return -1;
    int status = exchange->answer.status;
    return status == 200 || status == 206 ? 0 : stl_remote_refused(remote, exchange, err);
}

/* Once a client reads along, bytes kept from an earlier attempt cannot be taken back: if they turn out wrong,
 * this fails, and the next request fetches the blob from its first byte on. */
static int download(struct download *download, struct stl_remote *remote, const char *url,
                    struct stl_error *err)
{
    static const char *const headers[] = {"Accept-Encoding: identity", NULL};
    struct stl_arriving *arriving = &download->arriving;
    int result, status;
    do {
        download->exchange.request = (struct stl_http_request){.url = url,
                                                               .headers = headers,
                                                               .write = write_bytes,
                                                               .context = download,
                                                               .from = arriving->from,
                                                               .most = arriving->size ? arriving->size : 1};
        result = send(remote, &download->exchange, err);
        status = download->exchange.answer.status;
        stl_http_clear(&download->exchange);
    } while (result && !download->begun && stl_arriving_restart(arriving, status, err));
    return result ? result : stl_arriving_check(arriving, err);
}

/* The store has the blob from elsewhere. Those who may pull here get it only if the upstream has it, too. */
static int check_upstream_has(struct stl_remote *remote, const char *url, struct stl_error *err)
{
    struct stl_http_exchange exchange = {.request = {.method = "HEAD", .url = url}};
    int result = send(remote, &exchange, err);
    stl_http_clear(&exchange);
    return result ? judge_upstream(remote->host, false, err) : 0;
}

/* With a quota, no bytes are kept outside it. */
static bool is_counted(const struct stl_registry *registry, const struct stl_name *name, int64_t left)
{
    return left != INT64_MAX || stl_project_with_quota(registry, name, STL_PROJECT_SIZE);
}

/* Brings the blob into a file in tmp/. If another process has left all of it there, the upstream is only
 * asked whether it has it, too. */
static int bring(struct download *transfer, struct stl_remote *remote, const char *url, bool counted,
                 struct stl_error *err)
{
    struct stl_arriving *arriving = &transfer->arriving;
    bool whole = arriving->size > 0 && arriving->from == arriving->size;
    int result = whole ? stl_arriving_check(arriving, err) : download(transfer, remote, url, err);
    if (result == 0)
        return whole ? check_upstream_has(remote, url, err) : 0;
    struct stl_error lasting = *err;
    if (counted || transfer->is_ours) /* the disk is full, and perhaps nobody asks again: keep nothing */
        lasting.code = STL_DENIED;
    stl_arriving_close(arriving, &lasting);
    if (transfer->is_ours)
        return -1;
    if (err->code == STL_DIGEST_INVALID || err->code == STL_SIZE_INVALID)
        return stl_error_set(err, STL_UNAVAILABLE, "what %s sent has another digest", remote->host);
    return judge_upstream(remote->host, false, err);
}

int stl_through_get_blob(struct through *through, struct through_fetch *fetch, struct stl_remote *remote,
                         const struct stl_address *address, const struct stl_name *name,
                         const struct stl_digest *digest, int64_t size, struct stl_error *err)
{
    const struct stl_registry *registry = through->options->registry;
    struct download transfer = {.through = through, .fetch = fetch, .arriving.temp = STL_TEMP_INIT};
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
    STL_AUTO_CLOSE int writing = -1;
    char text[STL_DIGEST_TEXT_MAX];
    STL_AUTO_FREE char *url =
        stl_remote_url(remote, address->name.text, "blobs/%s", stl_digest_format(digest, text));
    int64_t left = 0;
    if (stl_quota_left(registry, name, &left, err))
        return -1;
    if (size > left)
        return stl_quota_exceeded(name, size, left, err);
    int stored = stl_store_claim(registry, digest, NULL, err);
    int result = stored < 0 ? -1 : stored ? check_upstream_has(remote, url, err) : 0;
    if (!stored) {
        result = stl_arriving_begin(&transfer.arriving, &registry->root, remote, address->name.text, digest,
                                    size, NULL, NULL, err);
        if (result == 0)
            result = bring(&transfer, remote, url, is_counted(registry, name, left), err);
    }
    if (result == 0)
        writing = stl_write_begin(registry, err);
    if (result || writing < 0 || stl_repo_make(&repo, registry, name, err))
        result = -1;
    else
        result = stored ? stl_repo_link_blob(&repo, digest, err)
                        : stl_repo_put_blob(&repo, &transfer.arriving.temp, digest, err);
    stl_temp_abort(&transfer.arriving.temp);
    return result;
}

/* --- what was asked for --------------------------------------------------------------------------------- */

/* Returns 1, 0 or -1. It may have arrived while this request waited. */
static int is_here(const struct stl_registry *registry, const struct stl_name *name,
                   const struct stl_fetch_request *request, struct stl_error *err)
{
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
    struct stl_reference reference;
    struct stl_media_type type;
    struct stl_digest digest;
    int result = stl_repo_open_if_any(&repo, registry, name, err);
    if (result <= 0 || stl_reference_parse(request->reference, &reference, err))
        return result;
    if (!request->manifest)
        return stl_repo_has_blob(&repo, &reference.digest, NULL, err);
    if (stl_reference_resolve(&repo, &reference, &digest, err) == 0 &&
        stl_manifest_type(&repo, &digest, &type, err) == 0)
        return 1;
    if (err->code != STL_MANIFEST_UNKNOWN)
        return -1;
    stl_error_clear(err);
    return 0;
}

/* The size of a blob is the one that a manifest here states. A blob that no manifest names is not fetched: an
 * upstream could fill the disk with it. */
static int find_size(struct through *through, const struct stl_name *name, const struct stl_digest *digest,
                     int64_t *size, struct stl_error *err)
{
    int found = stl_named_blobs_find(&through->named, through->options->registry, name, digest, size, err);
    if (found)
        return found > 0 ? 0 : -1;
    return stl_error_set(err, STL_BLOB_UNKNOWN,
                         "this registry does not have it, and no manifest of %s here names it", name->text);
}

int stl_through_fetch(struct through *through, struct through_fetch *fetch, struct stl_error *err)
{
    const struct stl_registry *registry = through->options->registry;
    const struct stl_fetch_request *request = &fetch->request;
    struct stl_remote remote = {0};
    struct stl_reference reference;
    struct stl_address address;
    struct stl_name name;
    if (stl_name_parse(request->name, &name, err) || stl_reference_parse(request->reference, &reference, err))
        return -1;
    int here = is_here(registry, &name, request, err);
    if (here)
        return here > 0 ? 0 : -1;
    int64_t size = 0;
    if (!request->manifest && find_size(through, &name, &reference.digest, &size, err))
        return -1;
    fetch->asked = true;
    if (stl_check_frozen(registry, err) ||
        stl_through_take(through, fetch->upstream, request->name, &remote, &address, err))
        return -1;
    int result =
        request->manifest
            ? stl_through_get_manifest(through, &remote, &address, &name, request->reference, err)
            : stl_through_get_blob(through, fetch, &remote, &address, &name, &reference.digest, size, err);
    stl_through_give_back(through, fetch->upstream, &remote);
    if (result && err->code != STL_MANIFEST_UNKNOWN && err->code != STL_BLOB_UNKNOWN) {
        STL_AUTO_FREE char *text = stl_sprintf("%s%s%s: %s", request->name, request->manifest ? ":" : "@",
                                               request->reference, err->message);
        registry->notice(text);
    }
    return result;
}
