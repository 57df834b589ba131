#include "volume.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive.h"
#include "tar.h"
#include "unpack.h"

enum { CHUNK = 256 << 10, PIPE_SIZE = 1 << 20 };

static int no_bundle(const struct stl_volume *volume, struct stl_error *err)
{
    return stl_error_set(err, STL_INVALID,
                         "%s is not a bundle: it has no " STL_BUNDLE_LIST
                         " (for images of other tools there is 'stillage add')",
                         volume->label);
}

static int take_list(struct stl_volume *volume, struct stl_buf *list, struct stl_error *err)
{
    return stl_bundle_parse(&volume->bundle, list, err) ? stl_error_context(err, "%s", volume->label) : 0;
}

static int take_signature(struct stl_volume *volume, const struct stl_buf *signature, struct stl_error *err)
{
    if (signature->length != STL_SIGNATURE_SIZE)
        return stl_error_set(err, STL_INVALID,
                             "%s: " STL_BUNDLE_SIGNATURE " has %zu bytes where a signature has %d",
                             volume->label, signature->length, STL_SIGNATURE_SIZE);
    memcpy(volume->signature, signature->data, STL_SIGNATURE_SIZE);
    volume->is_signed = true;
    return 0;
}

/* --- folders and files ---------------------------------------------------------------------------------- */

int stl_volume_find(const struct stl_volume *volume, const char *path, struct stl_extent *extent,
                    struct stl_error *err)
{
    if (volume->is_folder)
        return stl_source_find(&volume->folder, path, extent, err);
    ssize_t found = stl_members_find(&volume->members, path);
    if (found < 0)
        return 0;
    const struct stl_member *member = &volume->members.items[found];
    *extent = (struct stl_extent){.fd = volume->fd, .offset = member->offset, .size = member->size};
    return 1;
}

static int read_whole(const struct stl_volume *volume, const char *path, struct stl_buf *bytes,
                      struct stl_error *err)
{
    STL_AUTO_EXTENT struct stl_extent extent = STL_EXTENT_INIT;
    int found = stl_volume_find(volume, path, &extent, err);
    if (found <= 0)
        return found;
    char *place = extent.size > STL_BUNDLE_LIST_MAX ? NULL : stl_buf_extend(bytes, (size_t)extent.size);
    if (!place)
        return stl_error_set(err, STL_INVALID, "%s: %s is too large", volume->label, path);
    return stl_extent_read(&extent, 0, place, (size_t)extent.size, err) < 0
               ? stl_error_context(err, "%s: %s", volume->label, path)
               : 1;
}

static int read_head(struct stl_volume *volume, struct stl_error *err)
{
    STL_AUTO_BUF struct stl_buf list = {.ceiling = STL_BUNDLE_LIST_MAX},
                                signature = {.ceiling = STL_BUNDLE_LIST_MAX};
    int found = read_whole(volume, STL_BUNDLE_LIST, &list, err);
    if (found <= 0)
        return found < 0 ? -1 : no_bundle(volume, err);
    if (take_list(volume, &list, err))
        return -1;
    found = read_whole(volume, STL_BUNDLE_SIGNATURE, &signature, err);
    return found <= 0 ? found : take_signature(volume, &signature, err);
}

/* Members that are not files are ignored: no path of a bundle leads to them. */
static int index_member(void *context, const struct stl_tar_member *member, struct stl_error *err)
{
    struct stl_volume *volume = context;
    char name[STL_MEMBER_NAME_MAX];
    int usable = stl_members_meet(&volume->members, member->name, name, err);
    if (usable <= 0 || member->type != STL_TAR_FILE)
        return usable < 0 ? -1 : 0;
    const struct stl_member added = {
        .kind = STL_MEMBER_IN_PLACE, .offset = member->offset, .size = member->size};
    stl_members_add(&volume->members, name, NULL, added);
    return 0;
}

/* --- damaged files -------------------------------------------------------------------------------------- */

