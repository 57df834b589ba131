#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "graph.h"
#include "platform.h"

/* --- a source in memory --------------------------------------------------------------------------------- */

enum { TEXTS_MAX = 16 };

struct source {
    char *texts[TEXTS_MAX];
    size_t count, reads;
};

static int read_text(void *context, const struct stl_digest *digest, int64_t size, struct stl_buf *bytes,
                     struct stl_error *error)
{
    struct source *source = context;
    source->reads++;
    for (size_t i = 0; i < source->count; i++) {
        struct stl_digest found = unit_digest(source->texts[i]);
        if (!stl_digest_equal(&found, digest))
            continue;
        assert_int_equal(size, strlen(source->texts[i]));
        stl_buf_printf(bytes, "%s", source->texts[i]);
        return 1;
    }
    return source->count == TEXTS_MAX ? stl_error_set(error, STL_SYSTEM, "no source") : 0;
}

/* Takes over the text; returns it. */
static const char *keep(struct source *source, char *text)
{
    assert_true(source->count < TEXTS_MAX);
    return source->texts[source->count++] = text;
}

static void clear(struct source *source)
{
    for (size_t i = 0; i < source->count; i++)
        free(source->texts[i]);
}

static struct stl_graph graph_of(struct source *source)
{
    return (struct stl_graph){.reader = {"a source", read_text, read_text, source},
                              .manifest_size_max = 1 << 20};
}

/* {..., "platform":{"os":...}, ...}; `more` may be "". */
static char *child(const char *json, const char *more)
{
    STL_AUTO_FREE char *plain = unit_descriptor(STL_TYPE_OCI_MANIFEST, json);
    plain[strlen(plain) - 1] = '\0';
    return stl_sprintf("%s%s}", plain, more);
}

/* An index with up to three children, which are freed. */
static char *index_of(char *a, char *b, char *c)
{
    char *text = stl_sprintf("{\"schemaVersion\":2,\"mediaType\":\"" STL_TYPE_OCI_INDEX
                             "\",\"manifests\":[%s%s%s%s%s]}",
                             a, b ? "," : "", b ? b : "", c ? "," : "", c ? c : "");
    free(a);
    free(b);
    free(c);
    return text;
}

static int add(struct stl_graph *graph, const char *json, const char *type, size_t *number)
{
    struct stl_digest digest = unit_digest(json);
    return stl_graph_add(graph, &digest, (int64_t)strlen(json), type, number, &err);
}

/* --- the graph ------------------------------------------------------------------------------------------ */

static void each_once_and_children_first(void **state)
{
    (void)state;
    struct source source = {0};
    STL_AUTO_GRAPH struct stl_graph graph = graph_of(&source);
    const char *one = keep(&source, unit_image("one", "")), *two = keep(&source, unit_image("two", ""));
    const char *inner = keep(&source, index_of(child(one, ""), child(two, ""), NULL));
    char *of_inner = unit_descriptor(STL_TYPE_OCI_INDEX, inner);
    const char *outer = keep(&source, index_of(child(two, ""), of_inner, child(two, "")));
    size_t number, again;
    OK(add(&graph, outer, STL_TYPE_OCI_INDEX, &number));
    OK(add(&graph, one, "Application/vnd.oci.image.manifest.V1+json", &again)); /* types have no case */
    assert_int_equal(number, 0);
    assert_int_equal(graph.manifests.count, 4);
    assert_int_equal(graph.blob_digests.count, 4);
    assert_int_equal(source.reads, 4);
    assert_int_equal(graph.nodes[0].child_count, 3);
    assert_int_equal(graph.nodes[0].blob_count, 0);
    assert_int_equal(graph.nodes[again].child_count, 0);
    assert_int_equal(graph.nodes[again].blob_count, 2);
    /* blobs in the order of the manifest: the config first */
    assert_true(graph.blobs[graph.nodes[again].blobs[0]].size >
                graph.blobs[graph.nodes[again].blobs[1]].size);
    assert_true(graph.blobs[0].required && graph.blobs[1].required);
    bool seen[4] = {false};
    uint32_t order[4], place[4] = {0};
    assert_int_equal(stl_graph_order(&graph, number, seen, order), 4);
    for (uint32_t i = 0; i < 4; i++)
        place[order[i]] = i;
    assert_int_equal(order[3], number);
    for (size_t i = 0; i < 4; i++)
        for (size_t k = 0; k < graph.nodes[i].child_count; k++)
            assert_true(place[graph.nodes[i].children[k]] < place[i]);
    assert_int_equal(stl_graph_order(&graph, number, seen, order), 0); /* seen */
    memset(seen, 0, sizeof seen);
    seen[again] = true;
    assert_int_equal(stl_graph_order(&graph, number, seen, order), 3);
    clear(&source);
}

