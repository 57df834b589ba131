#include "document-spool.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bundle.h"

enum { WORTH_IT = 64 << 10 };

int stl_spool_full(struct stl_error *err)
{
    return stl_error_set(err, STL_INVALID, "too many images for one bundle: choose fewer");
}

int stl_spool_open(struct stl_spool *spool, struct stl_error *err)
{
    FILE *file = tmpfile();
    *spool = (struct stl_spool){.bytes.ceiling = STL_BUNDLE_LIST_MAX};
    spool->fd = file ? fcntl(fileno(file), F_DUPFD_CLOEXEC, 3) : memfd_create("stillage-export", MFD_CLOEXEC);
    if (file)
        fclose(file);
    stl_hasher_init(&spool->hasher, STL_SHA256);
    return spool->fd < 0 ? stl_error_errno(err, "cannot make a file in " P_tmpdir) : 0;
}

void stl_spool_close(struct stl_spool *spool)
{
    stl_close_fd(&spool->fd);
    stl_buf_clear(&spool->bytes);
    *spool = (struct stl_spool)STL_SPOOL_INIT;
}

static int flush_spool(struct stl_spool *spool, struct stl_error *err)
{
    struct stl_buf *bytes = &spool->bytes;
    if (bytes->length == 0)
        return 0;
    stl_hasher_update(&spool->hasher, bytes->data, bytes->length);
    for (size_t done = 0; done < bytes->length;) {
        ssize_t n = pwrite(spool->fd, bytes->data + done, bytes->length - done, spool->end);
        if (n < 0)
            return stl_error_errno(err, "cannot write to a file in " P_tmpdir);
        done += (size_t)n;
        spool->end += n;
    }
    bytes->length = 0;
    return spool->end - spool->begin > STL_BUNDLE_LIST_MAX ? stl_spool_full(err) : 0;
}

int stl_spool_pass(struct stl_spool *spool, struct stl_error *err)
{
    return spool->bytes.length < WORTH_IT ? 0 : flush_spool(spool, err);
}

int stl_spool_end(struct stl_spool *spool, struct stl_extent *document, struct stl_digest *digest,
                  struct stl_error *err)
{
    if (flush_spool(spool, err))
        return -1;
    *document =
        (struct stl_extent){.fd = spool->fd, .offset = spool->begin, .size = spool->end - spool->begin};
    stl_hasher_final(&spool->hasher, digest);
    stl_hasher_init(&spool->hasher, STL_SHA256);
    spool->begin = spool->end;
    return 0;
}

void stl_spool_again(struct stl_spool *spool, const struct stl_extent *document)
{
    spool->begin = spool->end = document->offset;
    spool->bytes.length = 0;
    stl_hasher_init(&spool->hasher, STL_SHA256);
}
