#include "archive.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include "file.h"
#include "io.h"
#include "mem.h"
#include "pool.h"
#include "tar-header.h"

enum { CHUNK = 256 << 10, STEP = 8 << 20 };

static const int64_t ustar_size_max = INT64_C(077777777777);

/* --- headers -------------------------------------------------------------------------------------------- */

static void fill_header(struct stl_tar_header *header, const char *name, int64_t size, char type)
{
    memset(header, 0, sizeof *header);
    size_t length = strlen(name);
    memcpy(header->name, name, length < sizeof header->name ? length : sizeof header->name);
    snprintf(header->mode, sizeof header->mode, "%07o", 0644);
    snprintf(header->uid, sizeof header->uid, "%07o", 0);
    snprintf(header->gid, sizeof header->gid, "%07o", 0);
    snprintf(header->size, sizeof header->size, "%011llo",
             size <= ustar_size_max ? (unsigned long long)size : 0);
    snprintf(header->mtime, sizeof header->mtime, "%011o", 0);
    memcpy(header->magic, "ustar", 6);
    memcpy(header->version, "00", 2);
    header->type = type;
    memset(header->checksum, ' ', sizeof header->checksum);
    unsigned sum = 0;
    for (size_t i = 0; i < sizeof *header; i++)
        sum += ((const unsigned char *)header)[i];
    snprintf(header->checksum, sizeof header->checksum, "%06o", sum);
}

/* "LENGTH KEY=VALUE\n", where LENGTH counts itself. */
static void add_record(struct stl_buf *records, const char *key, const char *value)
{
    size_t rest = strlen(key) + strlen(value) + 3, length = rest;
    for (size_t before = 0; before != length;) {
        before = length;
        length = rest + (size_t)snprintf(NULL, 0, "%zu", before);
    }
    stl_buf_printf(records, "%zu %s=%s\n", length, key, value);
}

/* Makes the content of a pax header; empty if none is needed. */
static void make_records(struct stl_buf *records, const char *name, int64_t size)
{
    char text[32];
    if (strlen(name) > sizeof((struct stl_tar_header *)NULL)->name)
        add_record(records, "path", name);
    if (size > ustar_size_max) {
        snprintf(text, sizeof text, "%lld", (long long)size);
        add_record(records, "size", text);
    }
}

static int64_t padded(int64_t size)
{
    return (size + STL_TAR_BLOCK - 1) / STL_TAR_BLOCK * STL_TAR_BLOCK;
}

int64_t stl_archive_member_size(const char *name, int64_t size)
{
    STL_AUTO_BUF struct stl_buf records = STL_BUF_INIT;
    make_records(&records, name, size);
    int64_t pax = records.length ? STL_TAR_BLOCK + padded((int64_t)records.length) : 0;
    return pax + STL_TAR_BLOCK + padded(size);
}

/* --- compression ---------------------------------------------------------------------------------------- */

/* A thread that compresses what comes out of a pipe. If it fails, it continues to drain the pipe, since
 * writing to a pipe without a reader kills the process. */
struct stl_archive_filter {
    pthread_t thread;
    enum stl_compression compression;
    int from, to;
    atomic_bool failed;
    struct stl_error error;
};

static ssize_t read_pipe(void *context, void *bytes, size_t length, struct stl_error *err)
{
    const struct stl_archive_filter *filter = context;
    ssize_t n = stl_read_full(filter->from, bytes, length);
    return n < 0 ? stl_error_errno(err, "cannot read from a pipe") : n;
}

static int write_out(void *context, const void *bytes, size_t length, struct stl_error *err)
{
    const struct stl_archive_filter *filter = context;
    return stl_write_all(filter->to, bytes, length, err);
}

static void *run_filter(void *argument)
{
    struct stl_archive_filter *filter = argument;
    struct stl_error ignored = STL_ERROR_INIT;
    char chunk[4096];
    if (stl_compress(filter->compression, stl_pool_cores(), &(struct stl_stream){read_pipe, filter},
                     write_out, filter, &filter->error) == 0)
        return NULL;
    filter->failed = true;
    while (read_pipe(filter, chunk, sizeof chunk, &ignored) > 0)
        ;
    return NULL;
}

static int open_filter(struct stl_archive *archive, enum stl_compression compression, struct stl_error *err)
{
    struct stl_archive_filter *filter = stl_alloc(sizeof *filter);
    int ends[2];
    *filter =
        (struct stl_archive_filter){.compression = compression, .to = archive->fd, .error = STL_ERROR_INIT};
    if (pipe2(ends, O_CLOEXEC)) {
        free(filter);
        return stl_error_errno(err, "cannot make a pipe");
    }
    filter->from = ends[0];
    errno = pthread_create(&filter->thread, NULL, run_filter, filter);
    if (errno) {
        stl_error_errno(err, "cannot start a thread");
        stl_close_fd(&ends[0]);
        stl_close_fd(&ends[1]);
        free(filter);
        return -1;
    }
    archive->filter = filter;
    archive->fd = ends[1];
    return 0;
}

