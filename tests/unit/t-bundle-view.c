#include "bundle-view.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "describe.h"
#include "export.h"
#include "publishing.h"
#include "repo-make.h"

#define CONFIG_TYPE "application/vnd.oci.image.config.v1+json"

/* The whole registry as a bundle in a file that has no name. */
static int make_bundle(const struct unit *unit, enum stl_compression compression)
{
    STL_AUTO_EXPORT struct stl_export export = STL_EXPORT_INIT;
    STL_AUTO_SELECTION struct stl_selection selection = STL_SELECTION_INIT;
    const struct stl_export_options options = {
        .selection = &selection, .host = "host", .compression = compression, .mirror = true};
    int fd = memfd_create("bundle", MFD_CLOEXEC);
    assert_true(fd >= 0);
    OK(stl_selection_add(&selection, "**", &err));
    OK(stl_export_plan(&export, &unit->registry, &options, &err));
    OK(stl_export_volume(&export, 1, fd, &err));
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    return fd;
}

/* An image whose config says for what it is. `type`: "" or ",\"mediaType\":...". */
static char *push_image(const struct stl_repo *repo, const char *config_text, const char *type,
                        const char *tag)
{
    STL_AUTO_FREE char *config = unit_descriptor(CONFIG_TYPE, config_text);
    char *json = stl_sprintf("{\"schemaVersion\":2%s,\"config\":%s,\"layers\":[]}", type, config);
    STL_AUTO_MANIFEST struct stl_manifest manifest = {0};
    struct stl_tag tags[] = {unit_tag(tag)};
    unit_blob(repo, config_text);
    OK(stl_manifest_parse(&manifest, json, strlen(json), STL_TYPE_OCI_MANIFEST, STL_SHA256, &err));
    OK(commit_manifest(repo, &manifest, json, &(struct commit){.tags = tags, .tag_count = 1}, &err));
    return json;
}

static void push_index(const struct stl_repo *repo, const char *child, const char *tag)
{
    STL_AUTO_FREE char *descriptor = unit_descriptor(STL_TYPE_OCI_MANIFEST, child);
    STL_AUTO_FREE char *index = stl_sprintf(
        "{\"schemaVersion\":2,\"mediaType\":\"" STL_TYPE_OCI_INDEX "\",\"manifests\":[%s]}", descriptor);
    OK(unit_publish(repo, index, tag));
}

static void push_referrer(const struct stl_repo *repo, const char *seed, const char *subject)
{
    STL_AUTO_FREE char *descriptor = unit_descriptor(STL_TYPE_OCI_MANIFEST, subject);
    STL_AUTO_FREE char *more = stl_sprintf(",\"subject\":%s", descriptor);
    STL_AUTO_FREE char *json = unit_image(seed, more);
    unit_image_blobs(repo, seed);
    OK(unit_publish(repo, json, NULL));
}

static void fill(const struct stl_repo *repo)
{
    static const char typed[] = ",\"mediaType\":\"" STL_TYPE_OCI_MANIFEST "\"";
    STL_AUTO_FREE char *small =
        push_image(repo, "{\"os\":\"linux\",\"architecture\":\"amd64\",\"created\":\"2020-01-01T00:00:00Z\"}",
                   typed, "amd64");
    STL_AUTO_FREE char *bare = push_image(repo, "{\"os\":\"linux\",\"architecture\":\"arm64\"}", "", "arm64");
    push_index(repo, small, "multi");
    push_referrer(repo, "signature", small);
    push_referrer(repo, "second signature", small);
    push_referrer(repo, "of another", bare);
}

/* What a bundle says of each of its images is what the registry says. */
static void check(const struct unit *unit, int bundle, size_t count)
{
    STL_AUTO_BUNDLE_VIEW struct stl_bundle_view view = STL_BUNDLE_VIEW_INIT;
    OK(stl_bundle_view_open(&view, bundle, "bundle", &err));
    const struct stl_bundle *list = &view.volume.bundle;
    assert_int_equal(list->image_count, count);
    OK(stl_bundle_view_prepare(&view, list->images, list->image_count, &err));
    for (size_t i = 0; i < list->image_count; i++) {
        const struct stl_bundle_image *image = &list->images[i];
        STL_AUTO_JSON struct json_object *here = stl_describe(&unit->repo, &image->digest, &err);
        STL_AUTO_JSON struct json_object *there =
            stl_bundle_view_describe(&view, image->name, &image->digest, &err);
        assert_non_null(here);
        assert_non_null(there);
        const char *wanted = json_object_to_json_string(here), *found = json_object_to_json_string(there);
        if (!json_object_equal(here, there))
            fail_msg("%s\nwanted %s\nfound  %s", image->tag ? image->tag : "no tag", wanted, found);
    }
    const struct stl_digest absent = unit_digest("absent");
    stl_error_clear(&err);
    assert_null(stl_bundle_view_describe(&view, "lib/app", &absent, &err));
    assert_int_equal(err.code, STL_MANIFEST_UNKNOWN);
    assert_non_null(strstr(err.message, "bundle: manifest sha256:"));
}

static void as_in_the_registry(void **state)
{
    struct unit *unit = *state;
    fill(&unit->repo);
    check(unit, make_bundle(unit, STL_COMPRESS_NONE), 6);
    check(unit, make_bundle(unit, STL_COMPRESS_GZIP), 6);
}

/* A config that the bundle's reader has no room for says nothing, and hides no other. */
static void a_large_config(void **state)
{
    enum { LARGE = (8 << 20) + 1 };
    struct unit *unit = *state;
    STL_AUTO_FREE char *large = stl_alloc(LARGE + 1);
    static const char begin[] = "{\"os\":\"linux\",\"architecture\":\"riscv64\"}";
    static const char typed[] = ",\"mediaType\":\"" STL_TYPE_OCI_MANIFEST "\"";
    memset(large, ' ', LARGE);
    memcpy(large, begin, strlen(begin));
    STL_AUTO_FREE char *one = push_image(&unit->repo, large, typed, "large");
    STL_AUTO_FREE char *two =
        push_image(&unit->repo, "{\"os\":\"linux\",\"architecture\":\"amd64\"}", typed, "small");
    for (int compressed = 0; compressed < 2; compressed++) {
        STL_AUTO_BUNDLE_VIEW struct stl_bundle_view view = STL_BUNDLE_VIEW_INIT;
        OK(stl_bundle_view_open(&view, make_bundle(unit, compressed ? STL_COMPRESS_GZIP : STL_COMPRESS_NONE),
                                "bundle", &err));
        const struct stl_bundle *list = &view.volume.bundle;
        OK(stl_bundle_view_prepare(&view, list->images, list->image_count, &err));
        for (size_t i = 0; i < 2; i++) {
            STL_AUTO_JSON struct json_object *found =
                stl_bundle_view_describe(&view, "lib/app", &list->images[i].digest, &err);
            assert_non_null(found);
            assert_int_equal(strstr(json_object_to_json_string(found), "amd64") != NULL,
                             !strcmp(list->images[i].tag, "small"));
            assert_null(strstr(json_object_to_json_string(found), "riscv64"));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        repository_test(as_in_the_registry),
        repository_test(a_large_config),
    };
    return unit_run(tests);
}