static void subjects_and_optional_blobs(void **state)
{
    (void)state;
    struct source source = {0};
    STL_AUTO_GRAPH struct stl_graph graph = graph_of(&source);
    STL_AUTO_FREE char *subject = unit_image("one", ""), *of_subject = child(subject, ""),
                       *more = stl_sprintf(",\"subject\":%s", of_subject);
    const char *signature = keep(&source, unit_image("signature", more));
    static const char foreign[] = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
    STL_AUTO_FREE char *config = unit_descriptor("application/vnd.oci.image.config.v1+json", "{}"),
                       *layer = unit_descriptor(foreign, "far away");
    const char *strange =
        keep(&source, stl_sprintf("{\"schemaVersion\":2,\"mediaType\":\"" STL_TYPE_OCI_MANIFEST
                                  "\",\"config\":%s,\"layers\":[%s]}",
                                  config, layer));
    size_t number;
    OK(add(&graph, signature, STL_TYPE_OCI_MANIFEST, &number));
    struct stl_digest digest = unit_digest(subject);
    assert_non_null(graph.nodes[number].subject);
    assert_true(stl_digest_equal(graph.nodes[number].subject, &digest));
    assert_int_equal(graph.manifests.count, 1); /* what it is about is not a part of it */
    OK(add(&graph, strange, STL_TYPE_OCI_MANIFEST, &number));
    assert_null(graph.nodes[number].subject);
    assert_true(graph.blobs[graph.nodes[number].blobs[0]].required);
    assert_false(graph.blobs[graph.nodes[number].blobs[1]].required);
    clear(&source);
}

/* The largest that is allowed is read; what is larger is not even asked for. */
static void too_large(void **state)
{
    (void)state;
    struct source source = {0};
    const char *one = keep(&source, unit_image("one", ""));
    for (int less = 0; less < 2; less++) {
        STL_AUTO_GRAPH struct stl_graph graph = graph_of(&source);
        size_t number;
        source.reads = 0;
        graph.manifest_size_max = (int64_t)strlen(one) - less;
        if (less)
            FAILS(STL_MANIFEST_TOO_LARGE, add(&graph, one, STL_TYPE_OCI_MANIFEST, &number));
        else
            OK(add(&graph, one, STL_TYPE_OCI_MANIFEST, &number));
        assert_int_equal(source.reads, 1 - less);
    }
    clear(&source);
}

/* Descriptors are counted as they are looked at, so the last that is allowed is one less. */
static void too_many(void **state)
{
    (void)state;
    struct source source = {0};
    const char *one = keep(&source, unit_image("one", ""));
    for (size_t more = 0; more < 2; more++) {
        STL_AUTO_GRAPH struct stl_graph graph = graph_of(&source);
        size_t number;
        graph.edges = STL_GRAPH_EDGES_MAX - 2 + more;
        if (more)
            FAILS(STL_INVALID, add(&graph, one, STL_TYPE_OCI_MANIFEST, &number));
        else
            OK(add(&graph, one, STL_TYPE_OCI_MANIFEST, &number));
    }
    clear(&source);
}

static void what_cannot_be_had(void **state)
{
    (void)state;
    struct source source = {0};
    const char *one = keep(&source, unit_image("one", ""));
    STL_AUTO_FREE char *gone = unit_image("gone", ""), *bad = stl_strdup("{\"schemaVersion\":2}");
    const char *index = keep(&source, index_of(child(one, ""), child(gone, ""), NULL));
    const char *wrong = keep(&source, index_of(child(bad, ""), NULL, NULL));
    keep(&source, stl_strdup(bad));
    for (int sparse = 0; sparse < 2; sparse++) {
        STL_AUTO_GRAPH struct stl_graph graph = graph_of(&source);
        size_t number;
        graph.sparse = sparse;
        if (!sparse) {
            FAILS(STL_MANIFEST_BLOB_UNKNOWN, add(&graph, index, STL_TYPE_OCI_INDEX, &number));
            continue;
        }
        OK(add(&graph, index, STL_TYPE_OCI_INDEX, &number));
        bool seen[3] = {false};
        uint32_t order[3];
        assert_int_equal(stl_graph_order(&graph, number, seen, order), 2);
        assert_true(graph.nodes[graph.nodes[number].children[1]].missing);
        assert_false(graph.nodes[graph.nodes[number].children[0]].missing || graph.nodes[number].missing);
        assert_int_equal(stl_graph_order(&graph, graph.nodes[number].children[1], seen, order), 0);
        FAILS(STL_MANIFEST_INVALID, add(&graph, wrong, STL_TYPE_OCI_INDEX, &number));
    }
    STL_AUTO_GRAPH struct stl_graph graph = graph_of(&source);
    size_t number;
    graph.sparse = true;
    while (source.count < TEXTS_MAX)
        keep(&source, stl_strdup(""));
    FAILS(STL_SYSTEM, add(&graph, gone, STL_TYPE_OCI_MANIFEST, &number));
    clear(&source);
}

