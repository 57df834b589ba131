/* Blobs that the repository has: read, delete. */
#include "blobs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "access.h"
#include "conditions.h"
#include "io.h"
#include "repo.h"
#include "route.h"

enum { CHUNK = 256 << 10 };

static void send_file(struct exchange *exchange, int fd, int64_t size, const char *type)
{
    struct response *response = &exchange->response;
    response_begin(response, 200, type, size);
    STL_AUTO_FREE char *chunk = response->head ? NULL : stl_alloc(CHUNK);
    while (chunk && size > 0) {
        ssize_t n = stl_read_some(fd, chunk, size < CHUNK ? (size_t)size : CHUNK);
        if (n <= 0 || response_write(response, chunk, (size_t)n))
            return; /* the client sees that bytes are missing */
        size -= n;
    }
}

/* Tags may move, but content with a given digest never changes. */
static void tell_caches(struct exchange *exchange)
{
    if (!strchr(exchange->request.reference, ':'))
        response_header(&exchange->response, "Cache-Control", "no-cache");
    else
        response_header(&exchange->response, "Cache-Control", "%s, max-age=31536000, immutable",
                        stl_access_is_public(exchange->registry, exchange->request.name.text) ? "public"
                                                                                              : "private");
}

int send_stored(struct exchange *exchange, const struct stl_repo *repo, const struct stl_digest *digest,
                const char *manifest_type, struct stl_error *err)
{
    char path[STL_PATH_MAX], text[STL_DIGEST_TEXT_MAX];
    struct stat st;
    bool unchanged;
    stl_digest_format(digest, text);
    snprintf(path, sizeof path, "%s/%s", manifest_type ? STL_REPO_LINKS : STL_REPO_BLOBS, text);
    /* For a manifest, this is our own symbolic link. */
    STL_AUTO_CLOSE int fd =
        openat(repo->fd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | (manifest_type ? 0 : O_NOFOLLOW));
    if (fd < 0 && errno == ENOENT)
        return stl_error_set(err, manifest_type ? STL_MANIFEST_UNKNOWN : STL_BLOB_UNKNOWN,
                             "repository '%s' has no %s %s", repo->name.text,
                             manifest_type ? "manifest" : "blob", text);
    if (fd < 0 || fstat(fd, &st))
        return stl_error_errno(err, "cannot open %s", path);
    if (!S_ISREG(st.st_mode))
        return stl_error_set(err, STL_DAMAGED, "%s: %s is not a file", repo->name.text, path);
    if (conditions_check_read(&exchange->request, exchange->request.reference, digest, &unchanged, err))
        return -1;
    response_header(&exchange->response, "Docker-Content-Digest", "%s", text);
    response_header(&exchange->response, "ETag", "\"%s\"", text);
    tell_caches(exchange);
    if (unchanged)
        response_send(&exchange->response, 304, NULL, NULL, 0);
    else
        send_file(exchange, fd, st.st_size, manifest_type ? manifest_type : "application/octet-stream");
    return 0;
}

static int send_blob(struct exchange *exchange, struct stl_error *err)
{
    struct stl_digest digest;
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
    if (stl_digest_parse(exchange->request.reference, &digest, err) ||
        stl_repo_open(&repo, exchange->registry, &exchange->request.name, err))
        return -1;
    return send_stored(exchange, &repo, &digest, NULL, err);
}

int serve_blob(struct exchange *exchange, struct stl_error *err)
{
    if (send_blob(exchange, err) == 0)
        return 0;
    int got = upstream_has(exchange, err) ? upstream_get(exchange, false, err) : -1;
    return got ? (got < 0 ? -1 : 0) : send_blob(exchange, err);
}

/* Conditions are ignored for what does not exist. */
static int check_blob_conditions(const struct exchange *exchange, const struct stl_repo *repo,
                                 const struct stl_digest *digest, struct stl_error *err)
{
    int exists = stl_repo_has_blob(repo, digest, NULL, err);
    if (exists <= 0)
        return exists;
    return conditions_check(&exchange->request, true, exchange->request.reference, digest, err);
}

int delete_blob(struct exchange *exchange, struct stl_error *err)
{
    struct stl_digest digest;
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
    if (!exchange->registry->settings.push.delete_blobs)
        return stl_error_set(err, STL_UNSUPPORTED, "this registry does not allow blobs to be deleted");
    if (stl_digest_parse(exchange->request.reference, &digest, err))
        return -1;
    if (stl_repo_open(&repo, exchange->registry, &exchange->request.name, err))
        return -1;
    if (check_blob_conditions(exchange, &repo, &digest, err))
        return -1;
    if (stl_repo_delete_blob(&repo, &digest, err))
        return -1;
    response_send(&exchange->response, 202, NULL, NULL, 0);
    return 0;
}
