#include "unit.h"

#include <string.h>

#include "manifest.h"

#define HEX "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define DIGEST "sha256:" HEX
#define DESCRIPTOR "{\"mediaType\":\"a/b\",\"digest\":\"" DIGEST "\",\"size\":3}"
#define IMAGE_OF(type, more)                                                                                 \
    "{\"schemaVersion\":2,\"mediaType\":\"" type "\",\"config\":" DESCRIPTOR ",\"layers\":[" DESCRIPTOR      \
    "]" more "}"
#define IMAGE(more) IMAGE_OF(STL_TYPE_OCI_MANIFEST, more)
#define INDEX_OF(type, manifests, more)                                                                      \
    "{\"schemaVersion\":2,\"mediaType\":\"" type "\",\"manifests\":[" manifests "]" more "}"
#define INDEX(more) INDEX_OF(STL_TYPE_OCI_INDEX, DESCRIPTOR, more)

static int parse_as(struct stl_manifest *manifest, const char *text, const char *content_type)
{
    return stl_manifest_parse(manifest, text, strlen(text), content_type, STL_SHA256, &err);
}

static void refused(const char *text, const char *content_type, const char *words)
{
    struct stl_manifest manifest;
    FAILS(STL_MANIFEST_INVALID, parse_as(&manifest, text, content_type));
    if (!strstr(err.message, words))
        fail_msg("%s: '%s' should hold '%s'", text, err.message, words);
}

static void accepted(const char *text, const char *content_type)
{
    STL_AUTO_MANIFEST struct stl_manifest manifest = {0};
    if (parse_as(&manifest, text, content_type))
        fail_msg("%s: %s", text, err.message);
}

static void an_image(void **state)
{
    (void)state;
    STL_AUTO_MANIFEST struct stl_manifest manifest = {0};
    const char *text = IMAGE(",\"annotations\":{\"k\":\"v\"}");
    OK(parse_as(&manifest, text, NULL));
    struct stl_digest digest = unit_digest(text);
    assert_string_equal(manifest.media_type.text, STL_TYPE_OCI_MANIFEST);
    assert_true(stl_digest_equal(&manifest.digest, &digest));
    assert_int_equal(manifest.size, strlen(text));
    assert_false(manifest.has_subject);
    assert_int_equal(manifest.count, 2);
    assert_int_equal(manifest.descriptors[0].role, STL_ROLE_CONFIG);
    assert_int_equal(manifest.descriptors[1].role, STL_ROLE_LAYER);
    assert_int_equal(manifest.descriptors[1].size, 3);
    assert_string_equal(manifest.descriptors[1].media_type, "a/b");
    assert_true(manifest.descriptors[1].distributable);
    assert_string_equal(unit_digest_text(&manifest.descriptors[1].digest), DIGEST);
}

static void the_algorithm_is_the_callers(void **state)
{
    (void)state;
    STL_AUTO_MANIFEST struct stl_manifest manifest = {0};
    const char *text = IMAGE("");
    struct stl_digest digest;
    stl_digest_of(STL_SHA512, text, strlen(text), &digest);
    OK(stl_manifest_parse(&manifest, text, strlen(text), NULL, STL_SHA512, &err));
    assert_true(stl_digest_equal(&manifest.digest, &digest));
}

static void all_kinds(void **state)
{
    (void)state;
    accepted(IMAGE_OF(STL_TYPE_DOCKER_MANIFEST, ""), NULL);
    accepted(INDEX(""), NULL);
    accepted(INDEX_OF(STL_TYPE_DOCKER_LIST, DESCRIPTOR, ""), NULL);
    accepted(INDEX_OF(STL_TYPE_OCI_INDEX, "", ""), NULL); /* "the size of the array MAY be zero" */
    accepted("{\"schemaVersion\":2,\"mediaType\":\"" STL_TYPE_OCI_MANIFEST "\",\"config\":" DESCRIPTOR
             ",\"layers\":[]}",
             NULL);
    accepted(IMAGE(",\"artifactType\":\"application/x\",\"unknown\":{\"a\":[1]}"), NULL);
    accepted("{}", "application/vnd.example.unheard.of");
    accepted("{\"mediaType\":\"\"}", "application/vnd.example.unheard.of");
}

