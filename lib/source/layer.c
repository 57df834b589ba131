#include "layer.h"

#include <archive.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pool.h"

enum { CHUNK = 256 << 10 };

enum form { FORM_TAR, FORM_GZIP, FORM_ZSTD, FORM_OTHER };

struct maker {
    const struct stl_extent *extent;
    enum form form;
    int64_t position;        /* within the extent */
    struct archive *archive; /* decompresses, unless it is a tar */
    char *chunk;             /* input of the archive */
    bool is_empty;           /* the archive is over before it begins */
    struct stl_copy in;      /* hashes the tar */
    struct stl_copy out;     /* writes and hashes the blob */
    struct stl_error error;  /* set by a callback of the archive */
};

static void maker_clear(struct maker *maker)
{
    archive_read_free(maker->archive);
    free(maker->chunk);
}

const char *stl_layer_media_type(enum stl_compression compression)
{
    static const char *const types[] = {
        [STL_COMPRESS_GZIP] = "application/vnd.oci.image.layer.v1.tar+gzip",
        [STL_COMPRESS_ZSTD] = "application/vnd.oci.image.layer.v1.tar+zstd",
        [STL_COMPRESS_NONE] = "application/vnd.oci.image.layer.v1.tar",
    };
    return types[compression];
}

static int find_form(const struct stl_extent *extent, enum form *form, struct stl_error *err)
{
    static const struct {
        const char *magic;
        enum form form;
    } forms[] = {{"\x1f\x8b", FORM_GZIP},
                 {"\x28\xb5\x2f\xfd", FORM_ZSTD},
                 {"\xfd\x37zXZ", FORM_OTHER},
                 {"BZh", FORM_OTHER}};
    char start[262];
    ssize_t n = stl_extent_read(extent, 0, start, sizeof start, err);
    if (n < 0)
        return -1;
    *form = FORM_TAR;
    if (n == sizeof start && !memcmp(start + 257, "ustar", 5)) /* whatever its first member is called */
        return 0;
    if (n >= 4 && (start[0] & 0xf0) == 0x50 && !memcmp(start + 1, "\x2a\x4d\x18", 3))
        *form = FORM_ZSTD; /* a skippable frame comes first (RFC 8878, section 3.1.2) */
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        if ((size_t)n >= strlen(forms[i].magic) && !memcmp(start, forms[i].magic, strlen(forms[i].magic)))
            *form = forms[i].form;
    return 0;
}

static enum stl_compression result_of(enum form form, enum stl_compression wanted)
{
    return form == FORM_GZIP ? STL_COMPRESS_GZIP : form == FORM_ZSTD ? STL_COMPRESS_ZSTD : wanted;
}

int stl_layer_compression(const struct stl_extent *extent, enum stl_compression wanted,
                          enum stl_compression *compression, struct stl_error *err)
{
    enum form form;
    if (find_form(extent, &form, err))
        return -1;
    *compression = result_of(form, wanted);
    return 0;
}

static bool is_kept(const struct maker *maker)
{
    return maker->form == FORM_GZIP || maker->form == FORM_ZSTD;
}

/* Reads the next raw bytes; for a layer that is kept, these are the blob. */
static ssize_t read_raw(struct maker *maker, void *bytes, size_t length, struct stl_error *err)
{
    ssize_t n = stl_extent_read(maker->extent, maker->position, bytes, length, err);
    if (n < 0 || (is_kept(maker) && stl_copy_add(&maker->out, bytes, (size_t)n, err)))
        return -1;
    maker->position += n;
    return n;
}

static la_ssize_t read_for_archive(struct archive *archive, void *context, const void **bytes)
{
    struct maker *maker = context;
    *bytes = maker->chunk;
    ssize_t n = read_raw(maker, maker->chunk, CHUNK, &maker->error);
    if (n < 0)
        archive_set_error(archive, EIO, "%s", maker->error.message);
    return n;
}

static int archive_failed(const struct maker *maker, struct stl_error *err)
{
    const char *why = archive_error_string(maker->archive);
    if (maker->error.code) {
        *err = maker->error;
        return -1;
    }
    return stl_error_set(err, STL_INVALID, "it cannot be decompressed: %s", why ? why : "unknown error");
}

static int open_archive(struct maker *maker, struct stl_error *err)
{
    maker->chunk = stl_alloc(CHUNK);
    maker->archive = archive_read_new();
    if (!maker->archive)
        abort();
    archive_read_support_filter_gzip(maker->archive);
    archive_read_support_filter_zstd(maker->archive);
    archive_read_support_filter_xz(maker->archive);
    archive_read_support_filter_bzip2(maker->archive);
    archive_read_support_format_raw(maker->archive);
    archive_read_support_format_empty(maker->archive);
    struct archive_entry *entry;
    if (archive_read_open(maker->archive, maker, NULL, read_for_archive, NULL))
        return archive_failed(maker, err);
    int result = archive_read_next_header(maker->archive, &entry);
    maker->is_empty = result == ARCHIVE_EOF;
    return result == ARCHIVE_OK || maker->is_empty ? 0 : archive_failed(maker, err);
}

/* Reads the next bytes of the tar. */
static ssize_t read_tar(void *context, void *bytes, size_t length, struct stl_error *err)
{
    struct maker *maker = context;
    if (maker->is_empty)
        return 0;
    ssize_t n = maker->archive ? archive_read_data(maker->archive, bytes, length)
                               : read_raw(maker, bytes, length, err);
    if (n < 0)
        return maker->archive ? archive_failed(maker, err) : -1;
    return stl_copy_add(&maker->in, bytes, (size_t)n, err) ? -1 : n;
}

static int write_blob(void *context, const void *bytes, size_t length, struct stl_error *err)
{
    struct maker *maker = context;
    return stl_copy_add(&maker->out, bytes, length, err);
}

/* The blob is written while the archive reads; what follows the end of the compressed data belongs to it too.
 */
static int copy_layer(struct maker *maker, struct stl_error *err)
{
    STL_AUTO_FREE char *bytes = stl_alloc(CHUNK);
    ssize_t n;
    while ((n = read_tar(maker, bytes, CHUNK, err)) > 0)
        ;
    while (n == 0 && maker->position < maker->extent->size)
        n = read_raw(maker, bytes, CHUNK, err) < 0 ? -1 : 0;
    return (int)n;
}

int stl_layer_make(const struct stl_extent *extent, enum stl_compression wanted, enum stl_algorithm algorithm,
                   struct stl_temp *temp, stl_copy_progress *progress, void *context, struct stl_layer *layer,
                   struct stl_error *err)
{
    __attribute__((cleanup(maker_clear))) struct maker maker = {.extent = extent};
    stl_copy_begin(&maker.in, -1, algorithm, progress, context);
    stl_copy_begin(&maker.out, temp->fd, STL_SHA256, NULL, NULL);
    if (find_form(extent, &maker.form, err) || (maker.form != FORM_TAR && open_archive(&maker, err)))
        return -1;
    layer->compression = result_of(maker.form, wanted);
    int result = is_kept(&maker)
                     ? copy_layer(&maker, err)
                     : stl_compress(wanted, stl_pool_cores(), &(struct stl_stream){read_tar, &maker},
                                    write_blob, &maker, err);
    if (result)
        return -1;
    layer->size = maker.out.size;
    stl_copy_end(&maker.in, &layer->diff_id);
    stl_copy_end(&maker.out, &layer->digest);
    return 0;
}
