/* Pushing blobs: sessions and mounts (distribution-spec, "Pushing blobs"). */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "blobs.h"
#include "network.h"
#include "quota.h"
#include "repo-make.h"
#include "repo.h"
#include "route.h"
#include "upload.h"

enum {
    FIRST_CHUNK = 16 << 10,
    CHUNK = 256 << 10,
    HOLD_AGAIN = 64 << 20, /* bytes after which the other open sessions are looked at again */
    PASSING = 1 << 20,     /* the largest body that is not counted as an open session */
    RETRY_AFTER = 30,      /* seconds, for clients with too many open sessions */
};

/* Uploads are counted by user, or, for anonymous clients, by network. */
static int open_session(const struct exchange *exchange, struct stl_upload *upload, const char *id,
                        struct stl_error *err)
{
    const struct request *request = &exchange->request;
    const char *user = exchange->identity.user, *address = request->remote_address;
    char network[STL_NETWORK_MAX];
    if (stl_upload_open(upload, exchange->registry, &request->name, id, err))
        return -1;
    STL_AUTO_FREE char *who =
        user[0] ? stl_sprintf("user\n%s", user)
                : stl_sprintf("network\n%s", stl_network_of(address ? address : "", network));
    stl_upload_set_holder(upload, who);
    return 0;
}

static void describe_session(struct exchange *exchange, const char *id, int64_t size)
{
    struct response *response = &exchange->response;
    response_header(response, "Location", "/v2/%s/blobs/uploads/%s", exchange->request.name.text, id);
    /* The grammar has no empty range, so no bytes and one byte look the same. */
    response_header(response, "Range", "0-%lld", (long long)(size > 0 ? size - 1 : 0));
    response_header(response, "Docker-Upload-UUID", "%s", id);
}

static void send_created(struct exchange *exchange, const struct stl_digest *digest)
{
    char text[STL_DIGEST_TEXT_MAX];
    stl_digest_format(digest, text);
    response_header(&exchange->response, "Location", "/v2/%s/blobs/%s", exchange->request.name.text, text);
    response_header(&exchange->response, "Docker-Content-Digest", "%s", text);
    response_send(&exchange->response, 201, NULL, NULL, 0);
}

/* --- Content-Range -------------------------------------------------------------------------------------- */

struct range {
    int64_t first, last; /* first = -1: none was given */
};

/* Less than INT64_MAX, so that the length of a range is a number too. */
static int64_t parse_number(const char **text)
{
    int64_t number = -1;
    while (**text >= '0' && **text <= '9') {
        int64_t digit = *(*text)++ - '0';
        if (number > (INT64_MAX - 1 - digit) / 10)
            return -1;
        number = (number < 0 ? 0 : number) * 10 + digit;
    }
    return number;
}

/* "N-M" as the specification has it, and "bytes N-M/TOTAL" as HTTP has it */
static int parse_range(const struct request *request, struct range *range, struct stl_error *err)
{
    const char *text = request->content_range;
    *range = (struct range){-1, -1};
    if (!text)
        return 0;
    bool http = !strncasecmp(text, "bytes ", strlen("bytes "));
    text += http ? strlen("bytes ") : 0;
    range->first = parse_number(&text);
    bool valid = range->first >= 0 && *text++ == '-';
    range->last = valid ? parse_number(&text) : -1;
    if (http && *text == '/')
        text += strspn(text, "/0123456789*");
    if (!valid || *text || range->last < range->first)
        return stl_error_set(err, STL_BLOB_UPLOAD_INVALID, "Content-Range '%.80s' is not FIRST-LAST",
                             request->content_range);
    return 0;
}

/* Checks what can be known before the body is read. */
static int check_range(struct exchange *exchange, const struct stl_upload *upload, struct range *range,
                       struct stl_error *err)
{
    const struct request *request = &exchange->request;
    if (parse_range(request, range, err))
        return -1;
    if (range->first < 0)
        return 0;
    if (range->first != upload->size) {
        describe_session(exchange, upload->id, upload->size);
        return stl_error_set(err, STL_RANGE_INVALID,
                             "the chunk begins at byte %lld, but %lld bytes have arrived",
                             (long long)range->first, (long long)upload->size);
    }
    if (request->length >= 0 && request->length != range->last - range->first + 1)
        return stl_error_set(err, STL_SIZE_INVALID, "Content-Range '%.80s' and Content-Length %lld differ",
                             request->content_range, (long long)request->length);
    return 0;
}