static void the_media_type(void **state)
{
    (void)state;
    static const char untyped[] = "{\"schemaVersion\":2,\"config\":" DESCRIPTOR ",\"layers\":[]}";
    accepted(untyped, STL_TYPE_OCI_MANIFEST);
    accepted(IMAGE(""), STL_TYPE_OCI_MANIFEST "; charset=utf-8");
    accepted(IMAGE(""), "");
    refused(untyped, NULL, "no mediaType");
    refused(untyped, "", "no mediaType");
    refused(untyped, "nonsense", "type/subtype");
    refused(untyped, "../../x", "type/subtype");
    refused("{\"mediaType\":\"../..\"}", NULL, "type/subtype");
    refused("{\"mediaType\":7}", "a/b", "mediaType");
    refused(IMAGE(""), STL_TYPE_OCI_INDEX, "mediaType is " STL_TYPE_OCI_MANIFEST);
    refused(IMAGE(""), STL_TYPE_DOCKER_MANIFEST, "mediaType is");
    refused("{\"mediaType\":\"a/b; c=d\"}", "a/b", "mediaType is");
    refused("{\"schemaVersion\":1}", "application/vnd.docker.distribution.manifest.v1+json", "schema 1");
    refused("{\"schemaVersion\":1}", "application/vnd.docker.distribution.manifest.v1+prettyjws", "schema 1");
}

/* Upper and lower case are one in media types (RFC 9110, section 8.3.1); the manifest's own is kept. */
static void cases(void **state)
{
    (void)state;
    STL_AUTO_MANIFEST struct stl_manifest manifest = {0}, shouting = {0};
    OK(parse_as(&manifest, IMAGE(""), "Application/VND.oci.image.MANIFEST.v1+json; Charset=x"));
    assert_string_equal(manifest.media_type.text, STL_TYPE_OCI_MANIFEST);
    OK(parse_as(&shouting, "{\"mediaType\":\"A/B\"}", "a/b"));
    assert_string_equal(shouting.media_type.text, "A/B");
    refused("{\"schemaVersion\":1}", "application/VND.docker.distribution.manifest.V1+json", "schema 1");
    refused("{\"schemaVersion\":2}", "APPLICATION/vnd.oci.image.index.v1+json", "must have 'manifests'");
    refused("{\"schemaVersion\":2,\"config\":" DESCRIPTOR ",\"layers\":[],\"manifests\":[]}",
            "application/vnd.OCI.image.manifest.v1+json", "may not have 'manifests'");
}

/* What an image and an index must have; and never both (CVE-2021-41190). */
static void shapes(void **state)
{
    (void)state;
    refused(IMAGE(",\"manifests\":[]"), NULL, "may not have 'manifests'");
    refused(IMAGE(",\"manifests\":null"), NULL, "may not have 'manifests'");
    refused(INDEX(",\"layers\":[]"), NULL, "may not have 'layers'");
    refused(INDEX(",\"config\":" DESCRIPTOR), NULL, "may not have 'config'");
    refused("{\"schemaVersion\":2,\"layers\":[]}", STL_TYPE_OCI_MANIFEST, "must have 'config'");
    refused("{\"schemaVersion\":2,\"config\":null,\"layers\":[]}", STL_TYPE_OCI_MANIFEST,
            "must have 'config'");
    refused("{\"schemaVersion\":2,\"config\":" DESCRIPTOR "}", STL_TYPE_OCI_MANIFEST, "must have 'layers'");
    refused("{\"schemaVersion\":2}", STL_TYPE_OCI_INDEX, "must have 'manifests'");
    refused("{\"config\":" DESCRIPTOR ",\"layers\":[]}", STL_TYPE_OCI_MANIFEST, "schemaVersion");
    refused("{\"schemaVersion\":1,\"manifests\":[]}", STL_TYPE_OCI_INDEX, "schemaVersion");
    refused("{\"schemaVersion\":\"2\",\"manifests\":[]}", STL_TYPE_DOCKER_LIST, "schemaVersion");
    refused("{\"schemaVersion\":2.0,\"manifests\":[]}", STL_TYPE_OCI_INDEX, "schemaVersion");
    refused("[]", STL_TYPE_OCI_INDEX, "object");
    refused("", STL_TYPE_OCI_INDEX, "");
    refused(IMAGE("") "x", NULL, "JSON");
}

