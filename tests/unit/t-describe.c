#include "unit.h"

#include <string.h>

#include "describe.h"
#include "referrers.h"

#define CONFIG_TYPE "application/vnd.oci.image.config.v1+json"
#define LAYER_TYPE "application/vnd.oci.image.layer.v1.tar"

static struct json_object *describe(const struct unit *unit, const char *json)
{
    struct stl_digest digest = unit_digest(json);
    stl_error_clear(&err);
    struct json_object *object = stl_describe(&unit->repo, &digest, &err);
    if (!object)
        fail_msg("%s: %s", json, err.message);
    return object;
}

static const char *text(struct json_object *object, const char *key)
{
    const char *value = NULL;
    OK(stl_json_string(object, key, &value, &err));
    return value;
}

static int64_t number(struct json_object *object, const char *key)
{
    int64_t value = -1;
    OK(stl_json_int64(object, key, &value, &err));
    return value;
}

static struct json_object *list(struct json_object *object, const char *key)
{
    struct json_object *value = NULL;
    OK(stl_json_array(object, key, &value, &err));
    return value;
}

/* An image with this config, whose blobs and manifest are pushed. */
static char *push_config(const struct unit *unit, const char *type, const char *content, const char *more)
{
    STL_AUTO_FREE char *config = unit_descriptor(type, content),
                       *layer = unit_descriptor(LAYER_TYPE, "layer");
    char *json = stl_sprintf("{\"schemaVersion\":2,\"mediaType\":\"" STL_TYPE_OCI_MANIFEST "\",\"config\":%s,"
                             "\"layers\":[%s]%s}",
                             config, layer, more);
    unit_blob(&unit->repo, content);
    unit_blob(&unit->repo, "layer");
    OK(unit_publish(&unit->repo, json, NULL));
    return json;
}

/* An index of what the JSON texts say, each with a platform unless NULL. */
static char *push_index(const struct unit *unit, const char *const *children, const char *const *more,
                        size_t count)
{
    STL_AUTO_BUF struct stl_buf buf = STL_BUF_INIT;
    stl_buf_puts(&buf, "{\"schemaVersion\":2,\"mediaType\":\"" STL_TYPE_OCI_INDEX "\",\"manifests\":[");
    for (size_t i = 0; i < count; i++) {
        const char *type =
            strstr(children[i], STL_TYPE_OCI_INDEX) ? STL_TYPE_OCI_INDEX : STL_TYPE_OCI_MANIFEST;
        struct stl_digest digest = unit_digest(children[i]);
        stl_buf_printf(&buf, "%s{\"mediaType\":\"%s\",\"digest\":\"%s\",\"size\":%zu%s}", i ? "," : "", type,
                       unit_digest_text(&digest), strlen(children[i]), more ? more[i] : "");
    }
    stl_buf_puts(&buf, "]}");
    STL_AUTO_MANIFEST struct stl_manifest manifest = unit_parse(buf.data);
    struct commit how = {.allow_missing_children = true};
    OK(commit_manifest(&unit->repo, &manifest, buf.data, &how, &err));
    return stl_strdup(buf.data);
}

static void an_image(void **state)
{
    const struct unit *unit = *state;
    static const char config[] =
        "{\"os\":\"linux\",\"architecture\":\"arm\",\"variant\":\"v7\",\"created\":\"2026-01-01T00:00:00Z\",\"config\":{\"Labels\":{\"a\":\"b\"}}}";
    STL_AUTO_FREE char *json =
        push_config(unit, CONFIG_TYPE, config,
                    ",\"annotations\":{\"k\":\"v\",\"org.opencontainers.image.created\":\"2025\"}");
    struct stl_digest digest = unit_digest(json), layer = unit_digest("layer");
    STL_AUTO_JSON struct json_object *object = describe(unit, json);
    struct json_object *labels = NULL, *annotations = NULL, *layers = list(object, "layers");
    assert_string_equal(text(object, "name"), "lib/app");
    assert_string_equal(text(object, "digest"), unit_digest_text(&digest));
    assert_string_equal(text(object, "mediaType"), STL_TYPE_OCI_MANIFEST);
    assert_string_equal(text(object, "platform"), "linux/arm/v7");
    assert_string_equal(text(object, "created"), "2026-01-01T00:00:00Z");
    assert_null(text(object, "artifactType"));
    assert_null(text(object, "subject"));
    assert_int_equal(number(object, "size"), strlen(json));
    assert_int_equal(number(object, "totalSize"), strlen(json) + strlen(config) + 5);
    OK(stl_json_object(object, "labels", &labels, &err));
    OK(stl_json_object(object, "annotations", &annotations, &err));
    assert_string_equal(text(labels, "a"), "b");
    assert_string_equal(text(annotations, "k"), "v");
    assert_int_equal(json_object_array_length(layers), 1);
    assert_string_equal(text(json_object_array_get_idx(layers, 0), "digest"), unit_digest_text(&layer));
    assert_int_equal(number(json_object_array_get_idx(layers, 0), "size"), 5);
    assert_null(list(object, "manifests"));
    assert_null(list(object, "referrers"));
}

