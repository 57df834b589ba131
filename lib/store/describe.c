#include "describe.h"

#include <string.h>

#include "digestset.h"
#include "manifest.h"
#include "references.h"
#include "referrers.h"

enum {
    CONFIG_MAX = 8 << 20,
    NESTING_MAX = 8,
    DESCRIBED_MAX =
        1000, /* manifests that are read, counting repetitions; the rest are described by their descriptors */
};

struct describing {
    const struct stl_describe_source *source;
    int nesting, described;
};

/* Sizes of the digests seen so far, each counted once. */
struct tally {
    struct stl_digestset digests;
    int64_t *sizes, total;
};

static void tally_clear(struct tally *tally)
{
    stl_digestset_clear(&tally->digests);
    stl_free_ptr(&tally->sizes);
}
#define AUTO_TALLY __attribute__((cleanup(tally_clear)))

static void tally_add(struct tally *tally, const struct stl_digest *digest, int64_t size)
{
    size_t number;
    if (!stl_digestset_add(&tally->digests, digest, &number))
        return;
    stl_grow(tally->sizes, number);
    tally->sizes[number] = size;
    if (__builtin_add_overflow(tally->total, size, &tally->total))
        tally->total =
            INT64_MAX - 1; /* non-distributable layers may claim any size; JSON getters take no more */
}

static void tally_merge(struct tally *tally, const struct tally *other)
{
    for (size_t i = 0; i < other->digests.count; i++)
        tally_add(tally, &other->digests.items[i], other->sizes[i]);
}

static void add_string(struct json_object *object, const char *key, const char *value)
{
    if (value && *value)
        stl_json_set_string(object, key, value);
}

static void describe_digest(struct json_object *object, const char *key, const struct stl_digest *digest)
{
    char text[STL_DIGEST_TEXT_MAX];
    stl_json_set_string(object, key, stl_digest_format(digest, text));
}

/* Adds nothing if the value has another type. */
static void add_copy(struct json_object *object, const char *key, struct json_object *from,
                     const char *from_key, enum json_type type)
{
    struct json_object *value = NULL;
    if (json_object_object_get_ex(from, from_key, &value) && value && json_object_is_type(value, type))
        json_object_object_add(object, key, json_object_get(value));
}

/* "os/architecture[/variant]" of a platform object or an image config: both use the same keys. */
static void add_platform(struct json_object *out, struct json_object *from)
{
    struct stl_error ignored = STL_ERROR_INIT;
    const char *os = NULL, *architecture = NULL, *variant = NULL;
    if (!from || stl_json_string(from, "os", &os, &ignored) ||
        stl_json_string(from, "architecture", &architecture, &ignored) ||
        stl_json_string(from, "variant", &variant, &ignored) || !os || !architecture || !*os ||
        !*architecture)
        return;
    bool has_variant = variant && *variant;
    STL_AUTO_FREE char *text =
        stl_sprintf("%s/%s%s%s", os, architecture, has_variant ? "/" : "", has_variant ? variant : "");
    add_string(out, "platform", text);
}

/* The config of an image. Configs of other types, as artifacts have, must not be parsed (image-spec,
 * manifest.md, "config"). */
static void add_config(struct json_object *out, const struct stl_describe_source *source,
                       const struct stl_descriptor *config)
{
    STL_AUTO_BUF struct stl_buf bytes = {.ceiling = CONFIG_MAX};
    struct stl_error ignored = STL_ERROR_INIT;
    if (!stl_media_type_is_image_config(config->media_type) ||
        source->config(source->context, &config->digest, &bytes, &ignored) || !bytes.data)
        return;
    STL_AUTO_JSON struct json_object *document = stl_json_parse(bytes.data, bytes.length, &ignored);
    struct json_object *inner = NULL;
    if (!document)
        return;
    add_platform(out, document);
    add_copy(out, "created", document, "created", json_type_string);
    if (json_object_object_get_ex(document, "config", &inner) && json_object_is_type(inner, json_type_object))
        add_copy(out, "labels", inner, "Labels", json_type_object);
}

