#include "bundle-manifests.h"

#include <stdlib.h>
#include <string.h>

enum { KEPT_MAX = 64 << 20 };

static bool has_digest(const struct stl_digest *digest, const char *bytes, size_t length)
{
    struct stl_digest actual;
    stl_digest_of(digest->algorithm, bytes, length, &actual);
    return stl_digest_equal(&actual, digest);
}

/* --- streams -------------------------------------------------------------------------------------------- */

/* A damaged one may be intact in another volume. */
static int keep_manifest(struct stl_bundle_manifests *m, struct stl_volume *volume, size_t number,
                         int64_t size, struct stl_error *err)
{
    if (size != m->bundle->blobs[number].size || m->kept[number] || size > m->size_max)
        return 0; /* going on skips it */
    m->kept_size += (size_t)size;
    if (m->kept_size > KEPT_MAX)
        return stl_error_set(err, STL_INVALID,
                             "%s: more than %d bytes of manifests: unpack it and take the folder",
                             volume->label, KEPT_MAX);
    STL_AUTO_FREE char *bytes = stl_alloc((size_t)size + 1);
    ssize_t n = stl_volume_read(volume, bytes, (size_t)size, err);
    if (n < 0)
        return -1;
    if (n == size && has_digest(&m->bundle->digests.items[number], bytes, (size_t)size))
        m->kept[number] = stl_steal(bytes);
    return 0;
}

static size_t count_manifests(const struct stl_bundle *bundle)
{
    size_t count = 0;
    for (size_t i = 0; i < bundle->digests.count; i++)
        count += stl_bundle_is_manifest(bundle, i);
    return count;
}

static int read_stream(struct stl_bundle_manifests *m, struct stl_volume *volume, struct stl_error *err)
{
    char path[STL_MEMBER_NAME_MAX];
    int64_t size;
    for (size_t left = count_manifests(m->bundle); left > 0; left--) {
        struct stl_bundle_piece piece;
        int found = stl_volume_peek(volume, path, &size, err);
        if (found <= 0)
            return found;
        if (!stl_bundle_find(m->bundle, path, &piece) || piece.volume != STL_BUNDLE_EVERYWHERE)
            return stl_error_set(
                err, STL_INVALID,
                "%s was repacked: its manifests do not come first (unpack it and take the folder)",
                volume->label);
        if (stl_volume_next(volume, path, &size, err) < 0 ||
            keep_manifest(m, volume, piece.number, size, err))
            return -1;
    }
    return 0;
}

int stl_bundle_manifests_load(struct stl_bundle_manifests *m, const struct stl_bundle *bundle,
                              struct stl_volume *volumes, size_t count, int64_t size_max,
                              struct stl_error *err)
{
    *m = (struct stl_bundle_manifests){bundle, volumes, count, size_max, NULL, 0};
    m->kept = stl_alloc(bundle->digests.count * sizeof *m->kept);
    for (size_t i = 0; i < count; i++)
        if (volumes[i].stream && read_stream(m, &volumes[i], err))
            return -1;
    return 0;
}

void stl_bundle_manifests_clear(struct stl_bundle_manifests *m)
{
    for (size_t i = 0; m->kept && i < m->bundle->digests.count; i++)
        free(m->kept[i]);
    free(m->kept);
    *m = (struct stl_bundle_manifests){0};
}

/* --- reading -------------------------------------------------------------------------------------------- */

static bool read_from(const struct stl_volume *volume, const char *path, int64_t size, struct stl_buf *bytes)
{
    STL_AUTO_EXTENT struct stl_extent extent = STL_EXTENT_INIT;
    struct stl_error ignored = STL_ERROR_INIT;
    int found = stl_volume_find(volume, path, &extent, &ignored);
    char *place = found > 0 && extent.size == size ? stl_buf_extend(bytes, (size_t)size) : NULL;
    return place && stl_extent_read(&extent, 0, place, (size_t)size, &ignored) == size;
}

static int read_bundled_manifest(void *context, const struct stl_digest *digest, int64_t size,
                                 struct stl_buf *bytes, struct stl_error *err)
{
    const struct stl_bundle_manifests *m = context;
    char path[STL_BUNDLE_PATH_MAX];
    size_t number;
    if (!stl_digestset_find(&m->bundle->digests, digest, &number) ||
        !stl_bundle_is_manifest(m->bundle, number) || m->bundle->blobs[number].size != size)
        return 0;
    if (m->kept[number])
        return stl_buf_add(bytes, m->kept[number], (size_t)size)
                   ? stl_error_set(err, STL_MANIFEST_TOO_LARGE, "a manifest of %lld bytes is too large",
                                   (long long)size)
                   : 1;
    stl_bundle_path(digest, 0, path);
    for (size_t i = 0; i < m->count; i++) {
        if (!m->volumes[i].stream && read_from(&m->volumes[i], path, size, bytes) &&
            has_digest(digest, bytes->data, bytes->length))
            return 1;
        stl_buf_clear(bytes);
    }
    return 0;
}

static int read_blob(void *context, const struct stl_digest *digest, int64_t size, struct stl_buf *bytes,
                     struct stl_error *err)
{
    (void)context;
    (void)digest;
    (void)size;
    (void)bytes;
    (void)err;
    return 0;
}

struct stl_graph_reader stl_bundle_manifests_reader(struct stl_bundle_manifests *m)
{
    return (struct stl_graph_reader){m->volumes[0].label, read_bundled_manifest, read_blob, m};
}