static void descriptors_that_disagree(void **state)
{
    (void)state;
    struct source source = {0};
    const char *one = keep(&source, unit_image("one", ""));
    struct stl_digest digest = unit_digest(one);
    STL_AUTO_GRAPH struct stl_graph graph = graph_of(&source);
    size_t number;
    int64_t size = (int64_t)strlen(one);
    OK(add(&graph, one, STL_TYPE_OCI_MANIFEST, &number));
    FAILS(STL_MANIFEST_INVALID,
          stl_graph_add(&graph, &digest, size + 1, STL_TYPE_OCI_MANIFEST, &number, &err));
    FAILS(STL_MANIFEST_INVALID, add(&graph, one, STL_TYPE_DOCKER_MANIFEST, &number));
    STL_AUTO_FREE char *config = unit_descriptor("application/vnd.oci.image.config.v1+json", "{}");
    STL_AUTO_FREE char *layer = stl_strdup(config);
    *strstr(layer, "\"size\":2") = ' ';
    layer[strlen(layer) - 2] = '3';
    *strstr(layer, " size") = '"';
    const char *two = keep(&source, stl_sprintf("{\"schemaVersion\":2,\"mediaType\":\"" STL_TYPE_OCI_MANIFEST
                                                "\",\"config\":%s,\"layers\":[%s]}",
                                                config, layer));
    FAILS(STL_MANIFEST_INVALID, add(&graph, two, STL_TYPE_OCI_MANIFEST, &number));
    clear(&source);
}

/* --- platforms ------------------------------------------------------------------------------------------ */

#define AMD64 ",\"platform\":{\"os\":\"linux\",\"architecture\":\"amd64\"}"
#define ARM64 ",\"platform\":{\"os\":\"linux\",\"architecture\":\"arm64\"}"
#define V6 ",\"platform\":{\"os\":\"linux\",\"architecture\":\"arm\",\"variant\":\"v6\"}"
#define V7 ",\"platform\":{\"os\":\"linux\",\"architecture\":\"arm\",\"variant\":\"v7\"}"
#define V5 ",\"platform\":{\"os\":\"linux\",\"architecture\":\"arm\",\"variant\":\"v5\"}"
#define UNKNOWN ",\"platform\":{\"os\":\"unknown\",\"architecture\":\"unknown\"}"

/* Which of three children are left out, as a text of 0 and 1. */
static void check_left_out(const char *wanted, const char *a, const char *b, const char *c,
                           const char *expected)
{
    STL_AUTO_FREE char *one = unit_image("one", ""), *two = unit_image("two", ""),
                       *three = unit_image("three", "");
    STL_AUTO_FREE char *json = index_of(child(one, a), child(two, b), child(three, c));
    STL_AUTO_MANIFEST struct stl_manifest index = unit_parse(json);
    struct stl_platforms platforms = {0};
    OK(stl_platforms_add(&platforms, wanted, &err));
    char found[4] = "";
    for (size_t i = 0; i < 3; i++)
        found[i] = stl_platforms_leave_out(&platforms, &index, i) ? '1' : '0';
    stl_platforms_clear(&platforms);
    assert_string_equal(found, expected);
}

