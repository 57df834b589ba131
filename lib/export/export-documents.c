/* Makes the documents for other tools: index.json, and manifest.json for docker. */
#include "export-run.h"

#include <string.h>

#include "export.h"
#include "manifest.h"

static const char oci_layout[] = "{\"imageLayoutVersion\":\"1.0.0\"}";

/* HOST/NAME:TAG, in the form to which docker completes NAME:TAG if the host is docker's own. */
static char *full_name(const struct stl_export *export, const struct stl_bundle_image *image)
{
    const char *host = export->options->host;
    bool library = !strcmp(host, STL_EXPORT_HOST) && !strchr(image->name, '/');
    return stl_sprintf("%s/%s%s:%s", host, library ? "library/" : "", image->name, image->tag);
}

static bool is_referrer(const struct stl_export *export, const struct stl_bundle_image *image)
{
    size_t number;
    return stl_digestset_find(&export->graph.manifests, &image->digest, &number) &&
           export->graph.nodes[number].subject;
}

/* Whether the image is a signature or the like under a tag that some tools give it: to containerd, a name
 * means an image to unpack. */
static bool is_companion(const struct stl_bundle_image *image)
{
    struct stl_tag tag = {""};
    size_t length = image->tag ? strcspn(image->tag, ".") : 0;
    memcpy(tag.text, image->tag ? image->tag : "", length);
    return stl_tag_is_referrers_schema(&tag);
}

/* No character of a name, tag, digest or media type needs escaping in JSON. Without a tag, skopeo can ask for
 * NAME@DIGEST; referrers that come with their subject need no name. */
static int add_descriptor(struct stl_buf *index, const struct stl_export *export,
                          const struct stl_bundle_image *image)
{
    char digest[STL_DIGEST_TEXT_MAX];
    stl_digest_format(&image->digest, digest);
    int full = stl_buf_printf(index, "{\"mediaType\":\"%s\",\"digest\":\"%s\",\"size\":%lld",
                              image->media_type, digest, (long long)image->size);
    if (image->tag && !is_companion(image)) {
        STL_AUTO_FREE char *name = full_name(export, image);
        full |= stl_buf_printf(index,
                               ",\"annotations\":{\"io.containerd.image.name\":\"%s\","
                               "\"org.opencontainers.image.ref.name\":\"%s:%s\"}",
                               name, image->name, image->tag);
    } else if (!image->tag && !is_referrer(export, image))
        full |= stl_buf_printf(index, ",\"annotations\":{\"org.opencontainers.image.ref.name\":\"%s@%s\"}",
                               image->name, digest);
    return full | stl_buf_puts(index, "}");
}

/* --- manifest.json -------------------------------------------------------------------------------------- */

/* Chooses the image of an index that docker gets, since it cannot load the whole index: that for linux/amd64
 * if there is one, so that the choice does not depend on where we run, else the first. Returns false if there
 * is none. */
static bool choose_child(const struct stl_export *export, const struct stl_manifest *index,
                         struct stl_digest *digest)
{
    static const struct stl_platform usual = {"linux", "amd64", ""};
    const struct stl_descriptor *chosen = NULL;
    for (size_t i = 0; i < index->count; i++) {
        const struct stl_descriptor *d = &index->descriptors[i];
        if (!stl_media_type_is_image(d->media_type) || !stl_export_holds(export, &d->digest) ||
            (chosen && !stl_descriptor_matches(d, &usual)))
            continue;
        chosen = d;
        if (stl_descriptor_matches(d, &usual))
            break;
    }
    if (chosen)
        *digest = chosen->digest;
    return chosen != NULL;
}

/* Whether it is a runnable image for one platform. */
static bool is_image(const struct stl_manifest *manifest)
{
    return manifest->count > 0 && manifest->descriptors[0].role == STL_ROLE_CONFIG &&
           stl_media_type_is_image_config(manifest->descriptors[0].media_type);
}

/* Loads its manifest or, for an index, that of the chosen child. Returns 1, 0 or -1. */
static int load_image(struct stl_export *export, const struct stl_bundle_image *image,
                      struct stl_manifest *manifest, struct stl_error *err)
{
    struct stl_digest digest;
    int found = stl_export_load(export, &image->digest, manifest, err);
    if (found <= 0 || !stl_media_type_is_index(image->media_type))
        return found;
    bool chosen = choose_child(export, manifest, &digest);
    stl_manifest_clear(manifest);
    return chosen ? stl_export_load(export, &digest, manifest, err) : 0;
}

/* Why docker cannot load the image, or NULL. */
static const char *obstacle(const struct stl_export *export, const struct stl_manifest *manifest)
{
    size_t number;
    if (!is_image(manifest))
        return "it is no image";
    for (size_t i = 0; i < manifest->count; i++) {
        const struct stl_descriptor *d = &manifest->descriptors[i];
        if (!stl_digestset_find(&export->graph.blob_digests, &d->digest, &number) ||
            export->blob_places[number] == STL_EXPORT_NOWHERE)
            return "it has a layer that is fetched from elsewhere";
        if (stl_export_leaves_out(export, &d->digest))
            return "a part of it is left out";
        if (export->options->docker_archive && strstr(d->media_type, "+zstd"))
            return "it is compressed with zstd";
    }
    return NULL;
}