static void unknown(void **state)
{
    const struct unit *unit = *state;
    struct stl_digest digest = unit_digest("none");
    stl_error_clear(&err);
    assert_null(stl_describe(&unit->repo, &digest, &err));
    assert_int_equal(err.code, STL_MANIFEST_UNKNOWN);
}

static void an_artifact_and_its_subject(void **state)
{
    const struct unit *unit = *state;
    STL_AUTO_FREE char *image = push_config(unit, CONFIG_TYPE, "{}", ""),
                       *descriptor = unit_descriptor(STL_TYPE_OCI_MANIFEST, image),
                       *more = stl_sprintf(",\"artifactType\":\"a/sbom\",\"subject\":%s", descriptor),
                       *artifact = push_config(unit, "application/vnd.oci.empty.v1+json", "{}", more);
    struct stl_digest subject = unit_digest(image), referrer = unit_digest(artifact);
    STL_AUTO_JSON struct json_object *of_artifact = describe(unit, artifact),
                                     *of_image = describe(unit, image);
    assert_string_equal(text(of_artifact, "artifactType"), "a/sbom");
    assert_string_equal(text(of_artifact, "subject"), unit_digest_text(&subject));
    struct json_object *referrers = list(of_image, "referrers");
    assert_int_equal(json_object_array_length(referrers), 1);
    assert_string_equal(text(json_object_array_get_idx(referrers, 0), "digest"), unit_digest_text(&referrer));
    assert_string_equal(text(json_object_array_get_idx(referrers, 0), "artifactType"), "a/sbom");
}

/* "each blob once": the layer that two platforms share, and the layer that an image has twice. */
static void total_size_counts_each_blob_once(void **state)
{
    const struct unit *unit = *state;
    STL_AUTO_FREE char *layer = unit_descriptor(LAYER_TYPE, "layer"),
                       *twice = stl_sprintf(",\"blobs\":[%s,%s]", layer, layer);
    STL_AUTO_FREE char *one = push_config(unit, CONFIG_TYPE, "{\"os\":\"one\",\"architecture\":\"x\"}", ""),
                       *two =
                           push_config(unit, CONFIG_TYPE, "{\"os\":\"two\",\"architecture\":\"x\"}", twice);
    const char *const children[] = {one, two, one};
    STL_AUTO_FREE char *index = push_index(unit, children, NULL, 3);
    STL_AUTO_JSON struct json_object *object = describe(unit, index);
    struct json_object *manifests = list(object, "manifests");
    size_t config = strlen("{\"os\":\"one\",\"architecture\":\"x\"}");
    assert_int_equal(json_object_array_length(manifests), 3);
    assert_int_equal(number(json_object_array_get_idx(manifests, 0), "totalSize"), strlen(one) + config + 5);
    assert_int_equal(number(json_object_array_get_idx(manifests, 1), "totalSize"), strlen(two) + config + 5);
    assert_int_equal(number(object, "totalSize"), strlen(index) + strlen(one) + strlen(two) + 2 * config + 5);
    assert_string_equal(text(json_object_array_get_idx(manifests, 1), "platform"), "two/x");
    assert_null(text(object, "platform"));
}

static void children_that_are_missing(void **state)
{
    const struct unit *unit = *state;
    STL_AUTO_FREE char *there = push_config(unit, CONFIG_TYPE, "{}", "");
    const char *const children[] = {"never pushed", there};
    const char *const more[] = {
        ",\"platform\":{\"os\":\"linux\",\"architecture\":\"amd64\"}",
        ",\"platform\":{\"os\":\"linux\",\"architecture\":\"arm64\",\"variant\":\"v8\"}"};
    STL_AUTO_FREE char *index = push_index(unit, children, more, 2);
    STL_AUTO_JSON struct json_object *object = describe(unit, index);
    struct json_object *manifests = list(object, "manifests"),
                       *first = json_object_array_get_idx(manifests, 0);
    struct stl_digest digest = unit_digest("never pushed");
    assert_string_equal(text(first, "digest"), unit_digest_text(&digest));
    assert_string_equal(text(first, "platform"), "linux/amd64");
    assert_int_equal(number(first, "size"), 12);
    assert_null(list(first, "layers"));
    assert_true(json_object_object_get_ex(first, "missing", NULL));
    assert_false(json_object_object_get_ex(json_object_array_get_idx(manifests, 1), "missing", NULL));
    assert_string_equal(text(json_object_array_get_idx(manifests, 1), "platform"), "linux/arm64/v8");
    assert_int_equal(number(object, "totalSize"), strlen(index) + 12 + strlen(there) + 2 + 5);
}

