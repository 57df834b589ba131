#include "unit.h"

#include <string.h>
#include <unistd.h>

#include "referrers.h"
#include "repo-make.h"

#define IMAGE_CONFIG "application/vnd.oci.image.config.v1+json"

struct fixture {
    struct unit *unit;
    const struct stl_root *root;
    struct stl_repo repo;
    struct stl_digest subject;
    char *file; /* referrers/<subject> */
};

static struct fixture begin(void **state)
{
    struct fixture f = {.unit = *state};
    struct stl_name name = unit_name("lib/app");
    f.root = &f.unit->registry.root;
    f.subject = unit_digest("the subject");
    f.file = stl_sprintf("referrers/%s", unit_digest_text(&f.subject));
    OK(stl_repo_make(&f.repo, &f.unit->registry, &name, &err));
    return f;
}

static void end(struct fixture *f)
{
    assert_int_equal(unit_count(f->root->fd, "tmp"), 0);
    stl_free_ptr(&f->file);
    stl_repo_close(&f->repo);
}

/* An image that refers to the subject. */
static struct stl_manifest referrer(const struct fixture *f, const char *seed, const char *more)
{
    STL_AUTO_FREE char *subject =
        stl_sprintf(",\"subject\":{\"mediaType\":\"a/b\",\"digest\":\"%s\",\"size\":1}%s",
                    unit_digest_text(&f->subject), more);
    STL_AUTO_FREE char *json = unit_image(seed, subject);
    return unit_parse(json);
}

static int add(const struct fixture *f, const struct stl_manifest *manifest)
{
    bool new;
    return stl_referrers_add(f->root, f->repo.fd, &manifest, 1, &new, &err);
}

static struct json_object *read_list(const struct fixture *f, const char *artifact_type,
                                     struct json_object **index)
{
    STL_AUTO_BUF struct stl_buf text = STL_BUF_INIT;
    struct json_object *list = NULL;
    const char *type = NULL;
    int64_t version = 0;
    OK(stl_referrers_read(f->repo.fd, &f->subject, artifact_type, &text, &err));
    *index = stl_json_parse(text.data, text.length, &err);
    assert_non_null(*index);
    OK(stl_json_string(*index, "mediaType", &type, &err));
    OK(stl_json_int64(*index, "schemaVersion", &version, &err));
    OK(stl_json_array(*index, "manifests", &list, &err));
    assert_string_equal(type, STL_TYPE_OCI_INDEX);
    assert_int_equal(version, 2);
    assert_non_null(list);
    return list;
}

static size_t count(const struct fixture *f, const char *artifact_type)
{
    STL_AUTO_JSON struct json_object *index = NULL;
    return json_object_array_length(read_list(f, artifact_type, &index));
}

static void no_referrers_is_an_empty_index(void **state)
{
    struct fixture f = begin(state);
    STL_AUTO_BUF struct stl_buf text = STL_BUF_INIT;
    OK(stl_referrers_read(f.repo.fd, &f.subject, NULL, &text, &err));
    assert_string_equal(text.data, STL_REFERRERS_EMPTY);
    assert_int_equal(count(&f, "application/x"), 0);
    assert_false(unit_exists(f.repo.fd, f.file));
    end(&f);
}

/* So long that it is looked at before anything is written: it has room for more. */
static void a_long_list(void **state)
{
    struct fixture f = begin(state);
    STL_AUTO_FREE char *long_text = stl_sprintf(",\"annotations\":{\"long\":\"%0*d\"}", 130 << 10, 0);
    STL_AUTO_MANIFEST struct stl_manifest a = referrer(&f, "a", ""), b = referrer(&f, "b", long_text);
    const struct stl_manifest *first = &b, *both[] = {&a, &b};
    OK(stl_referrers_check(f.repo.fd, &first, 1, &err));
    OK(stl_referrers_check(f.repo.fd, both, 2, &err));
    OK(add(&f, &a));
    OK(stl_referrers_check(f.repo.fd, &first, 1, &err));
    OK(add(&f, &b));
    OK(stl_referrers_check(f.repo.fd, both, 2, &err));
    unit_write(f.repo.fd, f.file, "damaged");
    FAILS(STL_DAMAGED, stl_referrers_check(f.repo.fd, both, 2, &err));
    end(&f);
}

static void several_at_once(void **state)
{
    struct fixture f = begin(state);
    STL_AUTO_MANIFEST struct stl_manifest a = referrer(&f, "a", ""), b = referrer(&f, "b", ""),
                                          c = referrer(&f, "c", "");
    const struct stl_manifest *all[] = {&b, &a, &c, &b};
    bool new[4];
    OK(add(&f, &a));
    OK(stl_referrers_check(f.repo.fd, all, 4, &err));
    OK(stl_referrers_add(f.root, f.repo.fd, all, 4, new, &err));
    assert_true(new[0] && !new[1] && new[2] && !new[3]);
    STL_AUTO_JSON struct json_object *index = NULL;
    struct json_object *list = read_list(&f, NULL, &index);
    const struct stl_manifest *order[] = {&a, &b, &c};
    assert_int_equal(json_object_array_length(list), 3);
    for (size_t i = 0; i < 3; i++) {
        const char *digest = NULL;
        OK(stl_json_string(json_object_array_get_idx(list, i), "digest", &digest, &err));
        assert_string_equal(digest, unit_digest_text(&order[i]->digest));
    }
    end(&f);
}

