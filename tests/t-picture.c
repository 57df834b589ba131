#include "marks.h"
#include "picture.h"
#include "unit.h"

/* A list of a picture, with newlines for NULs, and without the name of its folder in tmp/. */
static char *read_list(const struct stl_picture *picture, enum stl_picture_list list)
{
    char path[STL_PATH_MAX];
    STL_AUTO_BUF struct stl_buf raw = STL_BUF_INIT;
    struct stl_buf text = STL_BUF_INIT;
    OK(stl_file_read(picture->registry->root.fd, stl_picture_list_path(picture, list, path), false, &raw,
                     &err));
    for (size_t i = 0; i < raw.length; i += strlen(raw.data + i) + 1) {
        const char *entry = raw.data + i, *staged = strstr(entry, "/./");
        stl_buf_printf(&text, "%s\n", staged ? staged + 3 : entry);
    }
    return text.data ? text.data : stl_strdup("");
}

static void check_list(const struct stl_picture *picture, enum stl_picture_list list, const char *expected)
{
    STL_AUTO_FREE char *text = read_list(picture, list);
    assert_string_equal(text, expected);
}

static void lists_come_in_the_order_of_publication(void **state)
{
    struct unit *f = *state;
    STL_AUTO_PICTURE struct stl_picture picture = STL_PICTURE_INIT;
    struct stl_digest digest = unit_push(&f->repo, "one", "v1");
    unit_blob(&f->repo, "nobody needs this");
    OK(stl_picture_take(&picture, &f->registry, &err));
    assert_int_equal(picture.repositories, 1);
    assert_int_equal(picture.manifests, 1);
    assert_int_equal(picture.tags, 1);
    assert_int_equal(picture.blobs, 2);
    STL_AUTO_FREE char *link = stl_sprintf("www/v2/lib/app/manifests/%s\n", unit_digest_text(&digest));
    check_list(&picture, STL_PICTURE_DIGESTS, link);
    check_list(&picture, STL_PICTURE_REFERRERS, "");
    check_list(&picture, STL_PICTURE_TAGS, "www/v2/lib/app/manifests/v1\n");
    check_list(&picture, STL_PICTURE_TAG_LISTS, "www/v2/lib/app/tags/list\n");
    check_list(&picture, STL_PICTURE_CATALOG,
               "www/v2/_catalog\nwww/v2/_ping\nwww/v2/_no_referrers\nwww/index.html\n");
    STL_AUTO_FREE char *content = read_list(&picture, STL_PICTURE_CONTENT);
    struct stl_digest unneeded = unit_digest("nobody needs this");
    assert_null(strstr(content, unit_digest_text(&unneeded)));
    assert_non_null(strstr(content, "store/sha256/"));
}

static void a_picture_stays_what_it_was(void **state)
{
    struct unit *f = *state;
    STL_AUTO_PICTURE struct stl_picture picture = STL_PICTURE_INIT;
    bool whole = false;
    unit_push(&f->repo, "one", "v1");
    OK(stl_picture_take(&picture, &f->registry, &err));
    STL_AUTO_FREE char *tag = stl_sprintf("%s/www/v2/lib/app/manifests/v1", picture.stage.name);
    STL_AUTO_FREE char *before = unit_link(f->registry.root.fd, tag);
    unit_push(&f->repo, "two", "v1");
    STL_AUTO_FREE char *after = unit_link(f->registry.root.fd, tag);
    assert_string_equal(before, after);
    OK(stl_picture_is_whole(&picture, STL_PICTURE_CONTENT, &whole, &err));
    assert_true(whole);
    OK(stl_repo_delete(&f->registry, &f->repo.name, &err));
    OK(stl_picture_is_whole(&picture, STL_PICTURE_CONTENT, &whole, &err));
    assert_false(whole);
    OK(stl_picture_is_whole(&picture, STL_PICTURE_TAGS, &whole, &err));
    assert_true(whole);
}

static void one_replication_to_a_target_at_a_time(void **state)
{
    struct unit *f = *state;
    STL_AUTO_CLOSE int first = stl_picture_lock(&f->registry, "/far/", &err);
    assert_true(first >= 0);
    FAILS(STL_UNAVAILABLE, stl_picture_lock(&f->registry, "/far/", &err));
    STL_AUTO_CLOSE int other = stl_picture_lock(&f->registry, "/other/", &err);
    assert_true(other >= 0);
}

static void every_string_that_is_a_digest_is_a_mark(void **state)
{
    struct unit *f = *state;
    STL_AUTO_MARKS struct stl_marks marks = {0};
    size_t files = 7, number;
    struct stl_digest odd = unit_digest("odd");
    STL_AUTO_FREE char *more = stl_sprintf(",\"annotations\":{\"x\":\"%s\"}", unit_digest_text(&odd));
    STL_AUTO_FREE char *json = unit_image("one", more);
    unit_image_blobs(&f->repo, "one");
    OK(unit_publish(&f->repo, json, "v1"));
    OK(stl_marks_add(&marks, f->repo.fd, "_manifests", &files, &err));
    assert_int_equal(files, 1);
    assert_int_equal(marks.blobs.count, 3);
    assert_true(stl_digestset_find(&marks.blobs, &odd, &number));
    OK(stl_marks_add(&marks, f->repo.fd, "nowhere", &files, &err));
    assert_int_equal(files, 0);
    STL_AUTO_FREE char *damaged =
        stl_sprintf("_manifests/application/vnd.oci.image.manifest.v1+json/%s", unit_digest_text(&odd));
    unit_write(f->repo.fd, damaged, "{}");
    FAILS(STL_INVALID, stl_marks_add(&marks, f->repo.fd, "_manifests", NULL, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        repository_test(lists_come_in_the_order_of_publication),
        repository_test(a_picture_stays_what_it_was),
        repository_test(one_replication_to_a_target_at_a_time),
        repository_test(every_string_that_is_a_digest_is_a_mark),
    };
    return unit_run(tests);
}