/* --- the body ------------------------------------------------------------------------------------------- */

/* How large the upload may become. `digest`: a blob that the repository already has takes no space; NULL: it
 * is not known yet which blob this is. */
static int find_room(const struct exchange *exchange, const struct stl_digest *digest, int64_t *left,
                     struct stl_error *err)
{
    const struct stl_name *name = &exchange->request.name;
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
    struct stl_error ignored = STL_ERROR_INIT;
    if (stl_quota_left(exchange->registry, name, left, err))
        return -1;
    if (*left != INT64_MAX && digest && stl_repo_open(&repo, exchange->registry, name, &ignored) == 0 &&
        stl_repo_has_blob(&repo, digest, NULL, &ignored) == 1)
        *left = INT64_MAX;
    return 0;
}

/* Whether this address and this user may have one more upload in progress. */
static int admit(const struct exchange *exchange, struct stl_error *err)
{
    const struct channel *channel = exchange->request.channel;
    const char *user = exchange->identity.user[0] ? exchange->identity.user : NULL;
    if (!channel->admit || channel->admit(channel->context, exchange->request.remote_address, user))
        return 0;
    return stl_error_set(err, STL_UNAVAILABLE,
                         "too many uploads from this address or by this user are in progress: wait for one "
                         "to end");
}

/* How large the upload may become beside the other open sessions. */
static int ask_for_room(struct exchange *exchange, struct stl_upload *upload, int64_t coming, int64_t *room,
                        struct stl_error *err)
{
    if (stl_upload_hold(upload, coming > 0 ? coming : 0, room, err) == 0)
        return 0;
    if (err->code == STL_TOO_MANY_REQUESTS)
        response_header(&exchange->response, "Retry-After", "%d", RETRY_AFTER);
    return -1;
}

/* Whether the request brings all of a small blob and closes the session, which then never counts as open. */
static bool is_passing(const struct exchange *exchange, const struct stl_upload *upload,
                       const struct stl_digest *closing)
{
    const int64_t length = exchange->request.length, most = exchange->registry->settings.push.open_bytes;
    return closing && upload->size == 0 && length >= 0 && length <= PASSING && (!most || length <= most);
}

/* Web servers send SIGTERM to a program whose client has gone, and the session may have to be counted then:
 * see keep_session(). The end of the body comes at once, too. (A responder has it blocked anyway.) */
static void outlast_client(void)
{
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &ends, NULL);
}

/* Appends the body as it comes. Bytes that have arrived stay, even after an error. A slow client costs little
 * memory. */
static int append_body(struct exchange *exchange, struct stl_upload *upload, int64_t left, int64_t room,
                       struct stl_error *err)
{
    struct request *request = &exchange->request;
    size_t size = FIRST_CHUNK, n;
    STL_AUTO_FREE char *chunk = stl_alloc(size);
    int64_t held = upload->size;
    while ((n = request_read(request, chunk, size)) > 0) {
        if (stl_upload_append(upload, chunk, n, err))
            return -1;
        if (upload->size > left)
            return stl_quota_exceeded(&request->name, upload->size, left, err);
        if (upload->size > room || upload->size - held > HOLD_AGAIN) { /* other sessions have grown, too */
            if (ask_for_room(exchange, upload, 0, &room, err))
                return -1;
            held = upload->size;
        }
        if (n == size && size < CHUNK)
            chunk = stl_realloc(chunk, size = CHUNK);
    }
    return 0;
}

static int receive(struct exchange *exchange, struct stl_upload *upload, const struct range *range,
                   const struct stl_digest *digest, struct stl_error *err)
{
    struct request *request = &exchange->request;
    int64_t left, room = request->length;
    if (admit(exchange, err) || find_room(exchange, digest, &left, err))
        return -1;
    if (request->length > left - upload->size)
        return stl_quota_exceeded(&request->name, upload->size + request->length, left, err);
    if (is_passing(exchange, upload, digest))
        outlast_client();
    else if (ask_for_room(exchange, upload, request->length, &room, err))
        return -1;
    request->upload = upload;
    int result = append_body(exchange, upload, left, room, err);
    request_stop(request);
    if (result)
        return -1;
    if (request->cut)
        return request_cut_error(request, err);
    if (range && range->first >= 0 && request->received != range->last - range->first + 1)
        return stl_error_set(err, STL_SIZE_INVALID, "Content-Range '%.80s' came with %lld bytes",
                             request->content_range, (long long)request->received);
    return 0;
}

