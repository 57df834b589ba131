#include "unpack.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io.h"
#include "repo.h"
#include "tar-header.h"

enum { CHUNK = 256 << 10, PADDING_MAX = 64 << 20, END_SIZE = 2 * STL_TAR_BLOCK };

struct unpack {
    const struct stl_registry *registry;
    const struct stl_stage *stage;
    struct stl_members *members;
    struct archive *archive;
    int fd;
    char *chunk;
    bool at_header; /* a header is being read, not content */
    bool failed;    /* the file cannot be read */
    stl_copy_progress *progress;
    void *progress_context;
    int64_t left;  /* bytes of the member that is being read */
    int64_t holes; /* bytes of holes so far, which are not in the archive */
};

static void unpack_clear(struct unpack *unpack)
{
    archive_read_free(unpack->archive);
    free(unpack->chunk);
}

/* Bytes that were read in search of the next header. */
static int64_t searched(const struct unpack *unpack)
{
    return archive_filter_bytes(unpack->archive, 0) - archive_read_header_position(unpack->archive);
}

/* Endless zeros count as the end of the archive, too. */
static la_ssize_t read_chunk(struct archive *archive, void *context, const void **bytes)
{
    struct unpack *unpack = context;
    *bytes = unpack->chunk;
    if (unpack->at_header && searched(unpack) > STL_TAR_BEYOND_MAX)
        return 0;
    ssize_t n = stl_read_some(unpack->fd, unpack->chunk, CHUNK);
    if (n < 0) {
        unpack->failed = true;
        archive_set_error(archive, errno, "%s", strerror(errno));
    }
    return n;
}

/* Like archive_read_next_header(3), but skips anything that is no header: then a member is damaged, or the
 * zeros at the end are followed by something other than an archive. If another archive follows, it is read,
 * too. */
static int next_header(struct unpack *unpack, struct archive_entry **entry)
{
    bool behind_end = false;
    int result;
    unpack->at_header = true;
    do {
        result = archive_read_next_header(unpack->archive, entry);
        behind_end |= searched(unpack) >= END_SIZE;
    } while (result == ARCHIVE_RETRY);
    unpack->at_header = false;
    return result < ARCHIVE_WARN && behind_end && !unpack->failed ? ARCHIVE_EOF : result;
}

bool stl_unpack_is_blob(const char *name, struct stl_digest *digest)
{
    struct stl_error ignored = STL_ERROR_INIT;
    char text[STL_DIGEST_TEXT_MAX + 1];
    if (strncmp(name, "blobs/", 6) || (size_t)snprintf(text, sizeof text, "%s", name + 6) >= sizeof text)
        return false;
    char *slash = strchr(text, '/');
    if (!slash || strchr(text, ':'))
        return false;
    *slash = ':';
    return stl_digest_parse(text, digest, &ignored) == 0;
}

static int archive_failed(const struct unpack *unpack, struct stl_error *err)
{
    const char *why = archive_error_string(unpack->archive);
    bool cut = why && strcasestr(why, "truncated");
    return stl_error_set(err, STL_INVALID, "the archive cannot be read: %s%s",
                         why ? why : "it ends too early",
                         cut || !why ? ": it is incomplete: copy it again, or make it again" : "");
}

/* Files with this name will be parsed, so their size is limited before they fill the disk. */
static bool is_document(const char *name)
{
    size_t length = strlen(name);
    return (length > 5 && !strcmp(name + length - 5, ".json")) || !strcmp(name, "oci-layout") ||
           !strcmp(name, "repositories");
}

/* libarchive fills the holes of a sparse member, except one at its end. */
static ssize_t read_content(void *context, void *bytes, size_t length, struct stl_error *err)
{
    struct unpack *unpack = context;
    la_ssize_t n = archive_read_data(unpack->archive, bytes, length);
    if (n < 0)
        return archive_failed(unpack, err);
    if ((int64_t)length > unpack->left)
        length = (size_t)unpack->left;
    if ((size_t)n < length)
        memset((char *)bytes + n, 0, length - (size_t)n);
    unpack->left -= (int64_t)length;
    return (ssize_t)length;
}

static int count_holes(struct unpack *unpack, const char *name, struct archive_entry *entry,
                       struct stl_error *err)
{
    la_int64_t offset, length, holes = archive_entry_size(entry);
    if (archive_entry_sparse_reset(entry) == 0)
        return 0;
    while (archive_entry_sparse_next(entry, &offset, &length) == ARCHIVE_OK)
        holes -= length;
    if (holes < 0 || holes > STL_UNPACK_HOLES_MAX - unpack->holes)
        return stl_error_set(err, STL_INVALID,
                             "%s: its sparse members have more than %d GiB of holes: unpack it with tar, and "
                             "give the folder",
                             name, STL_UNPACK_HOLES_GIB);
    unpack->holes += holes;
    return 0;
}

static int unpack_content(struct unpack *unpack, const char *name, int64_t size,
                          const struct stl_digest *wanted, struct stl_temp *temp, struct stl_error *err)
{
    struct stl_copy copy;
    struct stl_digest actual;
    unpack->left = size;
    stl_copy_begin(&copy, temp->fd, wanted ? wanted->algorithm : STL_SHA256, unpack->progress,
                   unpack->progress_context);
    if (stl_copy_ahead(&copy, size, &(struct stl_stream){read_content, unpack}, err))
        return -1;
    stl_copy_end(&copy, &actual);
    if (wanted && !stl_digest_equal(&actual, wanted))
        return stl_error_set(err, STL_DIGEST_INVALID, "%s: its content has another digest", name);
    return 0;
}