/* The offsets at which the members of a volume begin if we wrote it. */
struct calculation {
    struct stl_volume *volume;
    uint32_t number; /* the volume that we assume it to be */
    int64_t position, file_size;
    struct stl_members found;
};

/* A member that lies entirely within the file is assumed to be there; its digest will tell. */
static void calculate(struct calculation *c, const char *path, int64_t size)
{
    int64_t whole = stl_archive_member_size(path, size),
            padded = stl_archive_member_size("", size) - stl_archive_member_size("", 0);
    int64_t offset = c->position + whole - padded;
    c->position += whole;
    if (offset + size > c->file_size)
        return;
    const struct stl_member member = {.kind = STL_MEMBER_IN_PLACE, .offset = offset, .size = size};
    stl_members_add(&c->found, path, NULL, member);
}

static int calculate_piece(void *context, const struct stl_bundle_piece *piece, struct stl_error *err)
{
    struct calculation *c = context;
    char path[STL_BUNDLE_PATH_MAX];
    (void)err;
    if (piece->volume == STL_BUNDLE_EVERYWHERE || piece->volume == c->number)
        calculate(c, stl_bundle_path(piece->blob, piece->part, path), piece->size);
    return 0;
}

static void calculate_documents(struct calculation *c, bool leading)
{
    const struct stl_bundle *bundle = &c->volume->bundle;
    for (size_t i = 0; i < bundle->document_count; i++)
        if (stl_bundle_leads(bundle->documents[i].path) == leading)
            calculate(c, bundle->documents[i].path, bundle->documents[i].size);
}

static void calculate_all(struct calculation *c)
{
    struct stl_error ignored = STL_ERROR_INIT;
    const struct stl_bundle *bundle = &c->volume->bundle;
    c->position = 0;
    stl_members_clear(&c->found);
    calculate_documents(c, true);
    calculate(c, STL_BUNDLE_LIST, (int64_t)bundle->list.length);
    if (c->volume->is_signed)
        calculate(c, STL_BUNDLE_SIGNATURE, STL_SIGNATURE_SIZE);
    stl_bundle_each(bundle, calculate_piece, c, &ignored);
    calculate_documents(c, false);
}

/* Whether the computed offsets agree with what was found: everything that was found is where it should be. */
static bool agrees(const struct calculation *c)
{
    for (size_t i = 0; i < c->volume->members.count; i++) {
        const struct stl_member *member = &c->volume->members.items[i];
        ssize_t found = stl_members_find(&c->found, member->name);
        if (found < 0 || c->found.items[found].offset != member->offset)
            return false;
    }
    return true;
}

/* The volume, and with it all offsets, is the one that agrees with the headers before the damage. If none
 * agrees, only what was found is used. */
static int recover(struct stl_volume *volume, int64_t file_size, struct stl_error *err)
{
    struct calculation c = {.volume = volume, .file_size = file_size};
    int result = 0;
    for (c.number = 1; c.number <= volume->bundle.volumes && result == 0; c.number++) {
        calculate_all(&c);
        result = stl_members_finish(&c.found, NULL, NULL, err);
        bool whole = c.position + STL_ARCHIVE_END_SIZE == file_size || c.number == volume->bundle.volumes;
        if (result == 0 && whole && agrees(&c)) {
            stl_members_clear(&volume->members);
            volume->members = c.found;
            c.found = (struct stl_members){0};
            break;
        }
    }
    stl_members_clear(&c.found);
    return result;
}

static int open_file(struct stl_volume *volume, int64_t size, bool *is_tar, struct stl_error *err)
{
    int walked = stl_tar_walk(volume->fd, size, false, index_member, volume, err);
    *is_tar = walked != 0;
    if (walked == 0)
        return 0;
    if (walked < 0) {
        stl_error_context(err, "%s", volume->label);
        volume->damage = *err;
        stl_error_clear(err);
    }
    if (stl_members_finish(&volume->members, NULL, NULL, err))
        return stl_error_context(err, "%s", volume->label);
    if (walked < 0 && stl_members_find(&volume->members, STL_BUNDLE_LIST) < 0) {
        *err = volume->damage;
        return -1;
    }
    if (read_head(volume, err))
        return -1;
    return walked < 0 ? recover(volume, size, err) : 0;
}