static struct json_object *descriptor_object(const struct stl_descriptor *descriptor)
{
    struct json_object *object = json_object_new_object();
    add_string(object, "mediaType", descriptor->media_type);
    describe_digest(object, "digest", &descriptor->digest);
    stl_json_set_number(object, "size", descriptor->size);
    return object;
}

static struct json_object *describe(struct describing *walk, const struct stl_digest *digest,
                                    struct tally *tally, struct stl_error *err);

/* A child that was never pushed (a sparse index), or is a blob, is described by its descriptor alone. */
static struct json_object *describe_child(struct describing *walk, const struct stl_descriptor *child,
                                          struct tally *tally)
{
    struct json_object *object = NULL, *platform = NULL;
    struct stl_error ignored = STL_ERROR_INIT;
    if (walk->nesting < NESTING_MAX && walk->described < DESCRIBED_MAX) {
        walk->nesting++;
        object = describe(walk, &child->digest, tally, &ignored);
        walk->nesting--;
    }
    if (!object) {
        object = descriptor_object(child);
        tally_add(tally, &child->digest, child->size);
        if (ignored.code == STL_MANIFEST_UNKNOWN && stl_media_type_is_manifest(child->media_type))
            stl_json_set_flag(object, "missing", true);
    }
    if (stl_json_object(child->object, "platform", &platform, &ignored) == 0 && platform)
        add_platform(object, platform);
    return object;
}

/* The array `key` of `out`, which is made if it does not exist. */
static struct json_object *array_of(struct json_object *out, const char *key)
{
    struct json_object *array = NULL;
    if (!json_object_object_get_ex(out, key, &array)) {
        array = json_object_new_array();
        json_object_object_add(out, key, array);
    }
    return array;
}

static void add_contents(struct json_object *out, struct describing *walk,
                         const struct stl_manifest *manifest, struct tally *tally)
{
    for (size_t i = 0; i < manifest->count; i++) {
        const struct stl_descriptor *descriptor = &manifest->descriptors[i];
        if (descriptor->role == STL_ROLE_MANIFEST) {
            json_object_array_add(array_of(out, "manifests"), describe_child(walk, descriptor, tally));
            continue;
        }
        tally_add(tally, &descriptor->digest, descriptor->size);
        if (descriptor->role == STL_ROLE_CONFIG)
            add_config(out, walk->source, descriptor);
        else
            json_object_array_add(array_of(out, "layers"), descriptor_object(descriptor));
    }
}

static void describe_referrers(struct json_object *out, const struct stl_describe_source *source,
                               const struct stl_digest *digest)
{
    struct json_object *list = NULL;
    STL_AUTO_JSON struct json_object *index =
        source->referrers ? source->referrers(source->context, digest) : NULL;
    if (index && json_object_object_get_ex(index, "manifests", &list) && json_object_array_length(list) > 0)
        json_object_object_add(out, "referrers", json_object_get(list));
}

/* An index has no config and so no creation time of its own: it gets that of its newest child. */
static void add_newest(struct json_object *out)
{
    struct stl_error ignored = STL_ERROR_INIT;
    struct json_object *children = NULL;
    const char *newest = "", *created = "";
    if (json_object_object_get_ex(out, "created", NULL) ||
        !json_object_object_get_ex(out, "manifests", &children))
        return;
    for (size_t i = 0; i < json_object_array_length(children); i++, created = "")
        if (stl_json_string(json_object_array_get_idx(children, i), "created", &created, &ignored) == 0 &&
            strcmp(created, newest) > 0)
            newest = created;
    add_string(out, "created", newest);
}

static void add_annotations(struct json_object *out, const struct stl_manifest *manifest)
{
    struct json_object *annotations = NULL;
    add_copy(out, "annotations", manifest->object, "annotations", json_type_object);
    if (!json_object_object_get_ex(out, "created", NULL) &&
        json_object_object_get_ex(out, "annotations", &annotations))
        add_copy(out, "created", annotations, "org.opencontainers.image.created", json_type_string);
}

