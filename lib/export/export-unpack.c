/* Writes a bundle as a folder. */
#include "export-run.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "export.h"
#include "file-extent.h"

enum { CHUNK = 256 << 10 };

struct unpacker {
    struct stl_export *export;
    int folder;
    char *chunk;
};

static int create_file(const struct unpacker *u, const char *path, struct stl_error *err)
{
    int fd = openat(u->folder, path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0666);
    return fd < 0 ? stl_error_errno(err, "cannot write %s", path) : fd;
}

/* --- whether it fits ------------------------------------------------------------------------------------ */

struct room {
    int64_t block;        /* bytes; the size of a file is rounded up to a multiple of this */
    int64_t needed, most; /* of all files together; of the largest file */
};

static void add_room(struct room *room, int64_t size)
{
    room->needed += (size + room->block - 1) / room->block * room->block;
    room->most = size > room->most ? size : room->most;
}

static int add_piece_room(void *context, const struct stl_bundle_piece *piece, struct stl_error *err)
{
    (void)err;
    add_room(context, piece->size);
    return 0;
}

/* No file can be read or written beyond the maximum file size of its file system, nor can lseek(2) go
 * there. */
static int check_file_size(const struct unpacker *u, int64_t most, struct stl_error *err)
{
    STL_AUTO_CLOSE int fd = create_file(u, u->export->documents[0].path, err);
    if (fd < 0)
        return -1;
    if (lseek(fd, most, SEEK_SET) == most)
        return 0;
    return stl_error_set(err, STL_INVALID,
                         "a layer of %lld MB is too large for a file there (on FAT, files end at 4 GiB): use "
                         "another file system, such as exFAT, or write volumes with --volume-size",
                         (long long)(most / 1000000));
}

static int check_room(const struct unpacker *u, struct stl_error *err)
{
    const struct stl_export *export = u->export;
    struct statfs fs;
    if (fstatfs(u->folder, &fs))
        return stl_error_errno(err, "cannot ask for the free space");
    struct room room = {.block = fs.f_bsize > 0 ? fs.f_bsize : 512};
    stl_export_each(export, add_piece_room, &room, err);
    for (size_t i = 0; i < export->document_count; i++)
        add_room(&room, export->documents[i].bytes.size);
    add_room(&room, export->list.bytes.size);
    return check_file_size(u, room.most, err) ? -1 : stl_space_check(u->folder, (uint64_t)room.needed, err);
}

/* --- writing -------------------------------------------------------------------------------------------- */

static int make_folder(const struct unpacker *u, const char *path, struct stl_error *err)
{
    if (mkdirat(u->folder, path, 0777) == 0 || errno == EEXIST)
        return 0;
    return stl_error_errno(err, "cannot make %s", path);
}

static int make_folders(const struct unpacker *u, struct stl_error *err)
{
    static const char *const folders[] = {"blobs", "blobs/sha256", "blobs/sha512", "serve"};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        if (make_folder(u, folders[i], err))
            return -1;
    return 0;
}

static int unpack_bytes(const struct unpacker *u, const char *path, const void *bytes, size_t length,
                        struct stl_error *err)
{
    STL_AUTO_CLOSE int fd = create_file(u, path, err);
    if (fd < 0)
        return -1;
    return stl_write_all(fd, bytes, length, err) ? stl_error_context(err, "%s", path) : 0;
}

static int copy(const struct unpacker *u, const struct stl_extent *from, const char *path,
                stl_archive_progress *progress, struct stl_error *err)
{
    STL_AUTO_CLOSE int to = create_file(u, path, err);
    ssize_t n = -1;
    for (int64_t done = 0; to >= 0 && (n = stl_extent_read(from, done, u->chunk, CHUNK, err)) > 0;
         done += n) {
        if (stl_write_all(to, u->chunk, (size_t)n, err))
            return stl_error_context(err, "%s", path);
        if (progress)
            progress(u->export->options->progress_context, (uint64_t)n);
    }
    return n < 0 ? stl_error_context(err, "%s", path) : 0;
}

static int write_piece(void *context, const struct stl_bundle_piece *piece, struct stl_error *err)
{
    const struct unpacker *u = context;
    char path[STL_BUNDLE_PATH_MAX];
    stl_bundle_path(piece->blob, piece->part, path);
    STL_AUTO_CLOSE int from = stl_export_open(u->export, piece->blob, err);
    const struct stl_extent extent = {.fd = from, .size = piece->size};
    return from < 0 ? -1 : copy(u, &extent, path, u->export->options->progress, err);
}

static int write_documents(const struct unpacker *u, struct stl_error *err)
{
    for (size_t i = 0; i < u->export->document_count; i++) {
        const struct stl_export_document *document = &u->export->documents[i];
        if (copy(u, &document->bytes, document->path, NULL, err))
            return -1;
    }
    if (!u->export->options->key)
        return 0;
    return unpack_bytes(u, STL_BUNDLE_SIGNATURE, u->export->signature, STL_SIGNATURE_SIZE, err);
}

/* Everything in the folder, including the names, is on the medium. */
static int sync_all(const struct unpacker *u, struct stl_error *err)
{
    return syncfs(u->folder) ? stl_error_errno(err, "cannot write to the medium") : 0;
}

/* The list comes last: without it, the folder is not a bundle. */
static int write_bundle(struct unpacker *u, struct stl_error *err)
{
    if (check_room(u, err))
        return -1;
    if (make_folders(u, err))
        return -1;
    if (stl_export_each(u->export, write_piece, u, err))
        return -1;
    if (write_documents(u, err))
        return -1;
    if (sync_all(u, err))
        return -1;
    if (copy(u, &u->export->list.bytes, STL_BUNDLE_LIST, NULL, err))
        return -1;
    return sync_all(u, err);
}

static int unpack(struct unpacker *u, struct stl_error *err)
{
    struct stat st;
    if (fstatat(u->folder, STL_BUNDLE_LIST, &st, AT_SYMLINK_NOFOLLOW) == 0)
        return stl_error_set(err, STL_INVALID,
                             "there is a bundle already: give another folder, or remove it");
    if (fstatat(u->folder, STL_SETTINGS_FILE, &st, AT_SYMLINK_NOFOLLOW) == 0)
        return stl_error_set(err, STL_INVALID, "this is a registry: give another folder");
    u->chunk = stl_alloc(CHUNK);
    int result = write_bundle(u, err);
    stl_free_ptr(&u->chunk);
    return result;
}

int stl_export_unpack(struct stl_export *export, const char *path, struct stl_error *err)
{
    if (mkdir(path, 0777) && errno != EEXIST)
        return stl_error_errno(err, "cannot make %s", path);
    STL_AUTO_CLOSE int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        return stl_error_errno(err, "cannot open %s", path);
    struct unpacker unpacker = {.export = export, .folder = folder};
    return unpack(&unpacker, err) ? stl_error_context(err, "%s", path) : 0;
}
