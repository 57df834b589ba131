#include "arriving.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file-extent.h"

enum { CHUNK = 1 << 20 };

/* The key names the source as well: another repository may not give us this blob. */
static void make_key(const struct stl_remote *remote, const char *name, const struct stl_digest *digest,
                     char key[STL_TEMP_KEY + 1])
{
    char text[STL_DIGEST_TEXT_MAX];
    struct stl_digest hash;
    STL_AUTO_FREE char *source = stl_sprintf("%s/%s@%s", remote->host, name, stl_digest_format(digest, text));
    stl_digest_of(STL_SHA256, source, strlen(source), &hash);
    stl_digest_format(&hash, text);
    snprintf(key, STL_TEMP_KEY + 1, "%s", strchr(text, ':') + 1);
}

int64_t stl_arriving_kept(const struct stl_root *root, const struct stl_remote *remote, const char *name,
                          const struct stl_digest *digest, int64_t size)
{
    char key[STL_TEMP_KEY + 1];
    make_key(remote, name, digest, key);
    int64_t kept = stl_temp_kept_size(root, key);
    return kept <= size ? kept : 0; /* a longer file will be emptied */
}

static int start_over(struct stl_arriving *arriving, stl_copy_progress *progress, void *context,
                      struct stl_error *err)
{
    arriving->from = 0;
    if (ftruncate(arriving->temp.fd, 0) || lseek(arriving->temp.fd, 0, SEEK_SET) < 0)
        return stl_error_errno(err, "cannot empty a file in tmp/");
    stl_copy_begin(&arriving->copy, arriving->temp.fd, arriving->digest.algorithm, progress, context);
    return 0;
}

/* Hashes the first `length` bytes of the file, as if they had just arrived. */
static int reuse(struct stl_arriving *arriving, int64_t length, struct stl_error *err)
{
    struct stl_copy *copy = &arriving->copy;
    const struct stl_extent there = {.fd = arriving->temp.fd, .size = length};
    STL_AUTO_FREE char *chunk = stl_alloc(CHUNK);
    copy->fd = -1; /* to be hashed, not written */
    for (int64_t left; (left = length - copy->size) > 0;) {
        ssize_t n = stl_extent_read(&there, copy->size, chunk, left < CHUNK ? (size_t)left : CHUNK, err);
        if (n <= 0 || stl_copy_add(copy, chunk, (size_t)n, err))
            return -1;
    }
    copy->fd = arriving->temp.fd;
    arriving->from = length;
    return lseek(copy->fd, length, SEEK_SET) < 0 ? stl_error_errno(err, "cannot write") : 0;
}

int stl_arriving_begin(struct stl_arriving *arriving, const struct stl_root *root,
                       const struct stl_remote *remote, const char *name, const struct stl_digest *digest,
                       int64_t size, stl_copy_progress *progress, void *context, struct stl_error *err)
{
    char key[STL_TEMP_KEY + 1];
    struct stat st;
    *arriving = (struct stl_arriving){.temp = STL_TEMP_INIT, .digest = *digest, .size = size};
    make_key(remote, name, digest, key);
    if (stl_temp_keep(root, key, &arriving->temp, err))
        return -1;
    stl_copy_begin(&arriving->copy, arriving->temp.fd, digest->algorithm, progress, context);
    int result = fstat(arriving->temp.fd, &st) ? stl_error_errno(err, "cannot look at a file in tmp/") : 0;
    if (result == 0 && st.st_size > size)
        result = start_over(arriving, progress, context, err);
    else if (result == 0)
        result = reuse(arriving, st.st_size, err);
    if (result)
        stl_temp_abort(&arriving->temp);
    return result;
}

int stl_arriving_write(void *context, const void *bytes, size_t length, struct stl_error *err)
{
    struct stl_arriving *arriving = context;
    return stl_copy_add(&arriving->copy, bytes, length, err);
}

int stl_arriving_check(struct stl_arriving *arriving, struct stl_error *err)
{
    struct stl_digest actual;
    if (arriving->copy.size != arriving->size)
        return stl_error_set(err, STL_SIZE_INVALID, "it has %lld bytes where %lld are expected",
                             (long long)arriving->copy.size, (long long)arriving->size);
    stl_copy_end(&arriving->copy, &actual);
    if (!stl_digest_equal(&actual, &arriving->digest))
        return stl_error_set(err, STL_DIGEST_INVALID, "its content has another digest");
    return 0;
}

/* `progress` has already been told how many bytes are needed. */
bool stl_arriving_restart(struct stl_arriving *arriving, int status, struct stl_error *err)
{
    struct stl_error trouble = STL_ERROR_INIT;
    bool suspected = status == 416 || err->code == STL_INVALID || err->code == STL_SIZE_INVALID ||
                     err->code == STL_DIGEST_INVALID;
    if (arriving->from == 0 || !suspected || start_over(arriving, NULL, NULL, &trouble))
        return false;
    stl_error_clear(err);
    return true;
}

bool stl_arriving_close(struct stl_arriving *arriving, const struct stl_error *err)
{
    bool passes =
        err->code == STL_UNAVAILABLE || err->code == STL_TOO_MANY_REQUESTS || err->code == STL_NO_SPACE;
    bool keep = arriving->temp.fd >= 0 && arriving->copy.size > 0 && passes;
    if (keep)
        stl_temp_park(&arriving->temp);
    else
        stl_temp_abort(&arriving->temp);
    return keep;
}
