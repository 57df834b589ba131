#include "publishing.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "references.h"
#include "referrers.h"
#include "repo-make.h"

/* --- publishing ----------------------------------------------------------------------------------------- */

static void the_tree_is_as_laid_down(void **state)
{
    struct unit *f = *state;
    STL_AUTO_FREE char *json = unit_image("one", "");
    assert_false(in_catalog(f));
    struct stl_digest digest = unit_push(&f->repo, "one", "v1");
    STL_AUTO_FREE char *path = manifest_path(&digest), *bytes = stl_sprintf("_%s", path);
    STL_AUTO_FREE char *file =
        stl_sprintf("_manifests/" STL_TYPE_OCI_MANIFEST "/%s", unit_digest_text(&digest));
    STL_AUTO_FREE char *target = stl_sprintf("../%s", file), *link = unit_link(f->repo.fd, path),
                       *tag = unit_link(f->repo.fd, "manifests/v1");
    struct stat st;
    assert_int_equal(fstatat(f->repo.fd, file, &st, AT_SYMLINK_NOFOLLOW), 0);
    assert_true(S_ISREG(st.st_mode));
    assert_int_equal(st.st_mode & 0777, 0644);
    unit_check_text(f->repo.fd, file, json);
    unit_check_text(f->repo.fd, "manifests/v1", json);
    assert_string_equal(link, target);
    assert_string_equal(tag, unit_digest_text(&digest));
    assert_int_equal(unit_count(f->repo.fd, "manifests"), 2);
    assert_int_equal(unit_count(f->repo.fd, "referrers"), 0);
    assert_false(unit_exists(f->repo.fd, "_refs"));
    check_tags(f, "\"v1\"");
    unit_check_text(f->registry.root.fd, "www/v2/_catalog", "{\"repositories\":[\"lib/app\"]}\n");
}

static void publishing_again_changes_nothing(void **state)
{
    struct unit *f = *state;
    unit_push(&f->repo, "one", "v1");
    struct stl_digest before = unit_fingerprint(f->registry.root.fd, ".");
    unit_push(&f->repo, "one", "v1");
    struct stl_digest after = unit_fingerprint(f->registry.root.fd, ".");
    assert_true(stl_digest_equal(&before, &after));
}

static void by_digest_only(void **state)
{
    struct unit *f = *state;
    struct stl_digest digest = unit_push(&f->repo, "one", NULL);
    STL_AUTO_FREE char *path = manifest_path(&digest);
    assert_true(unit_exists(f->repo.fd, path));
    check_tags(f, "");
    assert_true(in_catalog(f));
}

static void what_cannot_be_written_has_no_name(void **state)
{
    struct unit *unit = *state;
    int root = unit->registry.root.fd;
    unit_image_blobs(&unit->repo, "one");
    STL_AUTO_FREE char *json = unit_image("one", "");
    assert_int_equal(renameat(root, "tmp", root, "away"), 0);
    FAILS(STL_SYSTEM, unit_publish(&unit->repo, json, "v1"));
    assert_int_equal(renameat(root, "away", root, "tmp"), 0);
    assert_int_equal(unit_count(unit->repo.fd, "manifests"), 0);
    OK(unit_publish(&unit->repo, json, "v1"));
}

static void many_tags_at_once_and_later(void **state)
{
    struct unit *f = *state;
    STL_AUTO_FREE char *json = unit_image("one", "");
    STL_AUTO_MANIFEST struct stl_manifest manifest = unit_parse(json);
    struct stl_tag tags[12];
    for (int i = 0; i < 12; i++)
        snprintf(tags[i].text, sizeof tags[i].text, "t%02d", 11 - i);
    unit_image_blobs(&f->repo, "one");
    OK(commit_manifest(&f->repo, &manifest, json, &(struct commit){.tags = tags, .tag_count = 12}, &err));
    check_tags(
        f, "\"t00\",\"t01\",\"t02\",\"t03\",\"t04\",\"t05\",\"t06\",\"t07\",\"t08\",\"t09\",\"t10\",\"t11\"");
    struct stl_digest two = unit_push(&f->repo, "two", "t05");
    CHECK_TAG(f, "t05", &two);
    CHECK_TAG(f, "t04", &manifest.digest);
    OK(publish_tag(f, &two, "zz"));
    CHECK_TAG(f, "zz", &two);
    struct stl_digest none = unit_digest("none");
    FAILS(STL_MANIFEST_UNKNOWN, publish_tag(f, &none, "zz"));
    FAILS(STL_MANIFEST_UNKNOWN, publish_tag(f, &none, "new"));
    CHECK_TAG(f, "zz", &two);
    assert_false(unit_exists(f->repo.fd, "manifests/new"));
}