static void other_platforms_are_left_out(void **state)
{
    (void)state;
    struct stl_digest of_one, of_two;
    STL_AUTO_FREE char *one = unit_image("one", ""), *two = unit_image("two", "");
    of_one = unit_digest(one);
    of_two = unit_digest(two);
    STL_AUTO_FREE char *about_one = stl_sprintf(
        UNKNOWN ",\"annotations\":{\"vnd.docker.reference.digest\":\"%s\"}", unit_digest_text(&of_one));
    STL_AUTO_FREE char *about_two = stl_sprintf(
        UNKNOWN ",\"annotations\":{\"vnd.docker.reference.digest\":\"%s\"}", unit_digest_text(&of_two));
    check_left_out("linux/amd64", AMD64, ARM64, "", "010");
    check_left_out("linux/amd64, linux/arm64", AMD64, ARM64, ARM64, "000");
    check_left_out("linux/s390x", AMD64, ARM64, UNKNOWN, "110");
    check_left_out("linux/amd64", AMD64, ARM64, about_one, "010");
    check_left_out("linux/amd64", AMD64, ARM64, about_two, "011");
    check_left_out("linux/amd64", ARM64, AMD64, about_one, "101");
    /* What says nothing, or nothing that can be understood, is for all. */
    check_left_out("linux/amd64", ",\"annotations\":{}",
                   ",\"annotations\":{\"vnd.docker.reference.digest\":\"\"}",
                   ",\"annotations\":{\"vnd.docker.reference.digest\":3}", "000");
    check_left_out("linux/amd64", ",\"platform\":3", ",\"platform\":{}", ",\"platform\":{\"os\":\"\"}",
                   "000");
    check_left_out("linux/amd64", ARM64, "",
                   ",\"annotations\":{\"vnd.docker.reference.digest\":\"sha256:none\"}", "100");
}

static void their_names(void **state)
{
    (void)state;
    struct stl_platforms platforms = {0};
    static const char *const lists[] = {"linux/amd64", "linux/amd64,linux/arm/v7",
                                        "linux/amd64, linux/arm64, windows/amd64"},
                             *const texts[] = {"linux/amd64", "linux/amd64 or linux/arm/v7",
                                               "linux/amd64, linux/arm64 or windows/amd64"};
    for (size_t i = 0; i < 3; i++) {
        OK(stl_platforms_add(&platforms, lists[i], &err));
        assert_int_equal(platforms.count, i + 1);
        STL_AUTO_FREE char *text = stl_platforms_format(&platforms);
        assert_string_equal(text, texts[i]);
        stl_platforms_clear(&platforms);
        assert_int_equal(platforms.count, 0);
    }
    FAILS(STL_USAGE, stl_platforms_add(&platforms, "linux/amd64,linux", &err));
    FAILS(STL_USAGE, stl_platforms_add(&platforms, "", &err));
    stl_platforms_clear(&platforms);
}

/* With platforms, a graph has only what is for them. */
static void a_graph_of_some_platforms(void **state)
{
    (void)state;
    struct source source = {0};
    struct stl_platforms platforms = {0};
    STL_AUTO_GRAPH struct stl_graph graph = graph_of(&source);
    const char *one = keep(&source, unit_image("one", "")), *two = keep(&source, unit_image("two", ""));
    const char *index = keep(&source, index_of(child(one, AMD64), child(two, ARM64), NULL));
    size_t number;
    OK(stl_platforms_add(&platforms, "linux/arm64", &err));
    graph.platforms = &platforms;
    OK(add(&graph, index, STL_TYPE_OCI_INDEX, &number));
    assert_int_equal(graph.left_out, 1);
    assert_int_equal(graph.nodes[number].child_count, 1);
    assert_int_equal(graph.nodes[number].blob_count, 0);
    struct stl_digest digest = unit_digest(two);
    assert_true(stl_digest_equal(&graph.manifests.items[graph.nodes[number].children[0]], &digest));
    stl_platforms_clear(&platforms);
    clear(&source);
}

/* --- one platform --------------------------------------------------------------------------------------- */

static char *image_for(struct source *source, const char *config_type, const char *config)
{
    STL_AUTO_FREE char *descriptor = unit_descriptor(config_type, keep(source, stl_strdup(config)));
    return stl_sprintf("{\"schemaVersion\":2,\"mediaType\":\"" STL_TYPE_OCI_MANIFEST
                       "\",\"config\":%s,\"layers\":[]}",
                       descriptor);
}

/* Which of the texts was chosen for a platform, or `failed`. */
static const char *choose(struct source *source, const char *json, const char *type, const char *platform)
{
    const struct stl_graph graph = graph_of(source);
    struct stl_platform wanted;
    struct stl_platform_image image = {unit_digest(json), (int64_t)strlen(json), stl_strdup(type)};
    OK(stl_platform_parse(platform, &wanted, &err));
    const char *found = stl_platform_choose(&graph, &wanted, "app", &image, &err) ? "failed" : "unknown";
    for (size_t i = 0; i < source->count && strcmp(found, "failed"); i++) {
        struct stl_digest digest = unit_digest(source->texts[i]);
        if (stl_digest_equal(&digest, &image.digest)) {
            found = source->texts[i];
            assert_int_equal(image.size, strlen(found));
        }
    }
    free(image.media_type);
    return found;
}

#define CONFIG "application/vnd.oci.image.config.v1+json"

