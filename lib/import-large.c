/* Blobs that are too large to begin again, and blobs in parts. */
#include "import-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "boot.h"
#include "copy.h"

enum { CHUNK = 256 << 10, CHECKPOINT = 64 << 20 };

/* parts/<digest>.state: how far a blob has got that comes in one piece. Read by the programs of one machine
 * only. */
struct record {
    char magic[8];
    char boot[STL_BOOT_ID_SIZE]; /* the run of the system during which this was saved (lib/boot.h) */
    int64_t covered;             /* bytes that `hasher` has seen */
    struct stl_hasher hasher;
};
static const char magic[8] = "import1";

static char *path_of(const struct stl_digest *digest, const char *ending, char path[STL_PATH_MAX])
{
    char text[STL_DIGEST_TEXT_MAX];
    snprintf(path, STL_PATH_MAX, "parts/%s%s", stl_digest_format(digest, text), ending);
    return path;
}

static char *marker_of(const struct stl_digest *digest, uint32_t part, char path[STL_PATH_MAX])
{
    char ending[16];
    snprintf(ending, sizeof ending, ".%u", part);
    return path_of(digest, ending, path);
}

static int open_file(const struct import *import, const struct stl_digest *digest, struct stl_error *err)
{
    char path[STL_PATH_MAX];
    const struct stl_root *root = &import->registry->root;
    STL_AUTO_CLOSE int folder = stl_dir_make(root, import->pending.holder.fd, "parts", err);
    if (folder < 0)
        return -1;
    int fd = openat(import->pending.holder.fd, path_of(digest, "", path),
                    O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    return fd < 0 ? stl_error_errno(err, "cannot open %s", path) : fd;
}

static void remove_file(const struct import *import, const struct stl_digest *digest, const char *ending)
{
    char path[STL_PATH_MAX];
    unlinkat(import->pending.holder.fd, path_of(digest, ending, path), 0);
}

/* Hands the finished file to the store, under a name in tmp/ from where it takes its place. */
static int store_file(const struct import *import, const struct stl_digest *digest, int fd,
                      struct stl_error *err)
{
    const struct stl_root *root = &import->registry->root;
    STL_AUTO_TEMP struct stl_temp temp = STL_TEMP_INIT;
    char path[STL_PATH_MAX], name[sizeof temp.name];
    path_of(digest, "", path);
    if (flock(fd, LOCK_EX | LOCK_NB))
        return stl_error_errno(err, "cannot lock %s", path);
    if (stl_temp_begin(root, &temp, err))
        return -1;
    if (renameat(import->pending.holder.fd, path, root->fd, temp.name))
        return stl_error_errno(err, "cannot move %s", path);
    memcpy(name, temp.name, sizeof name);
    stl_temp_park(&temp);
    STL_AUTO_CLOSE int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (own < 0)
        return stl_error_errno(err, "cannot move %s", path);
    if (stl_temp_adopt(root, &temp, own, name, err))
        return -1;
    own = -1;
    return stl_repo_put_blob(&import->pending.holder, &temp, digest, err);
}

/* --- in one piece --------------------------------------------------------------------------------------- */

static int save(const struct import *import, const struct stl_digest *digest, const struct stl_copy *copy,
                struct stl_error *err)
{
    struct record record;
    char path[STL_PATH_MAX];
    memset(&record, 0, sizeof record);
    memcpy(record.magic, magic, sizeof magic);
    stl_boot_id(record.boot);
    record.covered = copy->size;
    record.hasher = copy->hasher;
    path_of(digest, ".state", path);
    return stl_pending_write(&import->pending, path, &record, sizeof record, err);
}

/* Goes on where the last run stopped, if it is known where that was. */
static void resume(const struct import *import, const struct stl_digest *digest, int fd,
                   struct stl_copy *copy)
{
    STL_AUTO_BUF struct stl_buf bytes = {.ceiling = sizeof(struct record)};
    struct stl_error ignored = STL_ERROR_INIT;
    struct record record;
    struct stat st;
    char path[STL_PATH_MAX], boot[STL_BOOT_ID_SIZE];
    path_of(digest, ".state", path);
    if (stl_pending_read(&import->pending, path, &bytes, &ignored) <= 0 || bytes.length != sizeof record)
        return;
    memcpy(&record, bytes.data, sizeof record);
    stl_boot_id(boot);
    if (memcmp(record.magic, magic, sizeof magic) || !boot[0] || memcmp(record.boot, boot, sizeof boot) ||
        fstat(fd, &st) || record.covered < 0 || record.covered > st.st_size)
        return;
    copy->hasher = record.hasher;
    copy->size = copy->flushed = record.covered;
}

/* Passes over what is there already. */
static int skip(struct import_reader *reader, int64_t size, char *chunk, struct stl_error *err)
{
    if (!reader->stream) {
        reader->position = size;
        return 0;
    }
    while (reader->position < size) {
        int64_t left = size - reader->position;
        ssize_t n = stl_import_read(reader, chunk, left < CHUNK ? (size_t)left : CHUNK, err);
        if (n <= 0)
            return n < 0 ? -1 : stl_error_set(err, STL_INVALID, "it is cut short");
    }
    return 0;
}

static int copy_piece(struct import *import, const struct stl_digest *digest, struct import_reader *reader,
                      struct stl_copy *copy, struct stl_error *err)
{
    STL_AUTO_FREE char *chunk = stl_alloc(CHUNK);
    int64_t saved = copy->size;
    ssize_t n;
    if (skip(reader, copy->size, chunk, err) || lseek(copy->fd, copy->size, SEEK_SET) < 0 ||
        ftruncate(copy->fd, copy->size))
        return err->code ? -1 : stl_error_errno(err, "cannot go on with a blob");
    while ((n = stl_import_read(reader, chunk, CHUNK, err)) > 0) {
        if (stl_copy_add(copy, chunk, (size_t)n, err))
            return -1;
        if (copy->size - saved >= CHECKPOINT) {
            if (save(import, digest, copy, err))
                return -1;
            saved = copy->size;
        }
    }
    return (int)n;
}

int stl_import_large(struct import *import, const struct stl_digest *digest, struct import_reader *reader,
                     struct stl_error *err)
{
    struct stl_copy copy;
    struct stl_digest actual;
    STL_AUTO_CLOSE int fd = open_file(import, digest, err);
    if (fd < 0)
        return -1;
    stl_copy_begin(&copy, fd, digest->algorithm, stl_import_progress, import);
    resume(import, digest, fd, &copy);
    if (copy_piece(import, digest, reader, &copy, err))
        return -1;
    stl_copy_end(&copy, &actual);
    bool good = stl_digest_equal(&actual, digest);
    if (!good)
        remove_file(import, digest, "");
    remove_file(import, digest, ".state");
    return good ? store_file(import, digest, fd, err)
                : stl_error_set(err, STL_DIGEST_INVALID, "its content has another digest");
}

/* --- in parts ------------------------------------------------------------------------------------------- */

bool stl_import_has_part(const struct stl_pending *pending, const struct stl_digest *digest, uint32_t part)
{
    char path[STL_PATH_MAX];
    return pending->holder.fd >= 0 &&
           faccessat(pending->holder.fd, marker_of(digest, part, path), F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static int copy_part(struct import *import, const struct stl_bundle_piece *piece, int fd,
                     struct import_reader *reader, struct stl_error *err)
{
    STL_AUTO_FREE char *chunk = stl_alloc(CHUNK);
    struct stl_copy copy;
    struct stl_digest actual;
    ssize_t n;
    if (lseek(fd, piece->offset, SEEK_SET) < 0)
        return stl_error_errno(err, "cannot seek");
    stl_copy_begin(&copy, fd, piece->digest->algorithm, stl_import_progress, import);
    while ((n = stl_import_read(reader, chunk, CHUNK, err)) > 0)
        if (stl_copy_add(&copy, chunk, (size_t)n, err))
            return -1;
    if (n < 0)
        return -1;
    stl_copy_end(&copy, &actual);
    return stl_digest_equal(&actual, piece->digest)
               ? 0
               : stl_error_set(err, STL_DIGEST_INVALID, "its content has another digest");
}

/* The marker comes when the bytes are durable. */
int stl_import_part(struct import *import, const struct stl_bundle_piece *piece, struct import_reader *reader,
                    struct stl_error *err)
{
    char path[STL_PATH_MAX];
    STL_AUTO_CLOSE int fd = open_file(import, piece->blob, err);
    if (fd < 0 || copy_part(import, piece, fd, reader, err))
        return -1;
    if (fdatasync(fd))
        return stl_error_errno(err, "cannot sync a blob");
    return stl_pending_write(&import->pending, marker_of(piece->blob, piece->part, path), "", 0, err);
}

static int check_whole(const struct stl_digest *digest, int64_t size, int fd, struct stl_error *err)
{
    STL_AUTO_FREE char *chunk = stl_alloc(CHUNK);
    struct import_reader reader = {.extent = {.fd = fd, .size = size}, .size = size};
    struct stl_hasher hasher;
    struct stl_digest actual;
    ssize_t n;
    stl_hasher_init(&hasher, digest->algorithm);
    while ((n = stl_import_read(&reader, chunk, CHUNK, err)) > 0)
        stl_hasher_update(&hasher, chunk, (size_t)n);
    if (n < 0)
        return -1;
    stl_hasher_final(&hasher, &actual);
    return stl_digest_equal(&actual, digest)
               ? 0
               : stl_error_set(err, STL_DIGEST_INVALID,
                               "its parts are right, but together they have another digest");
}

static void forget_parts(struct import *import, const struct stl_digest *digest, uint32_t count)
{
    char path[STL_PATH_MAX];
    for (uint32_t part = 1; part <= count; part++)
        unlinkat(import->pending.holder.fd, marker_of(digest, part, path), 0);
}

int stl_import_join(struct import *import, size_t number, struct stl_error *err)
{
    const struct stl_digest *digest = &import->bundle->digests.items[number];
    const struct stl_bundle_blob *blob = &import->bundle->blobs[number];
    for (uint32_t part = 1; part <= blob->part_count; part++)
        if (!stl_import_has_part(&import->pending, digest, part))
            return 0;
    STL_AUTO_CLOSE int fd = open_file(import, digest, err);
    if (fd < 0)
        return -1;
    int result = check_whole(digest, blob->size, fd, err) || store_file(import, digest, fd, err) ? -1 : 1;
    if (result > 0 || err->code == STL_DIGEST_INVALID)
        forget_parts(import, digest, blob->part_count);
    return result;
}