/* --- streams -------------------------------------------------------------------------------------------- */

struct stl_volume_stream {
    struct archive *archive;
    struct archive_entry *entry; /* read, but not yet handed out; or NULL */
};

static int stream_failed(const struct stl_volume *volume, struct stl_error *err)
{
    const char *why = archive_error_string(volume->stream->archive);
    if (archive_format(volume->stream->archive) == 0) /* no archive was recognised */
        return no_bundle(volume, err);
    return stl_error_set(err, STL_INVALID, "%s cannot be read: %s", volume->label,
                         why ? why : "unknown error");
}

/* Advances to the next regular file. Returns 1, 0 or -1. */
static int advance(struct stl_volume *volume, struct stl_error *err)
{
    struct stl_volume_stream *stream = volume->stream;
    while (!stream->entry) {
        int result = archive_read_next_header(stream->archive, &stream->entry);
        if (result == ARCHIVE_EOF) {
            stl_unpack_read_padding(volume->fd);
            stream->entry = NULL;
            return 0;
        }
        if (result != ARCHIVE_RETRY && result < ARCHIVE_WARN)
            return stream_failed(volume, err);
        if (result == ARCHIVE_RETRY || archive_entry_filetype(stream->entry) != AE_IFREG ||
            archive_entry_hardlink(stream->entry) || archive_entry_sparse_count(stream->entry) > 0)
            stream->entry = NULL;
    }
    return 1;
}

int stl_volume_peek(struct stl_volume *volume, char path[STL_MEMBER_NAME_MAX], int64_t *size,
                    struct stl_error *err)
{
    int found = advance(volume, err);
    if (found <= 0)
        return found;
    const char *name = archive_entry_pathname(volume->stream->entry);
    *size = archive_entry_size(volume->stream->entry);
    return stl_member_name(name ? name : "..", path, err) < 0 ? stl_error_context(err, "%s", volume->label)
                                                              : 1;
}

int stl_volume_next(struct stl_volume *volume, char path[STL_MEMBER_NAME_MAX], int64_t *size,
                    struct stl_error *err)
{
    int found = stl_volume_peek(volume, path, size, err);
    volume->stream->entry = NULL;
    return found;
}

ssize_t stl_volume_read(struct stl_volume *volume, void *bytes, size_t length, struct stl_error *err)
{
    la_ssize_t n = archive_read_data(volume->stream->archive, bytes, length);
    return n < 0 ? stream_failed(volume, err) : n;
}

int stl_volume_fill(struct stl_volume *volume, void *bytes, size_t length, struct stl_error *err)
{
    ssize_t n = stl_volume_read(volume, bytes, length, err);
    if (n < 0)
        return -1;
    return (size_t)n < length ? stl_error_set(err, STL_INVALID, "%s is truncated", volume->label) : 0;
}

static int read_stream(struct stl_volume *volume, int64_t size, struct stl_buf *bytes, struct stl_error *err)
{
    char *place = size > STL_BUNDLE_LIST_MAX ? NULL : stl_buf_extend(bytes, (size_t)size);
    if (!place)
        return stl_error_set(err, STL_INVALID, "%s: a document in front of its content is too large",
                             volume->label);
    return stl_volume_fill(volume, place, (size_t)size, err);
}

static int note_early(struct stl_volume *volume, const char *path, int64_t size, struct stl_error *err)
{
    struct stl_volume_early *early = &volume->early[volume->early_count++];
    STL_AUTO_FREE char *chunk = stl_alloc(CHUNK);
    struct stl_hasher hasher;
    ssize_t n;
    *early = (struct stl_volume_early){.size = size};
    snprintf(early->path, sizeof early->path, "%.*s", (int)sizeof early->path - 1, path);
    stl_hasher_init(&hasher, STL_SHA256);
    while ((n = stl_volume_read(volume, chunk, CHUNK, err)) > 0)
        stl_hasher_update(&hasher, chunk, (size_t)n);
    stl_hasher_final(&hasher, &early->digest);
    return (int)n;
}

