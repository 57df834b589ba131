#include "bundle-view.h"

#include <stdlib.h>
#include <string.h>

#include "describe.h"
#include "referrers.h"

enum { MANIFEST_MAX = 64 << 20, CONFIG_MAX = 8 << 20, CONFIGS_MAX = 64 << 20 };

/* --- manifests ------------------------------------------------------------------------------------------ */

static const char *listed_type(const struct stl_bundle *bundle, const struct stl_digest *digest)
{
    for (size_t i = 0; i < bundle->image_count; i++)
        if (stl_digest_equal(&bundle->images[i].digest, digest))
            return bundle->images[i].media_type;
    return NULL;
}

/* Parses a manifest by its own media type, else that in the list, else a guess: descriptors of indexes are
 * not available here. */
static int parse_held(const struct stl_bundle_view *view, const struct stl_digest *digest,
                      const struct stl_buf *bytes, struct stl_manifest *manifest, struct stl_error *err)
{
    if (stl_manifest_parse(manifest, bytes->data, bytes->length, NULL, digest->algorithm, err) == 0)
        return 0;
    const char *types[] = {listed_type(&view->volume.bundle, digest), STL_TYPE_OCI_MANIFEST,
                           STL_TYPE_OCI_INDEX};
    int result = -1;
    for (size_t i = 0; i < sizeof types / sizeof *types && result; i++) {
        stl_error_clear(err);
        result = stl_manifest_parse(manifest, bytes->data, bytes->length, types[i], digest->algorithm, err);
    }
    return result ? stl_error_context(err, "%s", view->volume.label) : 0;
}

static int load_manifest(void *context, const struct stl_digest *digest, struct stl_buf *bytes,
                         struct stl_manifest *manifest, struct stl_error *err)
{
    struct stl_bundle_view *view = context;
    const struct stl_bundle *bundle = &view->volume.bundle;
    struct stl_graph_reader reader = stl_bundle_manifests_reader(&view->manifests);
    char text[STL_DIGEST_TEXT_MAX];
    size_t number;
    int found = stl_digestset_find(&bundle->digests, digest, &number)
                    ? reader.manifest(reader.context, digest, bundle->blobs[number].size, bytes, err)
                    : 0;
    if (found < 0)
        return -1;
    if (found == 0)
        return stl_error_set(err, STL_MANIFEST_UNKNOWN, "%s: manifest %s is missing or damaged",
                             view->volume.label, stl_digest_format(digest, text));
    return parse_held(view, digest, bytes, manifest, err);
}

/* --- configs -------------------------------------------------------------------------------------------- */

/* Finds a config among those that were read from a stream. */
static int find_config(struct stl_bundle_view *view, const struct stl_digest *digest, struct stl_buf *bytes,
                       struct stl_error *err)
{
    size_t number;
    if (view->collecting && stl_digestset_add(&view->configs, digest, &number)) {
        stl_grow(view->config_bytes, number);
        view->config_bytes[number] = (struct stl_buf)STL_BUF_INIT;
    }
    if (view->collecting || !stl_digestset_find(&view->configs, digest, &number) ||
        !view->config_bytes[number].data)
        return stl_error_set(err, STL_BLOB_UNKNOWN, "the config is not at hand");
    return stl_buf_add(bytes, view->config_bytes[number].data, view->config_bytes[number].length);
}

static int load_config(void *context, const struct stl_digest *digest, struct stl_buf *bytes,
                       struct stl_error *err)
{
    struct stl_bundle_view *view = context;
    STL_AUTO_EXTENT struct stl_extent extent = STL_EXTENT_INIT;
    char path[STL_BUNDLE_PATH_MAX];
    if (view->volume.stream)
        return find_config(view, digest, bytes, err);
    int found = stl_volume_find(&view->volume, stl_bundle_path(digest, 0, path), &extent, err);
    char *place = found > 0 && extent.size <= CONFIG_MAX ? stl_buf_extend(bytes, (size_t)extent.size) : NULL;
    if (!place)
        return found < 0 ? -1 : stl_error_set(err, STL_BLOB_UNKNOWN, "the config is not at hand");
    return stl_extent_read(&extent, 0, place, (size_t)extent.size, err) < 0 ? -1 : 0;
}