/* After most errors the session can be resumed, and the client is told where. A session that exceeds the
 * quota, or the limit of open sessions, is removed instead. */
static int keep_session(struct exchange *exchange, struct stl_upload *upload, const struct stl_error *err)
{
    struct stl_error ignored = STL_ERROR_INIT; /* if the hash is not saved, the bytes are hashed again */
    int64_t room;
    bool uncounted = upload->size > 0 && !upload->held;
    if (err->code == STL_DENIED || (uncounted && stl_upload_hold(upload, 0, &room, &ignored))) {
        stl_upload_cancel(upload, &ignored);
        return -1;
    }
    stl_upload_save(upload, &ignored);
    describe_session(exchange, upload->id, upload->size);
    return -1;
}

/* --- handlers ------------------------------------------------------------------------------------------- */

/* Returns 1 and answers if the blob could be mounted, 0 if it has to be uploaded. */
static int try_mount(struct exchange *exchange, const char *mount, struct stl_error *err)
{
    const struct stl_registry *registry = exchange->registry;
    struct stl_digest digest;
    struct stl_name from_name;
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT, from = STL_REPO_INIT;
    const char *from_text = request_query(&exchange->request, "from");
    if (stl_digest_parse(mount, &digest, err))
        return -1;
    int found = 0;
    if (!from_text) /* from any repository, if everybody may read all */
        found = stl_access_controlled(registry) ? 0 : stl_store_has(registry, &digest, NULL, err);
    else if (stl_name_parse(from_text, &from_name, err) == 0 &&
             stl_access_allows(registry, &exchange->identity, from_name.text, STL_PULL) &&
             stl_repo_open(&from, registry, &from_name, err) == 0)
        found = stl_repo_has_blob(&from, &digest, NULL, err);
    if (found > 0 && (stl_repo_make(&repo, registry, &exchange->request.name, err) ||
                      (from_text ? stl_repo_mount_blob(&repo, &from, &digest, err)
                                 : stl_repo_link_blob(&repo, &digest, err))))
        found = -1;
    if (found > 0)
        send_created(exchange, &digest);
    else if (err->code == STL_NAME_INVALID || err->code == STL_NAME_UNKNOWN || err->code == STL_BLOB_UNKNOWN)
        stl_error_clear(err);
    return err->code ? -1 : found > 0;
}

/* The whole upload in one request: the client never learns of a session, so none outlives an error. */
static int upload_at_once(struct exchange *exchange, const char *digest_text, struct stl_error *err)
{
    struct stl_digest digest;
    STL_AUTO_UPLOAD struct stl_upload upload = STL_UPLOAD_INIT;
    struct stl_error ignored = STL_ERROR_INIT;
    const struct stl_name *name = &exchange->request.name;
    char id[STL_UPLOAD_ID_LENGTH + 1];
    if (stl_digest_parse(digest_text, &digest, err) ||
        stl_upload_begin(exchange->registry, name, digest.algorithm, id, err) ||
        open_session(exchange, &upload, id, err))
        return -1;
    if (receive(exchange, &upload, NULL, &digest, err) || stl_upload_finish(&upload, &digest, err)) {
        stl_upload_cancel(&upload, &ignored);
        return -1;
    }
    send_created(exchange, &digest);
    return 0;
}

int begin_upload(struct exchange *exchange, struct stl_error *err)
{
    const struct request *request = &exchange->request;
    const char *mount = request_query(request, "mount"), *digest = request_query(request, "digest");
    const char *algorithm_name = request_query(request, "digest-algorithm");
    enum stl_algorithm algorithm = STL_SHA256;
    char id[STL_UPLOAD_ID_LENGTH + 1];
    int mounted = mount ? try_mount(exchange, mount, err) : 0;
    if (mounted)
        return mounted < 0 ? -1 : 0;
    if (digest)
        return upload_at_once(exchange, digest, err);
    if (algorithm_name && stl_algorithm_parse(algorithm_name, &algorithm, err))
        return -1;
    if (stl_upload_begin(exchange->registry, &request->name, algorithm, id, err))
        return -1;
    describe_session(exchange, id, 0);
    response_send(&exchange->response, 202, NULL, NULL, 0);
    return 0;
}