static void the_best_of_an_index(void **state)
{
    (void)state;
    struct source source = {0};
    const char *one = keep(&source, unit_image("one", "")), *two = keep(&source, unit_image("two", "")),
               *three = keep(&source, unit_image("three", ""));
    const char *inner = keep(&source, index_of(child(two, V6), child(three, ARM64), NULL));
    const char *outer = keep(
        &source, index_of(child(one, AMD64), unit_descriptor(STL_TYPE_OCI_INDEX, inner), child(one, V7)));
    assert_string_equal(choose(&source, outer, STL_TYPE_OCI_INDEX, "linux/amd64"), one);
    assert_string_equal(choose(&source, outer, STL_TYPE_OCI_INDEX, "linux/arm64"), three);
    assert_string_equal(choose(&source, outer, STL_TYPE_OCI_INDEX, "linux/arm/v6"), two);
    assert_string_equal(choose(&source, outer, STL_TYPE_OCI_INDEX, "linux/arm"), one); /* the usual variant */
    assert_string_equal(choose(&source, inner, STL_TYPE_OCI_INDEX, "linux/arm"), two); /* or v6 */
    const char *old = keep(&source, index_of(child(three, V5), child(two, V6), NULL)),
               *oldest = keep(&source, index_of(child(two, ARM64), child(three, V5), NULL));
    assert_string_equal(choose(&source, old, STL_TYPE_OCI_INDEX, "linux/arm"), two);
    assert_string_equal(choose(&source, oldest, STL_TYPE_OCI_INDEX, "linux/arm"), three); /* or any */
    assert_string_equal(choose(&source, outer, STL_TYPE_OCI_INDEX, "linux/s390x"), "failed");
    assert_int_equal(err.code, STL_INVALID);
    assert_non_null(strstr(err.message, "app has nothing for platform linux/s390x"));
    stl_error_clear(&err);
    assert_string_equal(choose(&source, outer, STL_TYPE_OCI_INDEX, "linux/arm/v5"), "failed");
    assert_non_null(strstr(err.message, "linux/arm/v5"));
    stl_error_clear(&err);
    const char *broken =
        keep(&source, index_of(child("{}", AMD64), unit_descriptor(STL_TYPE_OCI_INDEX, "{}"), NULL));
    assert_string_equal(choose(&source, broken, STL_TYPE_OCI_INDEX, "linux/arm64"), "failed");
    assert_int_equal(err.code, STL_MANIFEST_BLOB_UNKNOWN);
    stl_error_clear(&err);
    clear(&source);
}

/* An image that is in no index says in its config what it is for. */
static void an_image_alone(void **state)
{
    (void)state;
    static const struct {
        const char *type, *config;
        bool is_chosen;
    } cases[] = {{CONFIG, "{\"os\":\"linux\",\"architecture\":\"arm64\"}", true},
                 {CONFIG, "{\"os\":\"linux\",\"architecture\":\"amd64\"}", false},
                 {CONFIG, "{\"os\":\"linux\"}", true},
                 {CONFIG, "{\"architecture\":3}", false},
                 {CONFIG, "no JSON", false},
                 {"application/vnd.example+json", "{\"architecture\":\"amd64\"}", true}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct source source = {0};
        const char *json = keep(&source, image_for(&source, cases[i].type, cases[i].config));
        assert_string_equal(choose(&source, json, STL_TYPE_OCI_MANIFEST, "linux/arm64"),
                            cases[i].is_chosen ? json : "failed");
        stl_error_clear(&err);
        clear(&source);
    }
    struct source source = {0};
    static const char artifact[] =
        "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.artifact.manifest.v1+json\","
        "\"artifactType\":\"text/x\",\"blobs\":[]}";
    const char *json = keep(&source, stl_strdup(artifact));
    assert_string_equal(choose(&source, json, "application/vnd.oci.artifact.manifest.v1+json", "linux/arm64"),
                        json);
    assert_string_equal(choose(&source, "{}", STL_TYPE_OCI_MANIFEST, "linux/arm64"), "failed");
    stl_error_clear(&err);
    clear(&source);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_once_and_children_first),
        cmocka_unit_test(subjects_and_optional_blobs),
        cmocka_unit_test(too_large),
        cmocka_unit_test(too_many),
        cmocka_unit_test(what_cannot_be_had),
        cmocka_unit_test(descriptors_that_disagree),
        cmocka_unit_test(other_platforms_are_left_out),
        cmocka_unit_test(their_names),
        cmocka_unit_test(a_graph_of_some_platforms),
        cmocka_unit_test(the_best_of_an_index),
        cmocka_unit_test(an_image_alone),
    };
    return unit_run(tests);
}
