/* Copying blobs that are too large to start over, and blobs in parts. */
#include "import-run.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "blobs.h"
#include "checkpoint.h"
#include "import.h"

static char *path_of_part(const struct stl_digest *digest, const char *ending, char path[STL_PATH_MAX])
{
    char text[STL_DIGEST_TEXT_MAX];
    snprintf(path, STL_PATH_MAX, "parts/%s%s", stl_digest_format(digest, text), ending);
    return path;
}

static char *marker_of(const struct stl_digest *digest, uint32_t part, char path[STL_PATH_MAX])
{
    char ending[16];
    snprintf(ending, sizeof ending, ".%u", part);
    return path_of_part(digest, ending, path);
}

static int open_file(const struct import *import, const struct stl_digest *digest, struct stl_error *err)
{
    char path[STL_PATH_MAX];
    const struct stl_root *root = &import->registry->root;
    STL_AUTO_CLOSE int folder = stl_dir_make(root, import->pending.holder.fd, "parts", err);
    if (folder < 0)
        return -1;
    int fd = openat(import->pending.holder.fd, path_of_part(digest, "", path),
                    O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    return fd < 0 ? stl_error_errno(err, "cannot open %s", path) : fd;
}

static void remove_part_file(const struct import *import, const struct stl_digest *digest, const char *ending)
{
    char path[STL_PATH_MAX];
    unlinkat(import->pending.holder.fd, path_of_part(digest, ending, path), 0);
}

/* Hands the finished file to the store. Until it is in place there, it is kept for the next run in case of an
 * interruption. */
static int store_file(const struct import *import, const struct stl_digest *digest, int fd,
                      struct stl_error *err)
{
    struct stl_temp temp;
    char path[STL_PATH_MAX];
    STL_AUTO_FREE char *full =
        stl_sprintf("%s/%s", import->pending.holder.name.text, path_of_part(digest, "", path));
    if (stl_temp_adopt(&import->registry->root, &temp, fd, -1, full, err) ||
        stl_repo_put_blob(&import->pending.holder, &temp, digest, err))
        return -1;
    if (temp.name[0]) /* the store already has it by now */
        remove_part_file(import, digest, "");
    return 0;
}

/* --- in one piece --------------------------------------------------------------------------------------- */

/* A blob that is being copied. parts/<digest>.state is its last checkpoint. */
struct large {
    struct import *import;
    const struct stl_digest *digest;
    struct stl_copy copy;
    int64_t saved;          /* bytes */
    struct stl_error error; /* STL_OK, or why the last state could not be saved */
};

static int save(const struct large *large, struct stl_error *err)
{
    struct stl_checkpoint checkpoint;
    char path[STL_PATH_MAX];
    if (stl_checkpoint_make(&checkpoint, large->copy.fd, &large->copy.hasher, large->copy.size, err))
        return -1;
    path_of_part(large->digest, ".state", path);
    return stl_pending_write(&large->import->pending, path, &checkpoint, sizeof checkpoint, err);
}

/* All bytes so far are in the file. */
static void note_progress(void *context, uint64_t bytes)
{
    struct large *large = context;
    stl_import_progress(large->import, bytes);
    if (large->copy.size - large->saved < STL_CHECKPOINT_EVERY || large->error.code)
        return;
    save(large, &large->error);
    large->saved = large->copy.size;
}

/* Continues where the last run stopped, if that is known. */
static void resume(struct large *large)
{
    STL_AUTO_BUF struct stl_buf bytes = {.ceiling = sizeof(struct stl_checkpoint)};
    struct stl_error ignored = STL_ERROR_INIT;
    struct stl_checkpoint checkpoint;
    struct stat st;
    char path[STL_PATH_MAX];
    path_of_part(large->digest, ".state", path);
    if (stl_pending_read(&large->import->pending, path, &bytes, &ignored) <= 0 ||
        bytes.length != sizeof checkpoint || fstat(large->copy.fd, &st))
        return;
    memcpy(&checkpoint, bytes.data, sizeof checkpoint);
    if (!stl_checkpoint_is_good(&checkpoint, st.st_size))
        return;
    large->copy.hasher = checkpoint.hasher;
    large->copy.size = large->copy.flushed = large->saved = checkpoint.covered;
}

/* Skips what is there already. */
static int skip(struct import_reader *reader, int64_t size, struct stl_error *err)
{
    char chunk[16384];
    if (!reader->stream) {
        reader->position = size;
        return 0;
    }
    while (reader->position < size) {
        int64_t left = size - reader->position;
        ssize_t n =
            stl_import_read(reader, chunk, left < (int64_t)sizeof chunk ? (size_t)left : sizeof chunk, err);
        if (n <= 0)
            return n < 0 ? -1 : stl_error_set(err, STL_INVALID, "it is cut short");
    }
    return 0;
}

static int copy_large(struct large *large, struct import_reader *reader, struct stl_error *err)
{
    struct stl_copy *copy = &large->copy;
    resume(large);
    if (skip(reader, copy->size, err))
        return -1;
    if (lseek(copy->fd, copy->size, SEEK_SET) < 0 || ftruncate(copy->fd, copy->size))
        return stl_error_errno(err, "cannot continue a blob");
    int result = stl_import_copy(copy, large->digest, reader, err);
    if (large->error.code)
        *err = large->error;
    return large->error.code ? -1 : result;
}

int stl_import_large(struct import *import, const struct stl_digest *digest, struct import_reader *reader,
                     struct stl_error *err)
{
    struct large large = {.import = import, .digest = digest};
    STL_AUTO_CLOSE int fd = open_file(import, digest, err);
    if (fd < 0)
        return -1;
    stl_copy_begin(&large.copy, fd, digest->algorithm, note_progress, &large);
    int result = copy_large(&large, reader, err);
    if (result && err->code != STL_DIGEST_INVALID)
        return -1;
    if (result)
        remove_part_file(import, digest, "");
    else if (store_file(import, digest, fd, err))
        return -1;
    remove_part_file(import, digest, ".state"); /* removed last: until the bytes are durable, it says how far
                                              they are */
    return result;
}

/* --- in parts ------------------------------------------------------------------------------------------- */

int stl_import_has_part(const struct stl_pending *pending, const struct stl_digest *digest, uint32_t part,
                        struct stl_error *err)
{
    char path[STL_PATH_MAX];
    if (pending->holder.fd < 0)
        return 0;
    if (faccessat(pending->holder.fd, marker_of(digest, part, path), F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        return 1;
    return errno == ENOENT ? 0 : stl_error_errno(err, "cannot look for part %u of a blob", part);
}

static int copy_part(struct import *import, const struct stl_bundle_piece *piece, int fd,
                     struct import_reader *reader, struct stl_error *err)
{
    struct stl_copy copy;
    if (lseek(fd, piece->offset, SEEK_SET) < 0)
        return stl_error_errno(err, "cannot seek");
    stl_copy_begin(&copy, fd, piece->digest->algorithm, stl_import_progress, import);
    return stl_import_copy(&copy, piece->digest, reader, err);
}

/* The marker is made once the bytes and the name of their file are durable. */
int stl_import_part(struct import *import, const struct stl_bundle_piece *piece, struct import_reader *reader,
                    struct stl_error *err)
{
    char path[STL_PATH_MAX];
    STL_AUTO_CLOSE int fd = open_file(import, piece->blob, err);
    if (fd < 0 || copy_part(import, piece, fd, reader, err))
        return -1;
    if (fdatasync(fd))
        return stl_error_errno(err, "cannot sync a blob");
    STL_AUTO_CLOSE int folder = stl_dir_open(import->pending.holder.fd, "parts", err);
    if (folder < 0 || stl_dir_sync(folder, err))
        return -1;
    return stl_pending_write(&import->pending, marker_of(piece->blob, piece->part, path), "", 0, err);
}

static int check_whole(const struct stl_digest *digest, int64_t size, int fd, struct stl_error *err)
{
    struct import_reader reader = {.extent = {.fd = fd, .size = size}, .size = size};
    struct stl_copy copy;
    stl_copy_begin(&copy, -1, digest->algorithm, NULL, NULL);
    int result = stl_import_copy(&copy, digest, &reader, err);
    if (result && err->code == STL_DIGEST_INVALID)
        stl_error_set(err, STL_DIGEST_INVALID,
                      "its parts are intact, but together they have a different digest");
    return result;
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
    for (uint32_t part = 1; part <= blob->part_count; part++) {
        int found = stl_import_has_part(&import->pending, digest, part, err);
        if (found <= 0)
            return found;
    }
    STL_AUTO_CLOSE int fd = open_file(import, digest, err);
    if (fd < 0)
        return -1;
    int result = check_whole(digest, blob->size, fd, err) || store_file(import, digest, fd, err) ? -1 : 1;
    /* Also if the file is shorter than its parts: a power cut has kept their markers but not the bytes. */
    if (result > 0 || err->code == STL_DIGEST_INVALID || err->code == STL_INVALID)
        forget_parts(import, digest, blob->part_count);
    return result;
}