/* Configs come from strangers, and one that is odd may not hide the image. */
static void odd_configs(void **state)
{
    const struct unit *unit = *state;
    static const char *const configs[] = {"",
                                          "{",
                                          "[]",
                                          "\"text\"",
                                          "null",
                                          "{\"created\":7}",
                                          "{\"created\":{}}",
                                          "{\"os\":7,\"architecture\":[]}",
                                          "{\"os\":\"linux\"}",
                                          "{\"os\":\"\",\"architecture\":\"\"}",
                                          "{\"config\":7}",
                                          "{\"config\":{\"Labels\":7}}",
                                          "{\"config\":{\"Labels\":null}}",
                                          "{\"created\":\"a\\u0000b\"}",
                                          "{\"os\":\"a\\u0000\",\"architecture\":\"x\"}"};
    for (size_t i = 0; i < sizeof configs / sizeof *configs; i++) {
        STL_AUTO_FREE char *json = push_config(unit, CONFIG_TYPE, configs[i], "");
        STL_AUTO_JSON struct json_object *object = describe(unit, json);
        struct json_object *labels = NULL, *created = NULL;
        OK(stl_json_object(object, "labels", &labels, &err));
        assert_null(text(object, "platform"));
        if (json_object_object_get_ex(object, "created", &created))
            assert_true(json_object_is_type(created, json_type_string));
        assert_int_equal(json_object_array_length(list(object, "layers")), 1);
    }
}

/* image-spec, manifest.md: "Implementations MUST NOT attempt to parse the referenced content if this media
 * type is unknown" */
static void configs_of_artifacts_are_not_looked_into(void **state)
{
    const struct unit *unit = *state;
    STL_AUTO_FREE char *json =
        push_config(unit, "application/vnd.example.config.v1+json",
                    "{\"os\":\"linux\",\"architecture\":\"amd64\",\"created\":\"2026\"}", "");
    STL_AUTO_FREE char *dated =
        push_config(unit, "application/vnd.example.config.v1+json", "{}",
                    ",\"annotations\":{\"org.opencontainers.image.created\":\"2025\"}");
    STL_AUTO_JSON struct json_object *object = describe(unit, json), *other = describe(unit, dated);
    assert_null(text(object, "platform"));
    assert_null(text(object, "created"));
    assert_string_equal(text(other, "created"), "2025");
    assert_string_equal(text(object, "artifactType"), "application/vnd.example.config.v1+json");
}

static void sizes_that_overflow(void **state)
{
    const struct unit *unit = *state;
    struct stl_digest one = unit_digest("one"), two = unit_digest("two");
    STL_AUTO_FREE char *json = stl_sprintf(
        "{\"mediaType\":\"c/d\",\"layers\":[{\"mediaType\":\"a/b\",\"digest\":\"%s\",\"size\":9223372036854775806,\"urls\":[\"x\"]},{\"mediaType\":\"a/b\",\"digest\":\"%s\",\"size\":9223372036854775806,\"urls\":[\"x\"]}]}",
        unit_digest_text(&one), unit_digest_text(&two));
    OK(unit_publish(&unit->repo, json, NULL));
    STL_AUTO_JSON struct json_object *object = describe(unit, json);
    assert_true(number(object, "totalSize") >= INT64_MAX - 1);
}

static size_t count_manifests(struct json_object *object)
{
    struct json_object *manifests = NULL;
    size_t count = 1;
    if (json_object_object_get_ex(object, "manifests", &manifests))
        for (size_t i = 0; i < json_object_array_length(manifests); i++)
            count += count_manifests(json_object_array_get_idx(manifests, i));
    return count;
}

/* Each index lists the one before it forty times: 40^9 would be too many to show. */
static void indexes_that_multiply(void **state)
{
    const struct unit *unit = *state;
    STL_AUTO_FREE char *inner = push_config(unit, CONFIG_TYPE, "{}", "");
    for (int level = 0; level < 9; level++) {
        const char *children[40];
        for (size_t i = 0; i < 40; i++)
            children[i] = inner;
        char *outer = push_index(unit, children, NULL, 40);
        stl_free_ptr(&inner);
        inner = outer;
    }
    STL_AUTO_JSON struct json_object *object = describe(unit, inner);
    assert_in_range(count_manifests(object), 40, 100000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        repository_test(an_image),
        repository_test(unknown),
        repository_test(an_artifact_and_its_subject),
        repository_test(total_size_counts_each_blob_once),
        repository_test(children_that_are_missing),
        repository_test(odd_configs),
        repository_test(configs_of_artifacts_are_not_looked_into),
        repository_test(sizes_that_overflow),
        repository_test(indexes_that_multiply),
    };
    return unit_run(tests);
}
