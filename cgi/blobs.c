/* Blobs that are there: read and delete. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "repo.h"
#include "route.h"

enum { CHUNK = 256 << 10 };

void send_file(struct exchange *exchange, int fd, int64_t size, const char *type)
{
    struct response *response = &exchange->response;
    response_begin(response, 200, type, size);
    STL_AUTO_FREE char *chunk = response->head ? NULL : stl_alloc(CHUNK);
    while (chunk && size > 0) {
        ssize_t n = read(fd, chunk, size < CHUNK ? (size_t)size : CHUNK);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0 || response_write(response, chunk, (size_t)n))
            return; /* the client sees that bytes are missing */
        size -= n;
    }
}

int serve_blob(struct exchange *exchange, struct stl_error *err)
{
    struct stl_digest digest;
    char path[STL_PATH_MAX], text[STL_DIGEST_TEXT_MAX];
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
    struct stat st;
    if (stl_digest_parse(exchange->request.reference, &digest, err) ||
        stl_repo_open(&repo, exchange->registry, &exchange->request.name, err))
        return -1;
    snprintf(path, sizeof path, "blobs/%s", stl_digest_format(&digest, text));
    STL_AUTO_CLOSE int fd = openat(repo.fd, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 && errno == ENOENT)
        return stl_error_set(err, STL_BLOB_UNKNOWN, "repository '%s' has no blob %s", repo.name.text, text);
    if (fd < 0 || fstat(fd, &st))
        return stl_error_errno(err, "cannot open %s", path);
    if (!S_ISREG(st.st_mode))
        return stl_error_set(err, STL_DAMAGED, "%s: %s is not a file", repo.name.text, path);
    response_header(&exchange->response, "Docker-Content-Digest", "%s", text);
    response_header(&exchange->response, "ETag", "\"%s\"", text);
    send_file(exchange, fd, st.st_size, "application/octet-stream");
    return 0;
}

int delete_blob(struct exchange *exchange, struct stl_error *err)
{
    struct stl_digest digest;
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
    if (!exchange->registry->settings.push.delete_blobs) {
        route_allow(exchange, "DELETE");
        return stl_error_set(err, STL_UNSUPPORTED, "this registry does not let blobs be deleted");
    }
    if (stl_digest_parse(exchange->request.reference, &digest, err) ||
        stl_repo_open(&repo, exchange->registry, &exchange->request.name, err) ||
        stl_repo_delete_blob(&repo, &digest, err))
        return -1;
    response_send(&exchange->response, 202, NULL, NULL, 0);
    return 0;
}