int show_upload(struct exchange *exchange, struct stl_error *err)
{
    const struct request *request = &exchange->request;
    int64_t size;
    if (stl_upload_size(exchange->registry, &request->name, request->reference, &size, err))
        return -1;
    describe_session(exchange, request->reference, size);
    response_send(&exchange->response, 204, NULL, NULL, 0);
    return 0;
}

int patch_upload(struct exchange *exchange, struct stl_error *err)
{
    const struct request *request = &exchange->request;
    STL_AUTO_UPLOAD struct stl_upload upload = STL_UPLOAD_INIT;
    struct range range;
    if (open_session(exchange, &upload, request->reference, err) ||
        check_range(exchange, &upload, &range, err))
        return -1;
    if (receive(exchange, &upload, &range, NULL, err))
        return keep_session(exchange, &upload, err);
    if (stl_upload_save(&upload, err))
        return -1;
    describe_session(exchange, upload.id, upload.size);
    response_send(&exchange->response, 202, NULL, NULL, 0);
    return 0;
}

/* If the session has ended and the repository has the blob, a client that never got the answer is asking
 * again. Returns 1 then, and makes the blob durable: the process that wrote it may have died before it
 * could. */
static int is_finished(struct exchange *exchange, const struct stl_digest *digest, struct stl_error *err)
{
    const struct request *request = &exchange->request;
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
    if (!stl_upload_is_ours(exchange->registry, &request->name, request->reference))
        return 0;
    int found = stl_repo_open_if_any(&repo, exchange->registry, &request->name, err);
    if (found > 0)
        found = stl_repo_has_blob(&repo, digest, NULL, err);
    if (found > 0)
        found = stl_store_claim(exchange->registry, digest, NULL, err);
    return found > 0 && stl_repo_link_blob(&repo, digest, err) ? -1 : found;
}

/* The session that a PUT closes: 0; 1 if it was closed before. */
static int open_to_finish(struct exchange *exchange, struct stl_upload *upload,
                          const struct stl_digest *digest, struct stl_error *err)
{
    const struct request *request = &exchange->request;
    struct stl_error why = STL_ERROR_INIT;
    if (open_session(exchange, upload, request->reference, err) == 0)
        return 0;
    if (err->code != STL_BLOB_UPLOAD_UNKNOWN)
        return -1;
    int finished = is_finished(exchange, digest, &why);
    if (finished < 0)
        *err = why;
    else if (finished)
        stl_error_clear(err);
    return finished > 0 ? 1 : -1;
}

int finish_upload(struct exchange *exchange, struct stl_error *err)
{
    const struct request *request = &exchange->request;
    const char *text = request_query(request, "digest");
    STL_AUTO_UPLOAD struct stl_upload upload = STL_UPLOAD_INIT;
    struct stl_error ignored = STL_ERROR_INIT;
    struct stl_digest digest;
    struct range range;
    if (!text)
        return stl_error_set(err, STL_DIGEST_INVALID,
                             "the parameter digest= is missing: it closes the upload");
    int over = stl_digest_parse(text, &digest, err) ? -1 : open_to_finish(exchange, &upload, &digest, err);
    if (over > 0)
        send_created(exchange, &digest);
    if (over)
        return over < 0 ? -1 : 0;
    if (check_range(exchange, &upload, &range, err) || stl_upload_use(&upload, digest.algorithm, err))
        return -1;
    if (receive(exchange, &upload, &range, &digest, err))
        return keep_session(exchange, &upload, err);
    if (stl_upload_finish(&upload, &digest, err)) {
        if (err->code != STL_DIGEST_INVALID || !request_is_whole(request))
            return keep_session(exchange, &upload, err);
        stl_upload_cancel(&upload, &ignored);
        return -1;
    }
    send_created(exchange, &digest);
    return 0;
}

int cancel_upload(struct exchange *exchange, struct stl_error *err)
{
    const struct request *request = &exchange->request;
    STL_AUTO_UPLOAD struct stl_upload upload = STL_UPLOAD_INIT;
    if (open_session(exchange, &upload, request->reference, err) || stl_upload_cancel(&upload, err))
        return -1;
    response_send(&exchange->response, 204, NULL, NULL, 0);
    return 0;
}
