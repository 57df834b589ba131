#include "source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io.h"
#include "looks.h"
#include "repo.h"
#include "tar-header.h"
#include "tar.h"
#include "unpack.h"

static int index_member(void *context, const struct stl_tar_member *member, struct stl_error *err)
{
    static const enum stl_member_kind kinds[] = {[STL_TAR_FILE] = STL_MEMBER_IN_PLACE,
                                                 [STL_TAR_HARD_LINK] = STL_MEMBER_HARD_LINK,
                                                 [STL_TAR_SYMBOLIC_LINK] = STL_MEMBER_SYMBOLIC_LINK};
    struct stl_source *source = context;
    char name[STL_MEMBER_NAME_MAX];
    int usable = stl_members_meet(&source->members, member->name, name, err);
    if (usable <= 0)
        return usable;
    if (member->type == STL_TAR_OTHER)
        return stl_error_set(err, STL_INVALID, "member %s is neither a file nor a folder nor a link", name);
    if (member->type == STL_TAR_DIRECTORY)
        return 0;
    bool is_link = member->type != STL_TAR_FILE;
    const struct stl_member added = {
        .kind = kinds[member->type], .offset = member->offset, .size = member->size};
    stl_members_add(&source->members, name, is_link ? member->target : NULL, added);
    return 0;
}

static int open_member(const struct stl_source *source, const struct stl_member *member,
                       struct stl_extent *extent, struct stl_error *err);

/* A blob that was unpacked or is in the store has the digest in its name. */
static int is_same(void *context, const struct stl_member *a, const struct stl_member *b,
                   struct stl_error *err)
{
    const struct stl_source *source = context;
    STL_AUTO_EXTENT struct stl_extent left = STL_EXTENT_INIT, right = STL_EXTENT_INIT;
    struct stl_digest digest;
    if (a->kind != STL_MEMBER_IN_PLACE && stl_unpack_is_blob(a->name, &digest))
        return 1;
    if (open_member(source, a, &left, err) || open_member(source, b, &right, err))
        return -1;
    return stl_extent_equal(&left, &right, err);
}

static int read_archive(struct stl_source *source, const struct stat *st, stl_copy_progress *progress,
                        void *context, struct stl_error *err)
{
    int indexed = 0;
    if (S_ISREG(st->st_mode) && lseek(source->fd, 0, SEEK_CUR) == 0)
        indexed = stl_tar_walk(source->fd, st->st_size, true, index_member, source, err);
    source->is_indexed = indexed > 0;
    if (indexed == 0)
        stl_members_clear(&source->members);
    if (indexed < 0 || (indexed == 0 && stl_unpack(source->fd, source->registry, source->stage,
                                                   &source->members, progress, context, err)))
        return -1;
    return stl_members_finish(&source->members, is_same, source, err);
}

/* A file that does not even begin like an archive may be recognised as something else. */
static void explain(const struct stl_source *source, struct stl_error *err)
{
    const char *what =
        source->members.met == 0 && err->code == STL_INVALID ? stl_looks_like_file(source->fd) : NULL;
    if (what)
        stl_error_set(err, STL_INVALID, "it is not an archive of images: %s", what);
}

int stl_source_open(struct stl_source *source, int fd, const char *label, const struct stl_registry *registry,
                    const struct stl_stage *stage, stl_copy_progress *progress, void *context,
                    struct stl_error *err)
{
    struct stat st;
    *source = (struct stl_source){.fd = fd, .label = stl_strdup(label), .registry = registry, .stage = stage};
    int result = fstat(fd, &st) ? stl_error_errno(err, "cannot read") : 0;
    source->is_directory = result == 0 && S_ISDIR(st.st_mode);
    if (result == 0 && !source->is_directory)
        result = read_archive(source, &st, progress, context, err);
    if (result) {
        explain(source, err);
        stl_error_context(err, "%s", label);
        stl_source_close(source);
    }
    return result;
}

void stl_source_elsewhere(struct stl_source *source, const char *label, const struct stl_registry *registry,
                          const struct stl_stage *stage)
{
    *source = (struct stl_source){.fd = -1, .label = stl_strdup(label), .registry = registry, .stage = stage};
}

void stl_source_close(struct stl_source *source)
{
    stl_close_fd(&source->fd);
    stl_members_clear(&source->members);
    free(source->label);
    *source = (struct stl_source)STL_SOURCE_INIT;
}

bool stl_source_is_cut(const struct stl_source *source)
{
    struct stat st;
    char block[STL_TAR_BLOCK];
    if (!source->is_indexed || fstat(source->fd, &st) || st.st_size < (off_t)sizeof block ||
        stl_pread_full(source->fd, block, sizeof block, st.st_size - (off_t)sizeof block) !=
            (ssize_t)sizeof block)
        return false;
    for (size_t i = 0; i < sizeof block; i++)
        if (block[i])
            return true;
    return false;
}

static int not_a_file(const struct stl_source *source, const char *path, struct stl_error *err)
{
    return stl_error_set(err, STL_INVALID, "%s: %s is not a regular file", source->label, path);
}

/* --- folders -------------------------------------------------------------------------------------------- */