/* distribution-spec, "Listing Referrers" */
static void an_entry_says_what_the_specification_wants(void **state)
{
    struct fixture f = begin(state);
    STL_AUTO_MANIFEST struct stl_manifest manifest = referrer(
        &f, "sbom",
        ",\"artifactType\":\"application/sbom+json\",\"annotations\":{\"b\":\"1\",\"a/\\u00e4\":\"\\\"\\n\"}");
    OK(add(&f, &manifest));
    STL_AUTO_FREE char *expected = stl_sprintf(
        "{\"schemaVersion\":2,\"mediaType\":\"" STL_TYPE_OCI_INDEX
        "\",\"manifests\":[{\"mediaType\":\"" STL_TYPE_OCI_MANIFEST
        "\",\"digest\":\"%s\",\"size\":%lld,\"artifactType\":\"application/sbom+json\",\"annotations\":{\"b\":\"1\",\"a/\xc3\xa4\":\"\\\"\\n\"}}]}",
        unit_digest_text(&manifest.digest), (long long)manifest.size);
    unit_check_text(f.repo.fd, f.file, expected);
    end(&f);
}

static const char *field(struct json_object *list, size_t i, const char *key)
{
    const char *value = NULL;
    OK(stl_json_string(json_object_array_get_idx(list, i), key, &value, &err));
    return value;
}

static void the_artifact_type_is_derived(void **state)
{
    struct fixture f = begin(state);
    STL_AUTO_MANIFEST struct stl_manifest named = referrer(&f, "1", ",\"artifactType\":\"application/x\""),
                                          empty = referrer(&f, "2", ",\"artifactType\":\"\""),
                                          unnamed = referrer(&f, "3", "");
    STL_AUTO_FREE char *json =
        stl_sprintf("{\"schemaVersion\":2,\"mediaType\":\"" STL_TYPE_OCI_INDEX "\",\"manifests\":[],"
                    "\"subject\":{\"mediaType\":\"a/b\",\"digest\":\"%s\",\"size\":1}}",
                    unit_digest_text(&f.subject));
    STL_AUTO_MANIFEST struct stl_manifest index = unit_parse(json);
    OK(add(&f, &named));
    OK(add(&f, &empty));
    OK(add(&f, &unnamed));
    OK(add(&f, &index));
    STL_AUTO_JSON struct json_object *document = NULL;
    struct json_object *list = read_list(&f, NULL, &document);
    assert_int_equal(json_object_array_length(list), 4);
    assert_string_equal(field(list, 0, "artifactType"), "application/x");
    assert_int_equal(count(&f, "Application/X"), 1);
    assert_string_equal(field(list, 1, "artifactType"), IMAGE_CONFIG);
    assert_string_equal(field(list, 2, "artifactType"), IMAGE_CONFIG);
    assert_null(field(list, 3, "artifactType")); /* "MUST be omitted" */
    assert_string_equal(field(list, 3, "mediaType"), STL_TYPE_OCI_INDEX);
    assert_int_equal(count(&f, "application/x"), 1);
    assert_int_equal(count(&f, IMAGE_CONFIG), 2);
    assert_int_equal(count(&f, "application/none"), 0);
    assert_int_equal(count(&f, ""), 0);
    end(&f);
}

static void adding_twice_lists_once(void **state)
{
    struct fixture f = begin(state);
    STL_AUTO_MANIFEST struct stl_manifest one = referrer(&f, "1", ""), two = referrer(&f, "2", "");
    OK(add(&f, &one));
    OK(add(&f, &two));
    struct stl_digest before = unit_fingerprint(f.repo.fd, ".");
    OK(add(&f, &one));
    OK(add(&f, &two));
    struct stl_digest after = unit_fingerprint(f.repo.fd, ".");
    assert_true(stl_digest_equal(&before, &after));
    assert_int_equal(count(&f, NULL), 2);
    end(&f);
}

