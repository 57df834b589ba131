#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "io.h"

int stl_space_check(int fd, uint64_t needed, struct stl_error *err)
{
    struct statvfs fs;
    if (fstatvfs(fd, &fs))
        return stl_error_errno(err, "cannot ask for the free space");
    uint64_t free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
    if (fs.f_blocks == 0 || free_bytes >= needed)
        return 0;
    return stl_error_set(err, STL_NO_SPACE, "there is not enough space: %llu MB are needed, %llu MB are free",
                         (unsigned long long)((needed + 999999) / 1000000),
                         (unsigned long long)(free_bytes / 1000000));
}

int stl_file_put(const struct stl_root *root, int directory, const char *name, const void *bytes,
                 size_t length, struct stl_error *err)
{
    STL_AUTO_TEMP struct stl_temp temp = STL_TEMP_INIT;
    if (stl_temp_begin(root, &temp, err) || stl_write_all(temp.fd, bytes, length, err) ||
        stl_temp_sync(&temp, err))
        return -1;
    return stl_temp_replace(&temp, directory, name, err);
}

/* Puts a new link in place: a symbolic link to `target`, or another name of that file in `directory`. */
static int put_link(const struct stl_root *root, int directory, bool symbolic, const char *target,
                    const char *name, struct stl_error *err)
{
    for (;;) {
        char temp[STL_TEMP_NAME_SIZE];
        stl_temp_name(temp);
        if (symbolic ? symlinkat(target, root->fd, temp) : linkat(directory, target, root->fd, temp, 0))
            return stl_error_errno(err, "cannot create a link in tmp/");
        if (renameat(root->fd, temp, directory, name) == 0)
            return 0;
        int number = errno;
        if (unlinkat(root->fd, temp, 0) && errno == ENOENT && number == ENOENT)
            continue; /* a sweep has removed it */
        errno = number;
        return stl_error_errno(err, "cannot put link %s into its place", name);
    }
}

int stl_link_put(const struct stl_root *root, int directory, const char *name, const char *target,
                 struct stl_error *err)
{
    return put_link(root, directory, true, target, name, err);
}

int stl_file_link(const struct stl_root *root, int directory, const char *from, const char *name,
                  struct stl_error *err)
{
    if (linkat(directory, from, directory, name, 0) == 0)
        return 0;
    if (errno != EEXIST)
        return stl_error_errno(err, "cannot link %s", name);
    return put_link(root, directory, false, from, name, err);
}

static int read_all(int fd, const char *path, struct stl_buf *buf, struct stl_error *err)
{
    struct stat st;
    char chunk[16384];
    ssize_t n = 1;
    if (fstat(fd, &st))
        return stl_error_errno(err, "cannot read %s", path);
    if (!S_ISREG(st.st_mode))
        return stl_error_set(err, STL_INVALID, "%s is not a regular file", path);
    /* Once `st_size` bytes have been read, no further read is needed to find the end. Files of /proc have
     * size 0. */
    for (int64_t left = st.st_size; n > 0 && (left > 0 || st.st_size == 0); left -= n) {
        n = stl_read_some(fd, chunk, sizeof chunk);
        if (n < 0)
            return stl_error_errno(err, "cannot read %s", path);
        if (stl_buf_add(buf, chunk, (size_t)n))
            return stl_error_set(err, STL_INVALID, "%s is too large", path);
    }
    return 0;
}

int stl_file_read(int at, const char *path, bool follow, struct stl_buf *buf, struct stl_error *err)
{
    STL_AUTO_CLOSE int fd = openat(at, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | (follow ? 0 : O_NOFOLLOW));
    if (fd < 0)
        return stl_error_errno(err, "cannot open %s", path);
    return read_all(fd, path, buf, err);
}

int stl_link_read(int at, const char *path, char *target, size_t size)
{
    ssize_t n = readlinkat(at, path, target, size);
    if (n < 0)
        return -1;
    if ((size_t)n == size) {
        errno = ENAMETOOLONG;
        return -1;
    }
    target[n] = '\0';
    return 0;
}