/* An absolute link may still lead into the folder. */
static int open_absolute_link(int directory, const char *path)
{
    STL_AUTO_FREE char *link = stl_sprintf("/proc/self/fd/%d", directory);
    STL_AUTO_FREE char *name = stl_sprintf("%s/%s", link, path);
    STL_AUTO_FREE char *root = realpath(link, NULL), *file = realpath(name, NULL);
    size_t length = root ? strlen(root) : 0;
    if (file && length > 1 && !strncmp(file, root, length) && file[length] == '/')
        return stl_dir_open_file(directory, file + length + 1);
    errno = EXDEV;
    return -1;
}

static int find_in_directory(const struct stl_source *source, const char *path, struct stl_extent *extent,
                             struct stl_error *err)
{
    STL_AUTO_CLOSE int fd = stl_dir_open_file(source->fd, path);
    if (fd < 0 && errno == EXDEV)
        fd = open_absolute_link(source->fd, path);
    if (fd < 0 && errno == ENOENT)
        return 0;
    if (fd < 0 && errno == EXDEV)
        return stl_error_set(err, STL_INVALID, "%s: %s is a link that leads out of the folder", source->label,
                             path);
    struct stat st;
    if (fd < 0 ? errno == ELOOP || errno == ENXIO : fstat(fd, &st) == 0 && !S_ISREG(st.st_mode))
        return not_a_file(source, path, err);
    if (fd < 0)
        return stl_error_errno(err, "cannot open %s/%s", source->label, path);
    *extent = (struct stl_extent){.fd = fd, .owned = true, .size = st.st_size};
    fd = -1;
    return 1;
}

/* --- archives ------------------------------------------------------------------------------------------- */

static char *staged_name(const struct stl_member *member, char name[STL_STAGED_NAME_MAX])
{
    snprintf(name, STL_STAGED_NAME_MAX, STL_UNPACKED_NAME, member->number);
    return name;
}

static int open_stored(const struct stl_source *source, const struct stl_member *member,
                       struct stl_error *err)
{
    char path[STL_PATH_MAX];
    struct stl_digest digest;
    if (!stl_unpack_is_blob(member->name, &digest))
        return stl_error_set(err, STL_INVALID, "%s is not a blob", member->name);
    int fd =
        openat(source->registry->root.fd, stl_path_store(&digest, path), O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 ? stl_error_errno(err, "cannot open %s", path) : fd;
}

static int open_member(const struct stl_source *source, const struct stl_member *member,
                       struct stl_extent *extent, struct stl_error *err)
{
    char name[STL_STAGED_NAME_MAX];
    *extent = (struct stl_extent){.fd = source->fd, .offset = member->offset, .size = member->size};
    if (member->kind == STL_MEMBER_IN_PLACE)
        return 0;
    extent->owned = true;
    extent->fd = member->kind == STL_MEMBER_STORED
                     ? open_stored(source, member, err)
                     : stl_stage_open(source->stage, staged_name(member, name), err);
    return extent->fd < 0 ? -1 : 0;
}

static int find_in_archive(const struct stl_source *source, const char *path, struct stl_extent *extent,
                           struct stl_error *err)
{
    ssize_t found = stl_members_resolve(&source->members, path);
    if (found >= 0)
        return open_member(source, &source->members.items[found], extent, err) ? -1 : 1;
    if (stl_members_find(&source->members, path) >= 0)
        return stl_error_set(err, STL_INVALID, "%s: %s is a link that leads to no file of the archive",
                             source->label, path);
    return 0;
}

bool stl_source_staged(const struct stl_source *source, const char *path, char name[STL_STAGED_NAME_MAX])
{
    struct stl_digest digest;
    ssize_t found = stl_members_find(&source->members, path);
    if (found < 0 || source->members.items[found].kind != STL_MEMBER_STAGED ||
        !stl_unpack_is_blob(path, &digest))
        return false;
    staged_name(&source->members.items[found], name);
    return true;
}

/* --- any kind ------------------------------------------------------------------------------------------- */

int stl_source_find(const struct stl_source *source, const char *path, struct stl_extent *extent,
                    struct stl_error *err)
{
    char name[STL_MEMBER_NAME_MAX];
    int usable = stl_member_name(path, name, err);
    if (usable <= 0)
        return usable < 0 ? stl_error_context(err, "%s", source->label) : 0;
    return source->is_directory ? find_in_directory(source, name, extent, err)
                                : find_in_archive(source, name, extent, err);
}

int stl_source_read(const struct stl_source *source, const char *path, size_t limit, struct stl_buf *buf,
                    struct stl_error *err)
{
    STL_AUTO_EXTENT struct stl_extent extent = STL_EXTENT_INIT;
    int found = stl_source_find(source, path, &extent, err);
    if (found <= 0)
        return found;
    if (extent.size > (int64_t)limit)
        return stl_error_set(err, STL_MANIFEST_TOO_LARGE, "%s: %s has %lld bytes, which is more than %zu",
                             source->label, path, (long long)extent.size, limit);
    char *bytes = stl_buf_extend(buf, (size_t)extent.size);
    if (!bytes)
        return stl_error_set(err, STL_MANIFEST_TOO_LARGE, "%s: %s is too large", source->label, path);
    if (stl_extent_read(&extent, 0, bytes, (size_t)extent.size, err) < 0)
        return stl_error_context(err, "%s: %s", source->label, path);
    return 1;
}