static void removing(void **state)
{
    struct fixture f = begin(state);
    STL_AUTO_MANIFEST struct stl_manifest one = referrer(&f, "1", ""), two = referrer(&f, "2", ""),
                                          three = referrer(&f, "3", "");
    OK(stl_referrers_remove(f.root, f.repo.fd, &f.subject, &one.digest,
                            &err)); /* nothing there: nothing to do */
    OK(add(&f, &one));
    OK(add(&f, &two));
    OK(add(&f, &three));
    for (int round = 0; round < 2; round++) {
        OK(stl_referrers_remove(f.root, f.repo.fd, &f.subject, &two.digest, &err));
        assert_int_equal(count(&f, NULL), 2);
    }
    OK(stl_referrers_remove(f.root, f.repo.fd, &f.subject, &one.digest, &err));
    OK(stl_referrers_remove(f.root, f.repo.fd, &f.subject, &three.digest, &err));
    unit_check_text(f.repo.fd, f.file, STL_REFERRERS_EMPTY);
    OK(add(&f, &two));
    assert_int_equal(count(&f, NULL), 1);
    end(&f);
}

static void a_subject_of_sha512(void **state)
{
    struct fixture f = begin(state);
    stl_free_ptr(&f.file);
    stl_digest_of(STL_SHA512, "x", 1, &f.subject);
    f.file = stl_sprintf("referrers/%s", unit_digest_text(&f.subject));
    STL_AUTO_MANIFEST struct stl_manifest one = referrer(&f, "1", "");
    OK(add(&f, &one));
    assert_true(unit_exists(f.repo.fd, f.file));
    assert_int_equal(count(&f, NULL), 1);
    end(&f);
}

static void damaged_files(void **state)
{
    struct fixture f = begin(state);
    STL_AUTO_MANIFEST struct stl_manifest one = referrer(&f, "1", "");
    static const char *const texts[] = {
        "", "{", "[]", "{}", "{\"manifests\":{}}", "{\"manifests\":null}", "{\"manifests\":[]}x"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        STL_AUTO_BUF struct stl_buf text = STL_BUF_INIT;
        unit_write(f.repo.fd, f.file, texts[i]);
        FAILS(STL_DAMAGED, add(&f, &one));
        assert_non_null(strstr(err.message, "verify --repair"));
        FAILS(STL_DAMAGED, stl_referrers_remove(f.root, f.repo.fd, &f.subject, &one.digest, &err));
        FAILS(STL_DAMAGED, stl_referrers_read(f.repo.fd, &f.subject, NULL, &text, &err));
        unit_check_text(f.repo.fd, f.file, texts[i]);
    }
    /* Entries of other programs are left alone. */
    unit_write(f.repo.fd, f.file, "{\"manifests\":[null,7,{},{\"digest\":7},{\"digest\":\"x\"}]}");
    OK(add(&f, &one));
    OK(add(&f, &one));
    OK(stl_referrers_remove(f.root, f.repo.fd, &f.subject, &one.digest, &err));
    unit_check_text(f.repo.fd, f.file, "{\"manifests\":[null,7,{},{\"digest\":7},{\"digest\":\"x\"}]}");
    unit_remove(f.repo.fd, f.file);
    assert_int_equal(symlinkat("../../../../_no_referrers", f.repo.fd, f.file), 0);
    FAILS(STL_SYSTEM, add(&f, &one));
    end(&f);
}

/* As much as the list can hold: one more is refused, and those that are there can still be read and taken
 * off. */
static void a_full_list_can_be_emptied(void **state)
{
    struct fixture f = begin(state);
    enum { MANY = 4 };
    STL_AUTO_BUF struct stl_buf much = STL_BUF_INIT;
    struct stl_manifest manifests[MANY];
    size_t listed = 0;
    stl_buf_puts(&much, ",\"annotations\":{\"k\":\"v\"");
    for (int i = 0; i < 40000; i++)
        stl_buf_printf(&much, ",\"%d\":\"%0300d\"", i, i);
    stl_buf_puts(&much, "}");
    for (size_t i = 0; i < MANY; i++) {
        char seed[] = {(char)('a' + i), '\0'};
        manifests[i] = referrer(&f, seed, much.data);
        stl_error_clear(&err);
        if (add(&f, &manifests[i]) == 0)
            assert_int_equal(++listed, i + 1);
        else
            unit_check_error(STL_MANIFEST_INVALID, "add");
        assert_int_equal(count(&f, NULL), listed);
    }
    assert_in_range(listed, 1, MANY - 1);
    for (size_t i = 0; i < MANY; i++) {
        OK(stl_referrers_remove(f.root, f.repo.fd, &f.subject, &manifests[i].digest, &err));
        stl_manifest_clear(&manifests[i]);
    }
    assert_int_equal(count(&f, NULL), 0);
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        registry_test(no_referrers_is_an_empty_index),
        registry_test(several_at_once),
        registry_test(a_long_list),
        registry_test(an_entry_says_what_the_specification_wants),
        registry_test(the_artifact_type_is_derived),
        registry_test(adding_twice_lists_once),
        registry_test(removing),
        registry_test(a_subject_of_sha512),
        registry_test(damaged_files),
        registry_test(a_full_list_can_be_emptied),
    };
    return unit_run(tests);
}