/* descriptor.md, "Properties" */
static void descriptors(void **state)
{
    (void)state;
    static const struct {
        const char *descriptor, *words;
    } cases[] = {
        {"{}", "digest"},
        {"7", "not an object"},
        {"\"" DIGEST "\"", "not an object"},
        {"null", "not an object"},
        {"[]", "not an object"},
        {"{\"mediaType\":\"a/b\",\"size\":3}", "no digest"},
        {"{\"mediaType\":\"a/b\",\"digest\":null,\"size\":3}", "no digest"},
        {"{\"digest\":\"" DIGEST "\",\"size\":3}", "no mediaType"},
        {"{\"mediaType\":\"a/b\",\"digest\":\"" DIGEST "\"}", "size"},
        {"{\"mediaType\":\"a/b\",\"digest\":\"" DIGEST "\",\"size\":null}", "size"},
        {"{\"mediaType\":\"a/b\",\"digest\":\"" DIGEST "\",\"size\":-1}", "size"},
        {"{\"mediaType\":\"a/b\",\"digest\":\"" DIGEST "\",\"size\":\"3\"}", "size"},
        {"{\"mediaType\":\"a/b\",\"digest\":\"" DIGEST "\",\"size\":3.5}", "size"},
        {"{\"mediaType\":\"a/b\",\"digest\":\"" DIGEST "\",\"size\":9223372036854775808}", "out of range"},
        {"{\"mediaType\":\"a/b\",\"digest\":\"" DIGEST "\",\"size\":1e3}", "size"},
        {"{\"mediaType\":\"\",\"digest\":\"" DIGEST "\",\"size\":3}", "media type"},
        {"{\"mediaType\":\"ab\",\"digest\":\"" DIGEST "\",\"size\":3}", "media type"},
        {"{\"mediaType\":7,\"digest\":\"" DIGEST "\",\"size\":3}", "mediaType"},
        {"{\"mediaType\":\"a/b\",\"digest\":\"\",\"size\":3}", "digest"},
        {"{\"mediaType\":\"a/b\",\"digest\":\"sha256:abc\",\"size\":3}", "digits"},
        {"{\"mediaType\":\"a/b\",\"digest\":\"../../../etc/passwd\",\"size\":3}", "digest"},
        {"{\"mediaType\":\"a/b\",\"digest\":\"md5:d41d8cd98f00b204e9800998ecf8427e\",\"size\":3}",
         "not supported"},
        {"{\"mediaType\":\"a/b\",\"digest\":\"" DIGEST "\\u0000\",\"size\":3}", "NUL"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        STL_AUTO_FREE char *in_layers = stl_sprintf("{\"layers\":[" DESCRIPTOR ",%s]}", cases[i].descriptor),
                           *in_index =
                               stl_sprintf("{\"schemaVersion\":2,\"manifests\":[%s]}", cases[i].descriptor),
                           *in_subject = stl_sprintf("{\"subject\":%s}", cases[i].descriptor);
        refused(in_layers, "a/b", cases[i].words);
        assert_memory_equal(err.message, "layers[1]: ", 11);
        refused(in_index, STL_TYPE_OCI_INDEX, cases[i].words);
        assert_memory_equal(err.message, "manifests[0]: ", 14);
        if (strcmp(cases[i].descriptor, "null"))
            refused(in_subject, "a/b", "");
    }
    refused("{\"config\":[]}", "a/b", "config");
    refused("{\"layers\":{}}", "a/b", "layers");
    refused("{\"manifests\":\"x\"}", "a/b", "manifests");
    refused("{\"blobs\":7}", "a/b", "blobs");
}

static void sizes_to_the_limit(void **state)
{
    (void)state;
    STL_AUTO_MANIFEST struct stl_manifest manifest = {0};
    OK(parse_as(&manifest,
                "{\"layers\":[{\"mediaType\":\"a/b\",\"digest\":\"" DIGEST "\",\"size\":0},"
                "{\"mediaType\":\"a/b\",\"digest\":\"" DIGEST "\",\"size\":9223372036854775806}]}",
                "a/b"));
    assert_int_equal(manifest.descriptors[0].size, 0);
    assert_int_equal(manifest.descriptors[1].size, INT64_MAX - 1);
}

static void many_descriptors_in_order(void **state)
{
    (void)state;
    STL_AUTO_BUF struct stl_buf buf = STL_BUF_INIT;
    STL_AUTO_MANIFEST struct stl_manifest manifest = {0};
    stl_buf_puts(&buf, "{\"blobs\":[" DESCRIPTOR "],\"config\":" DESCRIPTOR ",\"layers\":[");
    for (int i = 0; i < 1000; i++)
        stl_buf_printf(&buf, "%s{\"mediaType\":\"a/b\",\"digest\":\"" DIGEST "\",\"size\":%d}", i ? "," : "",
                       i);
    stl_buf_puts(&buf, "]}");
    OK(parse_as(&manifest, buf.data, "a/b"));
    assert_int_equal(manifest.count, 1002);
    assert_int_equal(manifest.descriptors[0].role, STL_ROLE_CONFIG);
    assert_int_equal(manifest.descriptors[1001].role, STL_ROLE_BLOB);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(manifest.descriptors[i + 1].size, i);
}

static void distributable(void **state)
{
    (void)state;
    static const struct {
        bool is;
        const char *type, *more;
    } cases[] = {
        {true, "application/vnd.oci.image.layer.v1.tar+gzip", ""},
        {true, "application/vnd.oci.image.layer.v1.tar+gzip", ",\"urls\":[]"},
        {true, "application/vnd.oci.image.layer.v1.tar+gzip", ",\"urls\":null"},
        {false, "application/vnd.oci.image.layer.v1.tar+gzip", ",\"urls\":[\"https://example.org/x\"]"},
        {false, "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", ""},
        {false, "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", ""},
        {true, "application/vnd.docker.image.rootfs.diff.tar.gzip", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        STL_AUTO_MANIFEST struct stl_manifest manifest = {0};
        STL_AUTO_FREE char *text =
            stl_sprintf("{\"config\":{\"mediaType\":\"%s\",\"digest\":\"" DIGEST "\",\"size\":3%s},"
                        "\"layers\":[{\"mediaType\":\"%s\",\"digest\":\"" DIGEST "\",\"size\":3%s}]}",
                        cases[i].type, cases[i].more, cases[i].type, cases[i].more);
        OK(parse_as(&manifest, text, "a/b"));
        assert_true(manifest.descriptors[0].distributable); /* a config is always needed */
        assert_int_equal(manifest.descriptors[1].distributable, cases[i].is);
    }
}

static void subjects(void **state)
{
    (void)state;
    STL_AUTO_MANIFEST struct stl_manifest image = {0}, index = {0};
    OK(parse_as(&image, IMAGE(",\"subject\":" DESCRIPTOR), NULL));
    OK(parse_as(&index, INDEX(",\"subject\":" DESCRIPTOR), NULL));
    assert_true(image.has_subject && index.has_subject);
    assert_string_equal(unit_digest_text(&image.subject), DIGEST);
    assert_int_equal(image.count, 2); /* the subject is no descriptor that must be there */
    assert_int_equal(index.count, 1);
    refused(IMAGE(",\"subject\":[]"), NULL, "subject");
    refused(IMAGE(",\"subject\":\"" DIGEST "\""), NULL, "subject");
    accepted(IMAGE(",\"subject\":null"), NULL);
}

/* distribution-spec, "Listing Referrers" */
static void artifact_types(void **state)
{
    (void)state;
    static const struct {
        const char *text, *type;
    } cases[] = {
        {IMAGE(",\"artifactType\":\"application/x\""), "application/x"},
        {IMAGE(",\"artifactType\":\"\""), "a/b"},
        {IMAGE(",\"artifactType\":null"), "a/b"},
        {IMAGE(""), "a/b"},
        {INDEX(",\"artifactType\":\"application/x\""), "application/x"},
        {INDEX(""), NULL},
        {INDEX(",\"artifactType\":\"\""), NULL},
        {"{\"mediaType\":\"c/d\",\"blobs\":[" DESCRIPTOR "]}", NULL},
        {"{\"mediaType\":\"c/d\",\"blobs\":[" DESCRIPTOR "],\"artifactType\":\"application/x\"}",
         "application/x"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        STL_AUTO_MANIFEST struct stl_manifest manifest = {0};
        OK(parse_as(&manifest, cases[i].text, NULL));
        const char *type = stl_manifest_artifact_type(&manifest);
        if (cases[i].type)
            assert_string_equal(type, cases[i].type);
        else
            assert_null(type);
    }
    refused(IMAGE(",\"artifactType\":7"), NULL, "artifactType");
}

static void annotations(void **state)
{
    (void)state;
    accepted(IMAGE(",\"annotations\":{}"), NULL);
    accepted(IMAGE(",\"annotations\":null"), NULL);
    accepted(IMAGE(",\"annotations\":{\"\":\"\"}"), NULL);
    refused(IMAGE(",\"annotations\":[]"), NULL, "annotations");
    refused(IMAGE(",\"annotations\":{\"a\":1}"), NULL, "'a' is not a string");
    refused(IMAGE(",\"annotations\":{\"a\":{}}"), NULL, "'a' is not a string");
    refused(IMAGE(",\"annotations\":{\"a\":null}"), NULL, "'a' is not a string");
}

static void kinds_of_media_types(void **state)
{
    (void)state;
    assert_true(stl_media_type_is_image(STL_TYPE_OCI_MANIFEST) &&
                stl_media_type_is_image(STL_TYPE_DOCKER_MANIFEST));
    assert_false(stl_media_type_is_image(STL_TYPE_OCI_INDEX) || stl_media_type_is_image("a/b"));
    assert_true(stl_media_type_is_index(STL_TYPE_OCI_INDEX) && stl_media_type_is_index(STL_TYPE_DOCKER_LIST));
    assert_false(stl_media_type_is_index(STL_TYPE_OCI_MANIFEST));
    static const char *const manifests[] = {STL_TYPE_OCI_MANIFEST,
                                            STL_TYPE_OCI_INDEX,
                                            STL_TYPE_DOCKER_MANIFEST,
                                            STL_TYPE_DOCKER_LIST,
                                            "application/vnd.oci.artifact.manifest.v1+json",
                                            "application/vnd.example.index.v9+json"};
    for (size_t i = 0; i < sizeof manifests / sizeof *manifests; i++)
        assert_true(stl_media_type_is_manifest(manifests[i]));
    static const char *const blobs[] = {
        "application/vnd.oci.image.config.v1+json",    "application/octet-stream",
        "application/vnd.oci.image.layer.v1.tar+gzip", "application/vnd.oci.empty.v1+json",
        "application/vnd.buildkit.cacheconfig.v0",     "text/manifest"};
    for (size_t i = 0; i < sizeof blobs / sizeof *blobs; i++)
        assert_false(stl_media_type_is_manifest(blobs[i]));
}

static void platforms(void **state)
{
    (void)state;
    static const struct {
        bool match;
        const char *wanted, *platform;
    } cases[] = {
        {true, "linux/amd64", "{\"os\":\"linux\",\"architecture\":\"amd64\"}"},
        {true, "linux/arm", "{\"os\":\"linux\",\"architecture\":\"arm\",\"variant\":\"v7\"}"},
        {true, "linux/arm/v7", "{\"os\":\"linux\",\"architecture\":\"arm\",\"variant\":\"v7\"}"},
        {false, "linux/arm/v6", "{\"os\":\"linux\",\"architecture\":\"arm\",\"variant\":\"v7\"}"},
        {true, "linux/arm/v7", "{\"os\":\"linux\",\"architecture\":\"arm\"}"},
        {false, "linux/amd64", "{\"os\":\"windows\",\"architecture\":\"amd64\"}"},
        {false, "linux/amd64", "{\"os\":\"linux\",\"architecture\":\"arm64\"}"},
        {false, "linux/amd64", "{\"os\":\"linux\"}"},
        {false, "linux/amd64", "{}"},
        {false, "linux/amd64", "null"},
        {false, "linux/amd64", "[]"},
        {false, "linux/amd64", "{\"os\":7,\"architecture\":\"amd64\"}"},
        {false, "linux/amd64", "{\"os\":\"linux\",\"architecture\":\"amd64\",\"variant\":7}"},
        {false, "unknown/unknown", "{\"os\":\"linux\",\"architecture\":\"amd64\"}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        STL_AUTO_FREE char *text =
            stl_sprintf("{\"manifests\":[{\"mediaType\":\"a/b\",\"digest\":\"" DIGEST "\",\"size\":3,"
                        "\"platform\":%s}]}",
                        cases[i].platform);
        STL_AUTO_MANIFEST struct stl_manifest manifest = {0};
        struct stl_platform platform;
        OK(stl_platform_parse(cases[i].wanted, &platform, &err));
        OK(parse_as(&manifest, text, "a/b"));
        assert_int_equal(stl_descriptor_matches(&manifest.descriptors[0], &platform), cases[i].match);
    }
}

static void clearing_twice_is_harmless(void **state)
{
    (void)state;
    struct stl_manifest manifest;
    OK(parse_as(&manifest, IMAGE(""), NULL));
    stl_manifest_clear(&manifest);
    stl_manifest_clear(&manifest);
    FAILS(STL_MANIFEST_INVALID, parse_as(&manifest, "x", NULL));
    stl_manifest_clear(&manifest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_image),
        cmocka_unit_test(the_algorithm_is_the_callers),
        cmocka_unit_test(all_kinds),
        cmocka_unit_test(the_media_type),
        cmocka_unit_test(cases),
        cmocka_unit_test(shapes),
        cmocka_unit_test(descriptors),
        cmocka_unit_test(sizes_to_the_limit),
        cmocka_unit_test(many_descriptors_in_order),
        cmocka_unit_test(distributable),
        cmocka_unit_test(subjects),
        cmocka_unit_test(artifact_types),
        cmocka_unit_test(annotations),
        cmocka_unit_test(kinds_of_media_types),
        cmocka_unit_test(platforms),
        cmocka_unit_test(clearing_twice_is_harmless),
    };
    return unit_run(tests);
}