static int add_entry(struct stl_buf *list, const struct stl_manifest *manifest, const char *name)
{
    char path[STL_BUNDLE_PATH_MAX];
    int full = stl_buf_printf(list, "{\"Config\":\"%s\",\"RepoTags\":[\"%s\"],\"Layers\":[",
                              stl_bundle_path(&manifest->descriptors[0].digest, 0, path), name);
    for (size_t i = 1; i < manifest->count; i++)
        full |= stl_buf_printf(list, "%s\"%s\"", i > 1 ? "," : "",
                               stl_bundle_path(&manifest->descriptors[i].digest, 0, path));
    return full | stl_buf_puts(list, "]}");
}

/* Adds the image, if docker can load it. */
static int describe_image(struct stl_export *export, const struct stl_bundle_image *image,
                          struct stl_buf *list, bool *first, struct stl_error *err)
{
    STL_AUTO_MANIFEST struct stl_manifest manifest = {0};
    const char *why = "it is no image";
    int found = load_image(export, image, &manifest, err);
    if (found < 0)
        return -1;
    if (found > 0)
        why = obstacle(export, &manifest);
    if (why && export->options->docker_archive)
        return stl_error_set(err, STL_UNSUPPORTED, "docker cannot load %s:%s from an archive: %s",
                             image->name, image->tag, why);
    if (why)
        return 0;
    STL_AUTO_FREE char *name = full_name(export, image);
    int full = stl_buf_puts(list, *first ? "[" : ",\n") | add_entry(list, &manifest, name);
    *first = false;
    return full ? stl_spool_full(err) : 0;
}

/* docker with its own storage loads only from manifest.json, and podman load needs it if there are several
 * images. */
static int make_docker_list(struct stl_export *export, struct stl_error *err)
{
    struct stl_spool *spool = &export->spools[STL_EXPORT_DOCUMENTS];
    bool first = true;
    for (size_t i = 0; i < export->image_count; i++)
        if (export->images[i].tag && !is_companion(&export->images[i]) &&
            (describe_image(export, &export->images[i], &spool->bytes, &first, err) ||
             stl_spool_pass(spool, err)))
            return -1;
    if (first)
        return 0;
    return stl_buf_puts(&spool->bytes, "]\n")
               ? stl_spool_full(err)
               : stl_export_add_document(export, &export->spools[STL_EXPORT_DOCUMENTS], "manifest.json", err);
}

/* --- index.json ----------------------------------------------------------------------------------------- */

static int find_images(struct stl_export *export, bool *images, struct stl_error *err)
{
    for (size_t i = 0; i < export->image_count; i++) {
        STL_AUTO_MANIFEST struct stl_manifest manifest = {0};
        int found = load_image(export, &export->images[i], &manifest, err);
        if (found < 0)
            return -1;
        images[i] = found > 0 && is_image(&manifest);
    }
    return 0;
}

/* Artifacts come last: ctr images import stops at the first that it cannot unpack. */
static int make_index(struct stl_export *export, struct stl_error *err)
{
    STL_AUTO_FREE bool *images = stl_alloc(export->image_count);
    struct stl_spool *spool = &export->spools[STL_EXPORT_DOCUMENTS];
    struct stl_buf *index = &spool->bytes;
    const char *comma = "";
    if (find_images(export, images, err))
        return -1;
    int full =
        stl_buf_puts(index, "{\"schemaVersion\":2,\"mediaType\":\"" STL_TYPE_OCI_INDEX "\",\"manifests\":[");
    for (int artifacts = 0; artifacts < 2; artifacts++)
        for (size_t i = 0; i < export->image_count && !full; i++) {
            if (images[i] == artifacts)
                continue;
            full = stl_buf_puts(index, comma) | add_descriptor(index, export, &export->images[i]);
            comma = ",";
            if (stl_spool_pass(spool, err))
                return -1;
        }
    return full || stl_buf_puts(index, "]}\n")
               ? stl_spool_full(err)
               : stl_export_add_document(export, &export->spools[STL_EXPORT_DOCUMENTS], "index.json", err);
}

/* --- all ------------------------------------------------------------------------------------------------ */

static bool leaves_something_out(const struct stl_export *export)
{
    const struct stl_digestset *blobs = &export->graph.blob_digests;
    size_t i = 0;
    while (i < blobs->count && !stl_export_leaves_out(export, &blobs->items[i]))
        i++;
    return i < blobs->count;
}

/* One of several volumes, or a bundle from which something was left out, cannot be loaded or served. */
int stl_export_describe(struct stl_export *export, struct stl_error *err)
{
    stl_buf_puts(&export->spools[STL_EXPORT_DOCUMENTS].bytes, oci_layout);
    if (stl_export_add_document(export, &export->spools[STL_EXPORT_DOCUMENTS], "oci-layout", err) ||
        make_index(export, err))
        return -1;
    if (export->options->volume_size)
        return 0;
    if (make_docker_list(export, err))
        return -1;
    return leaves_something_out(export) ? 0 : stl_export_describe_serving(export, err);
}