static int read_member(struct stl_bundle_view *view, int64_t size, struct stl_buf *bytes,
                       struct stl_error *err)
{
    char *place = stl_buf_extend(bytes, (size_t)size);
    return place ? stl_volume_fill(&view->volume, place, (size_t)size, err) : 0;
}

/* Reads until all wanted configs have come. */
static int read_configs(struct stl_bundle_view *view, struct stl_error *err)
{
    char path[STL_MEMBER_NAME_MAX];
    int64_t size, total = 0;
    while (view->config_count < view->configs.count) {
        struct stl_bundle_piece piece;
        size_t number;
        int found = stl_volume_next(&view->volume, path, &size, err);
        if (found <= 0)
            return found;
        if (!stl_bundle_find(&view->volume.bundle, path, &piece) || piece.part ||
            !stl_digestset_find(&view->configs, piece.blob, &number) || view->config_bytes[number].data ||
            size > CONFIG_MAX || total + size > CONFIGS_MAX)
            continue;
        total += size;
        view->config_count++;
        if (read_member(view, size, &view->config_bytes[number], err))
            return -1;
    }
    return 0;
}

/* --- referrers ------------------------------------------------------------------------------------------ */

static int note_referrer(struct stl_bundle_view *view, const struct stl_digest *digest, struct stl_error *err)
{
    STL_AUTO_BUF struct stl_buf bytes = STL_BUF_INIT;
    STL_AUTO_MANIFEST struct stl_manifest manifest = {0};
    size_t number;
    if (load_manifest(view, digest, &bytes, &manifest, err)) {
        stl_error_clear(err); /* describing it will report it */
        return 0;
    }
    if (!manifest.has_subject)
        return 0;
    if (stl_digestset_add(&view->subjects, &manifest.subject, &number)) {
        stl_grow(view->referrers, number);
        view->referrers[number] = json_object_new_object();
        json_object_object_add(view->referrers[number], "manifests", json_object_new_array());
    }
    json_object_array_add(json_object_object_get(view->referrers[number], "manifests"),
                          stl_referrers_entry(&manifest));
    return 0;
}

static struct json_object *find_referrers(void *context, const struct stl_digest *subject)
{
    const struct stl_bundle_view *view = context;
    size_t number;
    return stl_digestset_find(&view->subjects, subject, &number) ? json_object_get(view->referrers[number])
                                                                 : NULL;
}

/* --- all ------------------------------------------------------------------------------------------------ */

int stl_bundle_view_open(struct stl_bundle_view *view, int fd, const char *label, struct stl_error *err)
{
    *view = (struct stl_bundle_view)STL_BUNDLE_VIEW_INIT;
    return stl_volume_open(&view->volume, fd, label, err) ||
                   stl_bundle_manifests_load(&view->manifests, &view->volume.bundle, &view->volume, 1,
                                             MANIFEST_MAX, err)
               ? -1
               : 0;
}

void stl_bundle_view_close(struct stl_bundle_view *view)
{
    for (size_t i = 0; i < view->configs.count; i++)
        stl_buf_clear(&view->config_bytes[i]);
    for (size_t i = 0; i < view->subjects.count; i++)
        json_object_put(view->referrers[i]);
    free(view->config_bytes);
    free(view->referrers);
    stl_digestset_clear(&view->configs);
    stl_digestset_clear(&view->subjects);
    stl_bundle_manifests_clear(&view->manifests);
    stl_volume_close(&view->volume);
}

int stl_bundle_view_prepare(struct stl_bundle_view *view, const struct stl_bundle_image *images, size_t count,
                            struct stl_error *err)
{
    for (size_t i = 0; i < count; i++)
        if (note_referrer(view, &images[i].digest, err))
            return -1;
    if (!view->volume.stream)
        return 0;
    view->collecting = true;
    for (size_t i = 0; i < count; i++) {
        json_object_put(stl_bundle_view_describe(view, images[i].name, &images[i].digest, err));
        stl_error_clear(err);
    }
    view->collecting = false;
    return read_configs(view, err);
}

struct json_object *stl_bundle_view_describe(struct stl_bundle_view *view, const char *name,
                                             const struct stl_digest *digest, struct stl_error *err)
{
    const struct stl_describe_source source = {name, load_manifest, load_config, find_referrers, view};
    return stl_describe_from(&source, digest, err);
}