static int unpack_file(struct unpack *unpack, const char *name, int64_t size, struct stl_error *err)
{
    struct stl_members *members = unpack->members;
    struct stl_member member = {.kind = STL_MEMBER_STAGED, .size = size, .number = (uint32_t)members->count};
    STL_AUTO_TEMP struct stl_temp temp = STL_TEMP_INIT;
    struct stl_digest digest;
    char staged[STL_STAGED_NAME_MAX];
    int64_t stored_size;
    if (is_document(name) && size > STL_SOURCE_DOCUMENT_MAX)
        return stl_error_set(err, STL_MANIFEST_TOO_LARGE, "%s has %lld bytes, which is more than %d", name,
                             (long long)size, STL_SOURCE_DOCUMENT_MAX);
    bool is_blob = stl_unpack_is_blob(name, &digest);
    int stored = is_blob ? stl_store_claim(unpack->registry, &digest, &stored_size, err) : 0;
    if (stored < 0)
        return -1;
    if (stored && stored_size == size) {
        member.kind = STL_MEMBER_STORED;
        stl_members_add(members, name, NULL, member);
        return 0;
    }
    snprintf(staged, sizeof staged, STL_UNPACKED_NAME, member.number);
    if (stl_stage_create(unpack->stage, staged, &temp, err) ||
        unpack_content(unpack, name, size, is_blob ? &digest : NULL, &temp, err))
        return -1;
    stl_temp_park(&temp);
    stl_members_add(members, name, NULL, member);
    return 0;
}

static int unpack_entry(struct unpack *unpack, struct archive_entry *entry, struct stl_error *err)
{
    const char *text = archive_entry_pathname(entry), *target;
    char name[STL_MEMBER_NAME_MAX];
    struct stl_member link = {.kind = STL_MEMBER_HARD_LINK};
    struct stl_members *members = unpack->members;
    if (!text)
        text = archive_entry_pathname_utf8(entry);
    if (!text)
        return stl_error_set(err, STL_INVALID, "the archive has a member whose name cannot be read");
    int usable = stl_members_meet(members, text, name, err);
    if (usable <= 0)
        return usable;
    if ((target = archive_entry_hardlink(entry)) != NULL) {
        stl_members_add(members, name, target, link);
        return 0;
    }
    switch (archive_entry_filetype(entry)) {
    case AE_IFDIR:
        return 0;
    case AE_IFLNK:
        link.kind = STL_MEMBER_SYMBOLIC_LINK;
        target = archive_entry_symlink(entry);
        stl_members_add(members, name, target ? target : "", link);
        return 0;
    case AE_IFREG:
        return count_holes(unpack, name, entry, err) ||
                       unpack_file(unpack, name, archive_entry_size(entry), err)
                   ? -1
                   : 0;
    default:
        return stl_error_set(err, STL_INVALID, "member %s is neither a file nor a folder nor a link", name);
    }
}

struct archive *stl_unpack_reader(void)
{
    struct archive *a = archive_read_new();
    if (!a)
        abort();
    archive_read_support_filter_gzip(a);
    archive_read_support_filter_zstd(a);
    archive_read_support_filter_xz(a);
    archive_read_support_filter_bzip2(a);
    archive_read_support_filter_lz4(a);
    archive_read_support_format_tar(a);
    return a;
}

void stl_unpack_read_padding(int fd)
{
    char padding[16 << 10];
    struct stat st;
    if (fstat(fd, &st) || S_ISREG(st.st_mode))
        return;
    for (int64_t left = PADDING_MAX; left > 0;) {
        ssize_t n = stl_read_some(fd, padding, sizeof padding);
        if (n <= 0)
            return;
        left -= n;
    }
}

int stl_unpack(int fd, const struct stl_registry *registry, const struct stl_stage *stage,
               struct stl_members *members, stl_copy_progress *progress, void *context, struct stl_error *err)
{
    __attribute__((cleanup(unpack_clear))) struct unpack unpack = {
        .registry = registry,
        .stage = stage,
        .members = members,
        .archive = stl_unpack_reader(),
        .fd = fd,
        .chunk = stl_alloc(CHUNK),
        .progress = progress,
        .progress_context = context,
    };
    archive_read_set_option(unpack.archive, "tar", "read_concatenated_archives", "1");
    if (archive_read_open(unpack.archive, &unpack, NULL, read_chunk, NULL))
        return archive_failed(&unpack, err);
    for (;;) {
        struct archive_entry *entry;
        int result = next_header(&unpack, &entry);
        if (result == ARCHIVE_EOF) {
            stl_unpack_read_padding(fd);
            return 0;
        }
        if (result < ARCHIVE_WARN)
            return archive_failed(&unpack, err);
        if (unpack_entry(&unpack, entry, err))
            return -1;
        if (archive_read_data_skip(unpack.archive) < ARCHIVE_WARN)
            return archive_failed(&unpack, err);
    }
}