static void exact_bytes_are_kept(void **state)
{
    struct unit *f = *state;
    static const char json[] =
        " {\n\t\"schemaVersion\" : 2, \"manifests\" : [ ] , \"x\":\"\\u00e4\\/\"}\r\n ";
    STL_AUTO_MANIFEST struct stl_manifest manifest = {0};
    STL_AUTO_MANIFEST struct stl_manifest again = {0};
    STL_AUTO_BUF struct stl_buf bytes = STL_BUF_INIT;
    OK(stl_manifest_parse(&manifest, json, strlen(json), STL_TYPE_OCI_INDEX, STL_SHA512, &err));
    OK(commit_manifest(&f->repo, &manifest, json, &(struct commit){0}, &err));
    OK(stl_manifest_load(&f->repo, &manifest.digest, &bytes, &again, &err));
    assert_string_equal(bytes.data, json);
    assert_true(stl_digest_equal(&again.digest, &manifest.digest));
    assert_int_equal(again.digest.algorithm, STL_SHA512);
    assert_string_equal(again.media_type.text, STL_TYPE_OCI_INDEX);
}

/* Where the same bytes are pushed under another type, the new type counts. */
static void the_type_of_a_manifest_may_change(void **state)
{
    struct unit *f = *state;
    static const char *const types[] = {"application/vnd.one+json", "application/vnd.two+json"};
    struct stl_media_type type;
    for (size_t i = 0; i < 2; i++) {
        STL_AUTO_MANIFEST struct stl_manifest manifest = {0};
        OK(stl_manifest_parse(&manifest, "{}", 2, types[i], STL_SHA256, &err));
        OK(commit_manifest(&f->repo, &manifest, "{}", &(struct commit){0}, &err));
        OK(stl_manifest_type(&f->repo, &manifest.digest, &type, &err));
        assert_string_equal(type.text, types[i]);
    }
}

static void what_is_referred_to_must_be_there(void **state)
{
    struct unit *f = *state;
    STL_AUTO_FREE char *json = unit_image("one", ""), *config = unit_descriptor("a/b", "config"),
                       *layer = unit_descriptor("a/b", "layer");
    struct stl_digest before = unit_fingerprint(f->repo.fd, "."), after;
    FAILS(STL_MANIFEST_BLOB_UNKNOWN, unit_publish(&f->repo, json, "v1"));
    STL_AUTO_FREE char *no_layer =
        stl_sprintf("{\"mediaType\":\"c/d\",\"config\":%s,\"layers\":[%s]}", config, layer);
    after = unit_fingerprint(f->repo.fd, ".");
    assert_true(stl_digest_equal(&before, &after));
    unit_blob(&f->repo, "config");
    FAILS(STL_MANIFEST_BLOB_UNKNOWN, unit_publish(&f->repo, no_layer, "v1"));
    struct stl_digest missing = unit_digest("layer");
    assert_non_null(strstr(err.message, unit_digest_text(&missing)));
    /* In the store, but not in this repository. */
    STL_AUTO_REPO struct stl_repo other = STL_REPO_INIT;
    struct stl_name name = unit_name("other");
    OK(stl_repo_make(&other, &f->registry, &name, &err));
    unit_blob(&other, "layer");
    FAILS(STL_MANIFEST_BLOB_UNKNOWN, unit_publish(&f->repo, no_layer, "v1"));
    assert_false(unit_exists(f->repo.fd, "tags/list"));
    assert_false(in_catalog(f));
    unit_blob(&f->repo, "layer");
    OK(unit_publish(&f->repo, no_layer, "v1"));
}

