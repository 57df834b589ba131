#include "source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void stl_extent_close(struct stl_extent *extent)
{
    if (extent->owned)
        stl_close_fd(&extent->fd);
    *extent = (struct stl_extent)STL_EXTENT_INIT;
}

ssize_t stl_extent_read(const struct stl_extent *extent, int64_t position, void *bytes, size_t length,
                        struct stl_error *err)
{
    int64_t left = extent->size - position;
    if (left < (int64_t)length)
        length = left > 0 ? (size_t)left : 0;
    for (size_t done = 0; done < length;) {
        ssize_t n = pread(extent->fd, (char *)bytes + done, length - done, extent->offset + position + (int64_t)done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return stl_error_errno(err, "cannot read");
        if (n == 0)
            return stl_error_set(err, STL_INVALID, "truncated: %lld bytes are missing",
                                 (long long)(left - (int64_t)done));
        done += (size_t)n;
    }
    return (ssize_t)length;
}

int stl_source_open(struct stl_source *source, int fd, const char *label, const struct stl_registry *registry,
                    const struct stl_stage *stage, struct stl_error *err)
{
    struct stat st;
    (void)registry;
    *source = (struct stl_source){.fd = fd, .label = stl_strdup(label), .stage = stage};
    if (fstat(fd, &st)) {
        stl_error_errno(err, "cannot read %s", label);
        stl_source_close(source);
        return -1;
    }
    source->is_directory = S_ISDIR(st.st_mode);
    return 0;
}

void stl_source_close(struct stl_source *source)
{
    stl_close_fd(&source->fd);
    free(source->label);
    *source = (struct stl_source)STL_SOURCE_INIT;
}

/* --- folders ---------------------------------------------------------------------------------------------- */

static int find_in_directory(const struct stl_source *source, const char *path, struct stl_extent *extent,
                             struct stl_error *err)
{
    char folder[STL_SOURCE_PATH_MAX] = "";
    const char *slash = strrchr(path, '/');
    size_t length = slash ? (size_t)(slash - path) : 0;
    if (length >= sizeof folder)
        return 0;
    memcpy(folder, path, length);
    STL_AUTO_CLOSE int directory = stl_dir_open(source->fd, folder, err);
    if (directory < 0) {
        if (err->sys_errno != ENOENT)
            return stl_error_context(err, "%s", source->label);
        stl_error_clear(err);
        return 0;
    }
    STL_AUTO_CLOSE int fd =
        openat(directory, slash ? slash + 1 : path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return 0;
    struct stat st;
    if (fd < 0 ? errno == ELOOP || errno == ENXIO : fstat(fd, &st) == 0 && !S_ISREG(st.st_mode))
        return stl_error_set(err, STL_INVALID, "%s: %s is not a regular file", source->label, path);
    if (fd < 0)
        return stl_error_errno(err, "cannot open %s/%s", source->label, path);
    *extent = (struct stl_extent){.fd = fd, .owned = true, .size = st.st_size};
    fd = -1;
    return 1;
}

/* --- any kind --------------------------------------------------------------------------------------------- */

int stl_source_find(const struct stl_source *source, const char *path, bool follow, struct stl_extent *extent,
                    struct stl_error *err)
{
    (void)follow;
    return find_in_directory(source, path, extent, err);
}

int stl_source_read(const struct stl_source *source, const char *path, size_t limit, struct stl_buf *buf,
                    struct stl_error *err)
{
    STL_AUTO_EXTENT struct stl_extent extent = STL_EXTENT_INIT;
    int found = stl_source_find(source, path, true, &extent, err);
    if (found <= 0)
        return found;
    if (extent.size > (int64_t)limit)
        return stl_error_set(err, STL_MANIFEST_TOO_LARGE, "%s: %s has %lld bytes, which is more than %zu",
                             source->label, path, (long long)extent.size, limit);
    char *bytes = stl_buf_extend(buf, (size_t)extent.size);
    if (stl_extent_read(&extent, 0, bytes, (size_t)extent.size, err) < 0)
        return stl_error_context(err, "%s: %s", source->label, path);
    return 1;
}