static int close_filter(struct stl_archive *archive, struct stl_error *err)
{
    struct stl_archive_filter *filter = archive->filter;
    archive->filter = NULL;
    stl_close_fd(&archive->fd);
    pthread_join(filter->thread, NULL);
    stl_close_fd(&filter->from);
    bool failed = filter->failed;
    if (failed)
        *err = filter->error;
    free(filter);
    return failed ? -1 : 0;
}

static int check_filter(const struct stl_archive *archive, struct stl_error *err)
{
    if (!archive->filter || !archive->filter->failed)
        return 0;
    *err = archive->filter->error;
    return -1;
}

/* --- bytes ---------------------------------------------------------------------------------------------- */

static int write_to_archive(struct stl_archive *archive, const void *bytes, size_t length,
                            struct stl_error *err)
{
    STL_AUTO_FREE char *all = stl_alloc(archive->owed + length);
    if (length)
        memcpy(all + archive->owed, bytes, length);
    length += archive->owed;
    archive->owed = 0;
    return check_filter(archive, err) ? -1 : stl_write_all(archive->fd, all, length, err);
}

static void pad(struct stl_archive *archive, int64_t size)
{
    archive->owed = (size_t)(padded(size) - size);
}

static int write_header(struct stl_archive *archive, const char *name, int64_t size, struct stl_error *err)
{
    struct stl_tar_header header;
    STL_AUTO_BUF struct stl_buf records = STL_BUF_INIT;
    make_records(&records, name, size);
    if (records.length) {
        fill_header(&header, "././@PaxHeader", (int64_t)records.length, 'x');
        if (write_to_archive(archive, &header, sizeof header, err) ||
            write_to_archive(archive, records.data, records.length, err))
            return -1;
        pad(archive, (int64_t)records.length);
    }
    fill_header(&header, name, size, '0');
    return write_to_archive(archive, &header, sizeof header, err);
}

/* Copies at most `length` bytes inside the kernel. Returns their number, 0 at the end of the file, or -1 with
 * errno. Where copy_file_range(2) fails, sendfile(2) may work: between file systems, or to a pipe. */
static ssize_t move_bytes(int to, int from, off_t *offset, size_t length)
{
    ssize_t n = copy_file_range(from, offset, to, NULL, length, 0);
    return n >= 0 || errno == EINTR || errno == ENOSPC || errno == EIO ? n
                                                                       : sendfile(to, from, offset, length);
}

/* The same with the buffer `chunk`, where the kernel cannot do it: to a file that is open for appending. */
static ssize_t copy_bytes(int to, int from, off_t *offset, size_t length, char *chunk)
{
    struct stl_error why = STL_ERROR_INIT;
    ssize_t n = pread(from, chunk, length < CHUNK ? length : CHUNK, *offset);
    if (n > 0 && stl_write_all(to, chunk, (size_t)n, &why)) {
        errno = why.sys_errno;
        return -1;
    }
    *offset += n > 0 ? n : 0;
    return n;
}

static int add_contents(struct stl_archive *archive, int from, off_t offset, int64_t size,
                        struct stl_error *err)
{
    STL_AUTO_FREE char *chunk = NULL;
    for (int64_t left = size; left > 0;) {
        size_t length = left < STEP ? (size_t)left : STEP;
        if (check_filter(archive, err))
            return -1;
        ssize_t n = chunk ? copy_bytes(archive->fd, from, &offset, length, chunk)
                          : move_bytes(archive->fd, from, &offset, length);
        if (n < 0 && !chunk && (errno == EINVAL || errno == ENOSYS)) {
            chunk = stl_alloc(CHUNK);
            continue;
        }
        if (n < 0 && errno != EINTR)
            return stl_error_errno(err, "cannot copy");
        if (n == 0)
            return stl_error_set(err, STL_INVALID, "the file has become shorter while it was read");
        left -= n > 0 ? n : 0;
        if (n > 0 && archive->progress)
            archive->progress(archive->progress_context, (uint64_t)n);
    }
    return 0;
}

/* --- archives ------------------------------------------------------------------------------------------- */

int stl_archive_begin(struct stl_archive *archive, int fd, enum stl_compression compression,
                      struct stl_error *err)
{
    *archive = (struct stl_archive){.fd = fd};
    return compression == STL_COMPRESS_NONE ? 0 : open_filter(archive, compression, err);
}

int stl_archive_add(struct stl_archive *archive, const char *name, const void *bytes, size_t length,
                    struct stl_error *err)
{
    if (write_header(archive, name, (int64_t)length, err) || write_to_archive(archive, bytes, length, err))
        return -1;
    pad(archive, (int64_t)length);
    return 0;
}

int stl_archive_add_file(struct stl_archive *archive, const char *name, int fd, int64_t offset, int64_t size,
                         struct stl_error *err)
{
    if (write_header(archive, name, size, err) || add_contents(archive, fd, offset, size, err))
        return -1;
    pad(archive, size);
    return 0;
}

int stl_archive_end(struct stl_archive *archive, struct stl_error *err)
{
    static const char end[STL_ARCHIVE_END_SIZE];
    int result = write_to_archive(archive, end, sizeof end, err);
    return archive->filter && close_filter(archive, err) ? -1 : result;
}

void stl_archive_abort(struct stl_archive *archive)
{
    struct stl_error ignored = STL_ERROR_INIT;
    if (archive->filter)
        close_filter(archive, &ignored);
}