static void sizes_must_be_right(void **state)
{
    struct unit *f = *state;
    struct stl_digest blob = unit_digest("layer"), child = unit_push(&f->repo, "one", NULL);
    STL_AUTO_FREE char *image = unit_image("one", "");
    unit_blob(&f->repo, "layer");
    for (int difference = -1; difference <= 1; difference++) {
        STL_AUTO_FREE char *layers = stl_sprintf(
            "{\"mediaType\":\"c/d\",\"layers\":[{\"mediaType\":\"a/b\",\"digest\":\"%s\",\"size\":%d}]}",
            unit_digest_text(&blob), 5 + difference);
        STL_AUTO_FREE char *index = stl_sprintf("{\"schemaVersion\":2,\"mediaType\":\"" STL_TYPE_OCI_INDEX
                                                "\",\"manifests\":[{\"mediaType\":\"" STL_TYPE_OCI_MANIFEST
                                                "\",\"digest\":\"%s\",\"size\":%d}]}",
                                                unit_digest_text(&child), (int)strlen(image) + difference);
        if (difference) {
            FAILS(STL_MANIFEST_INVALID, unit_publish(&f->repo, layers, "v1"));
            FAILS(STL_MANIFEST_INVALID, unit_publish(&f->repo, index, "v2"));
        } else {
            OK(unit_publish(&f->repo, layers, "v1"));
            OK(unit_publish(&f->repo, index, "v2"));
        }
    }
}

static void layers_that_need_not_be_there(void **state)
{
    struct unit *f = *state;
    struct stl_digest none = unit_digest("none");
    STL_AUTO_FREE char *json = stl_sprintf(
        "{\"mediaType\":\"c/d\",\"layers\":[{\"mediaType\":\"a/b\",\"digest\":\"%s\",\"size\":5,\"urls\":[\"http://x/\"]},{\"mediaType\":\"application/vnd.oci.image.layer.nondistributable.v1.tar\",\"digest\":\"%s\",\"size\":5}]}",
        unit_digest_text(&none), unit_digest_text(&none));
    OK(unit_publish(&f->repo, json, "v1"));
}

static void children_of_an_index(void **state)
{
    struct unit *f = *state;
    STL_AUTO_FREE char *image = unit_image("one", ""), *child = unit_descriptor(STL_TYPE_OCI_MANIFEST, image),
                       *cache = unit_descriptor("application/vnd.oci.image.layer.v1.tar", "cached");
    STL_AUTO_FREE char *index = stl_sprintf(
        "{\"schemaVersion\":2,\"mediaType\":\"" STL_TYPE_OCI_INDEX "\",\"manifests\":[%s]}", child);
    STL_AUTO_FREE char *caches = stl_sprintf(
        "{\"schemaVersion\":2,\"mediaType\":\"" STL_TYPE_OCI_INDEX "\",\"manifests\":[%s]}", cache);
    STL_AUTO_MANIFEST struct stl_manifest manifest = unit_parse(index);
    FAILS(STL_MANIFEST_BLOB_UNKNOWN, unit_publish(&f->repo, index, "v1"));
    OK(commit_manifest(&f->repo, &manifest, index, &(struct commit){.allow_missing_children = true}, &err));
    OK(delete_manifest(f, &manifest.digest));
    struct stl_digest pushed = unit_push(&f->repo, "one", NULL);
    OK(unit_publish(&f->repo, index, "v1"));
    FAILS(STL_MANIFEST_BLOB_UNKNOWN, unit_publish(&f->repo, caches, "cache"));
    unit_blob(&f->repo, "cached");
    OK(unit_publish(&f->repo, caches, "cache")); /* build caches list blobs in an index */
    /* A link whose file has gone is no child. */
    STL_AUTO_FREE char *file =
        stl_sprintf("_manifests/" STL_TYPE_OCI_MANIFEST "/%s", unit_digest_text(&pushed));
    unit_remove(f->repo.fd, file);
    FAILS(STL_MANIFEST_BLOB_UNKNOWN, unit_publish(&f->repo, index, "v1"));
}

/* distribution-spec, "Push": "MUST initially accept ... a subject field that references a manifest that does
 * not exist" */