/* Adds its sizes to `all`, which may be NULL. */
static struct json_object *describe(struct describing *walk, const struct stl_digest *digest,
                                    struct tally *all, struct stl_error *err)
{
    STL_AUTO_BUF struct stl_buf bytes = STL_BUF_INIT;
    STL_AUTO_MANIFEST struct stl_manifest manifest = {0};
    AUTO_TALLY struct tally tally = {0};
    if (walk->source->manifest(walk->source->context, digest, &bytes, &manifest, err))
        return NULL;
    walk->described++;
    struct json_object *out = json_object_new_object();
    describe_digest(out, "digest", digest);
    add_string(out, "mediaType", manifest.media_type.text);
    stl_json_set_number(out, "size", manifest.size);
    const char *artifact_type = stl_manifest_artifact_type(&manifest);
    if (artifact_type && !stl_media_type_is_image_config(artifact_type))
        add_string(out, "artifactType", artifact_type);
    if (manifest.has_subject)
        describe_digest(out, "subject", &manifest.subject);
    tally_add(&tally, digest, manifest.size);
    add_contents(out, walk, &manifest, &tally);
    add_newest(out);
    stl_json_set_number(out, "totalSize", tally.total);
    add_annotations(out, &manifest);
    describe_referrers(out, walk->source, digest);
    if (all)
        tally_merge(all, &tally);
    return out;
}

struct json_object *stl_describe_from(const struct stl_describe_source *source,
                                      const struct stl_digest *digest, struct stl_error *err)
{
    struct describing walk = {.source = source};
    struct json_object *out = describe(&walk, digest, NULL, err);
    if (out)
        add_string(out, "name", source->name);
    return out;
}

/* --- a repository --------------------------------------------------------------------------------------- */

struct reading {
    const struct stl_repo *repo;
    const struct stl_manifest *known; /* or NULL */
    const char *bytes;                /* of that */
};

static int load_manifest(void *context, const struct stl_digest *digest, struct stl_buf *bytes,
                         struct stl_manifest *manifest, struct stl_error *err)
{
    const struct reading *reading = context;
    const struct stl_manifest *known = reading->known;
    if (known && stl_digest_equal(&known->digest, digest))
        return stl_manifest_parse(manifest, reading->bytes, (size_t)known->size, known->media_type.text,
                                  digest->algorithm, err);
    return stl_manifest_load(reading->repo, digest, bytes, manifest, err);
}

static int load_config(void *context, const struct stl_digest *digest, struct stl_buf *bytes,
                       struct stl_error *err)
{
    const struct reading *reading = context;
    char path[STL_PATH_MAX];
    return stl_file_read(reading->repo->fd, stl_path_blob(digest, path), false, bytes, err);
}

static struct json_object *load_referrers(void *context, const struct stl_digest *subject)
{
    const struct reading *reading = context;
    STL_AUTO_BUF struct stl_buf text = STL_BUF_INIT;
    struct stl_error ignored = STL_ERROR_INIT;
    if (stl_referrers_read(reading->repo->fd, subject, NULL, &text, &ignored))
        return NULL;
    return stl_json_parse(text.data, text.length, &ignored);
}

struct json_object *stl_describe(const struct stl_repo *repo, const struct stl_digest *digest,
                                 struct stl_error *err)
{
    struct reading reading = {.repo = repo};
    const struct stl_describe_source source = {repo->name.text, load_manifest, load_config, load_referrers,
                                               &reading};
    return stl_describe_from(&source, digest, err);
}

struct json_object *stl_describe_alone(const struct stl_repo *repo, const struct stl_digest *digest,
                                       const struct stl_manifest *known, const char *bytes,
                                       struct stl_error *err)
{
    struct reading reading = {repo, known, bytes};
    const struct stl_describe_source source = {repo->name.text, load_manifest, load_config, NULL, &reading};
    return stl_describe_from(&source, digest, err);
}