static int read_stream_head(struct stl_volume *volume, struct stl_error *err)
{
    STL_AUTO_BUF struct stl_buf list = {.ceiling = STL_BUNDLE_LIST_MAX},
                                signature = {.ceiling = STL_BUNDLE_LIST_MAX};
    char path[STL_MEMBER_NAME_MAX] = "";
    int64_t size = 0;
    for (;;) {
        int found = stl_volume_next(volume, path, &size, err);
        if (found <= 0)
            return found < 0 ? -1 : no_bundle(volume, err);
        if (!strcmp(path, STL_BUNDLE_LIST) || volume->early_count == STL_VOLUME_EARLY_MAX)
            break;
        if (note_early(volume, path, size, err))
            return -1;
    }
    if (strcmp(path, STL_BUNDLE_LIST))
        return stl_error_set(err, STL_INVALID,
                             "%s is not a bundle, or was repacked: " STL_BUNDLE_LIST
                             " is not among its first "
                             "members (unpack it and import the folder)",
                             volume->label);
    if (read_stream(volume, size, &list, err) || take_list(volume, &list, err))
        return -1;
    int found = stl_volume_peek(volume, path, &size, err);
    if (found <= 0 || strcmp(path, STL_BUNDLE_SIGNATURE))
        return found < 0 ? -1 : 0;
    if (stl_volume_next(volume, path, &size, err) < 0)
        return -1;
    if (read_stream(volume, size, &signature, err))
        return -1;
    if (take_signature(volume, &signature, err))
        return -1;
    return 0;
}

static int open_stream(struct stl_volume *volume, struct stl_error *err)
{
    volume->stream = stl_alloc(sizeof *volume->stream);
    volume->stream->archive = stl_unpack_reader();
    fcntl(volume->fd, F_SETPIPE_SZ, PIPE_SIZE); /* if it is a pipe, its writer goes on while we hash */
    return archive_read_open_fd(volume->stream->archive, volume->fd, CHUNK) ? stream_failed(volume, err)
                                                                            : read_stream_head(volume, err);
}

/* --- any kind ------------------------------------------------------------------------------------------- */

static int open_any(struct stl_volume *volume, struct stl_error *err)
{
    struct stat st;
    bool is_tar = false;
    if (fstat(volume->fd, &st))
        return stl_error_errno(err, "cannot read %s", volume->label);
    volume->is_folder = S_ISDIR(st.st_mode);
    if (volume->is_folder) {
        int fd = volume->fd;
        volume->fd = -1;
        return stl_source_open(&volume->folder, fd, volume->label, NULL, NULL, NULL, NULL, err) ||
                       read_head(volume, err)
                   ? -1
                   : 0;
    }
    if (S_ISREG(st.st_mode) && lseek(volume->fd, 0, SEEK_CUR) == 0 &&
        open_file(volume, st.st_size, &is_tar, err))
        return -1;
    return is_tar ? 0 : open_stream(volume, err);
}

int stl_volume_open(struct stl_volume *volume, int fd, const char *label, struct stl_error *err)
{
    *volume = (struct stl_volume)STL_VOLUME_INIT;
    volume->fd = fd;
    volume->label = stl_strdup(label);
    if (open_any(volume, err) == 0)
        return 0;
    stl_volume_close(volume);
    return -1;
}

void stl_volume_drop_list(struct stl_volume *volume)
{
    struct stl_digest id = volume->bundle.id;
    stl_bundle_clear(&volume->bundle);
    volume->bundle.id = id;
}

void stl_volume_close(struct stl_volume *volume)
{
    if (volume->stream)
        archive_read_free(volume->stream->archive);
    free(volume->stream);
    stl_members_clear(&volume->members);
    stl_source_close(&volume->folder);
    stl_bundle_clear(&volume->bundle);
    stl_close_fd(&volume->fd);
    free(volume->label);
    *volume = (struct stl_volume)STL_VOLUME_INIT;
}