static void a_subject_need_not_exist(void **state)
{
    struct unit *f = *state;
    STL_AUTO_FREE char *image = unit_image("subject", ""),
                       *descriptor = unit_descriptor(STL_TYPE_OCI_MANIFEST, image);
    STL_AUTO_FREE char *more = stl_sprintf(",\"artifactType\":\"a/sig\",\"subject\":%s", descriptor);
    STL_AUTO_FREE char *json = unit_image("signature", more);
    struct stl_digest subject = unit_digest(image), referrer = unit_digest(json);
    STL_AUTO_FREE char *file = stl_sprintf("referrers/%s", unit_digest_text(&subject));
    unit_image_blobs(&f->repo, "signature");
    OK(unit_publish(&f->repo, json, NULL));
    STL_AUTO_FREE char *listed = unit_read(f->repo.fd, file);
    assert_non_null(listed);
    assert_non_null(strstr(listed, unit_digest_text(&referrer)));
    unit_push(&f->repo, "subject", "v1");
    unit_check_text(f->repo.fd, file, listed);
    OK(delete_manifest(f, &subject)); /* referrers of a deleted manifest stay */
    unit_check_text(f->repo.fd, file, listed);
    OK(delete_manifest(f, &referrer));
    STL_AUTO_BUF struct stl_buf empty = STL_BUF_INIT;
    OK(stl_referrers_read(f->repo.fd, &subject, NULL, &empty, &err));
    assert_string_equal(empty.data, STL_REFERRERS_EMPTY);
}

/* --- guards --------------------------------------------------------------------------------------------- */

struct guarded {
    int calls;
    bool exists, deletes;
    struct stl_digest current, wanted;
    const char *deny; /* this tag */
};

static int guard(void *context, const struct stl_repo *repo, const struct stl_tag *tag,
                 const struct stl_digest *current, const struct stl_digest *wanted, struct stl_error *error)
{
    struct guarded *guarded = context;
    assert_string_equal(repo->name.text, "lib/app");
    guarded->calls++;
    guarded->exists = current != NULL;
    guarded->deletes = wanted == NULL;
    if (current)
        guarded->current = *current;
    if (wanted)
        guarded->wanted = *wanted;
    if (guarded->deny && !strcmp(guarded->deny, tag->text))
        return stl_error_set(error, STL_DENIED, "tag %s may not change", tag->text);
    return 0;
}

static void guards_decide_about_tags(void **state)
{
    struct unit *f = *state;
    struct guarded guarded = {0};
    struct stl_tag tags[] = {unit_tag("a"), unit_tag("b")};
    struct commit how = {.tags = tags, .tag_count = 2, .guard = guard, .guard_context = &guarded};
    struct stl_digest one = unit_push(&f->repo, "one", "a"), two = unit_push(&f->repo, "two", NULL);
    guarded.deny = "b";
    FAILS(STL_DENIED, commit_tags(&f->repo, &two, &how, &err));
    CHECK_TAG(f, "a", &one); /* all or none */
    assert_false(unit_exists(f->repo.fd, "manifests/b"));
    check_tags(f, "\"a\"");
    assert_int_equal(guarded.calls, 2);
    assert_false(guarded.exists);
    assert_true(stl_digest_equal(&guarded.wanted, &two));
    guarded.deny = "a";
    FAILS(STL_DENIED, commit_tags(&f->repo, &two, &how, &err));
    assert_true(guarded.exists && stl_digest_equal(&guarded.current, &one));
    guarded.deny = NULL;
    OK(commit_tags(&f->repo, &two, &how, &err));
    CHECK_TAG(f, "a", &two);
    guarded.deny = "b";
    FAILS(STL_DENIED, commit_tags_gone(&f->repo, &tags[1], 1, guard, &guarded, &err));
    assert_true(guarded.deletes && stl_digest_equal(&guarded.current, &two));
    FAILS(STL_DENIED, commit_manifest_gone(&f->repo, &two, guard, &guarded, &err));
    check_tags(f, "\"a\",\"b\"");
    OK(commit_tags_gone(&f->repo, &tags[0], 1, guard, &guarded, &err));
    guarded.deny = NULL;
    OK(commit_manifest_gone(&f->repo, &two, guard, &guarded, &err));
    check_tags(f, "");
}

static void a_set_of_tags(void **state)
{
    struct unit *f = *state;
    struct stl_digest one = unit_push(&f->repo, "one", "b"), two = unit_push(&f->repo, "two", NULL),
                      none = unit_digest("none");
    struct stl_tagging set[] = {{.tag = unit_tag("c"), .digest = two},
                                {.tag = unit_tag("b"), .digest = two},
                                {.tag = unit_tag("a"), .digest = one},
                                {.tag = unit_tag("c"), .digest = one}, /* again: the last one counts */
                                {.tag = unit_tag("d"), .digest = none}};
    struct guarded guarded = {.deny = "a"};
    FAILS(STL_MANIFEST_UNKNOWN, commit_tag_set(&f->repo, set, 5, NULL, NULL, &err));
    FAILS(STL_DENIED, commit_tag_set(&f->repo, set, 4, guard, &guarded, &err));
    check_tags(f, "\"b\""); /* all or none */
    CHECK_TAG(f, "b", &one);
    OK(commit_tag_set(&f->repo, set, 4, NULL, NULL, &err));
    check_tags(f, "\"a\",\"b\",\"c\"");
    CHECK_TAG(f, "a", &one);
    CHECK_TAG(f, "b", &two);
    CHECK_TAG(f, "c", &one);
    OK(commit_tag_set(&f->repo, set, 4, NULL, NULL, &err));
    check_tags(f, "\"a\",\"b\",\"c\"");
    const struct stl_tag gone[] = {unit_tag("c"), unit_tag("x"), unit_tag("a")};
    guarded.deny = "a";
    FAILS(STL_DENIED, commit_tags_gone(&f->repo, gone, 3, guard, &guarded, &err));
    check_tags(f, "\"a\",\"b\",\"c\"");
    FAILS(STL_MANIFEST_UNKNOWN, commit_tags_gone(&f->repo, gone, 3, NULL, NULL, &err)); /* x */
    check_tags(f, "\"b\"");
    CHECK_TAG(f, "b", &two);
}

/* --- resolving ------------------------------------------------------------------------------------------ */

static void resolving(void **state)
{
    struct unit *f = *state;
    struct stl_digest digest = unit_push(&f->repo, "one", "v1"), none = unit_digest("none"), found;
    struct stl_tag unknown = unit_tag("v2");
    struct stl_reference by_tag, by_digest, to_none;
    struct stl_media_type type;
    STL_AUTO_BUF struct stl_buf bytes = STL_BUF_INIT;
    struct stl_manifest manifest;
    OK(stl_reference_parse("v1", &by_tag, &err));
    OK(stl_reference_parse(unit_digest_text(&digest), &by_digest, &err));
    OK(stl_reference_parse(unit_digest_text(&none), &to_none, &err));
    OK(stl_reference_resolve(&f->repo, &by_tag, &found, &err));
    assert_true(stl_digest_equal(&found, &digest));
    OK(stl_reference_resolve(&f->repo, &by_digest, &found, &err));
    assert_true(stl_digest_equal(&found, &digest));
    OK(stl_reference_resolve(&f->repo, &to_none, &found, &err));
    OK(stl_manifest_type(&f->repo, &digest, &type, &err));
    assert_string_equal(type.text, STL_TYPE_OCI_MANIFEST);
    FAILS(STL_MANIFEST_UNKNOWN, stl_tag_resolve(&f->repo, &unknown, &found, &err));
    assert_int_equal(stl_tag_resolve_if_any(&f->repo, &unknown, &found, &err), 0);
    assert_int_equal(err.code, STL_OK);
    FAILS(STL_MANIFEST_UNKNOWN, stl_manifest_type(&f->repo, &none, &type, &err));
    FAILS(STL_MANIFEST_UNKNOWN, stl_manifest_load(&f->repo, &none, &bytes, &manifest, &err));
}

static void damaged_links_and_bytes(void **state)
{
    struct unit *f = *state;
    struct stl_digest digest = unit_push(&f->repo, "one", "v1"), found;
    struct stl_tag tag = unit_tag("v1");
    struct stl_media_type type;
    struct stl_manifest manifest;
    STL_AUTO_FREE char *path = manifest_path(&digest);
    STL_AUTO_FREE char *good = unit_link(f->repo.fd, path),
                       *outside = stl_sprintf("../../../../../../%s", path),
                       *half = stl_sprintf("../_manifests/x/%s", unit_digest_text(&digest));
    const char *const targets[] = {"x",     "/", "..", "v1", "/etc/passwd", "../blobs", "../_manifests/",
                                   outside, half};
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
        STL_AUTO_BUF struct stl_buf bytes = STL_BUF_INIT;
        unit_remove(f->repo.fd, path);
        assert_int_equal(symlinkat(targets[i], f->repo.fd, path), 0);
        stl_error_clear(&err);
        assert_int_equal(stl_manifest_type(&f->repo, &digest, &type, &err), -1);
        assert_true(err.code != STL_OK && err.message[0]);
        stl_error_clear(&err);
        assert_int_equal(stl_manifest_load(&f->repo, &digest, &bytes, &manifest, &err), -1);
    }
    unit_remove(f->repo.fd, path);
    unit_write(f->repo.fd, path, "a file");
    FAILS(STL_SYSTEM, stl_manifest_type(&f->repo, &digest, &type, &err));
    unit_remove(f->repo.fd, path);
    assert_int_equal(symlinkat(good, f->repo.fd, path), 0);
    OK(stl_manifest_type(&f->repo, &digest, &type, &err));
    unit_write(f->repo.fd, path, "torn");
    STL_AUTO_BUF struct stl_buf bytes = STL_BUF_INIT;
    FAILS(STL_MANIFEST_INVALID, stl_manifest_load(&f->repo, &digest, &bytes, &manifest, &err));
    unit_remove(f->repo.fd, "manifests/v1");
    assert_int_equal(symlinkat("../../x", f->repo.fd, "manifests/v1"), 0);
    assert_int_equal(stl_tag_resolve(&f->repo, &tag, &found, &err), -1);
    unit_remove(f->repo.fd, "manifests/v1");
    unit_write(f->repo.fd, "manifests/v1", "a file");
    FAILS(STL_SYSTEM, stl_tag_resolve(&f->repo, &tag, &found, &err));
    FAILS(STL_SYSTEM, stl_tag_resolve_if_any(&f->repo, &tag, &found, &err));
}

/* --- Apache's view -------------------------------------------------------------------------------------- */

static void apache_gets_its_files(void **state)
{
    struct unit *f = *state;
    struct stl_digest one = unit_push(&f->repo, "one", "v1");
    STL_AUTO_FREE char *path = stl_sprintf("_refs/%s", unit_digest_text(&one)),
                       *line = stl_sprintf(STL_TYPE_OCI_MANIFEST " %s\n", unit_digest_text(&one));
    unit_check_text(f->repo.fd, "_refs/v1", line);
    unit_check_text(f->repo.fd, path, line);
    struct stl_digest two = unit_push(&f->repo, "two", "v1");
    STL_AUTO_FREE char *second = stl_sprintf(STL_TYPE_OCI_MANIFEST " %s\n", unit_digest_text(&two));
    unit_check_text(f->repo.fd, "_refs/v1", second);
    OK(publish_tag(f, &one, "old"));
    unit_check_text(f->repo.fd, "_refs/old", line);
    OK(delete_tag(f, "v1"));
    assert_false(unit_exists(f->repo.fd, "_refs/v1"));
    OK(delete_manifest(f, &one));
    assert_false(unit_exists(f->repo.fd, "_refs/old"));
    assert_false(unit_exists(f->repo.fd, path));
    assert_int_equal(unit_count(f->repo.fd, "_refs"), 1);
    unit_remove(f->repo.fd, "_refs"); /* as after a kill, or when the setting was just switched on */
    unit_push(&f->repo, "two", "v1");
    unit_check_text(f->repo.fd, "_refs/v1", second);
    OK(stl_repo_delete(&f->registry, &f->repo.name, NULL, &err));
    assert_false(unit_exists(f->registry.root.fd, "www/v2/lib/app"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        repository_test(the_tree_is_as_laid_down),
        repository_test(publishing_again_changes_nothing),
        repository_test(by_digest_only),
        repository_test(what_cannot_be_written_has_no_name),
        repository_test(many_tags_at_once_and_later),
        repository_test(exact_bytes_are_kept),
        repository_test(the_type_of_a_manifest_may_change),
        repository_test(what_is_referred_to_must_be_there),
        repository_test(sizes_must_be_right),
        repository_test(layers_that_need_not_be_there),
        repository_test(children_of_an_index),
        repository_test(a_subject_need_not_exist),
        repository_test(guards_decide_about_tags),
        repository_test(a_set_of_tags),
        repository_test(resolving),
        repository_test(damaged_links_and_bytes),
        apache_test(apache_gets_its_files),
    };
    return unit_run(tests);
}
