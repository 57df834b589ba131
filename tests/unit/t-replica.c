#include <string.h>

#include "commits.h"
#include "gc.h"
#include "reachable.h"
#include "replica.h"
#include "unit.h"

/* A list of a replica, with newlines for NULs, and without the name of its folder in tmp/. */
static char *read_list(const struct stl_replica *replica, enum stl_replica_list list)
{
    char path[STL_PATH_MAX];
    STL_AUTO_BUF struct stl_buf raw = STL_BUF_INIT;
    struct stl_buf text = STL_BUF_INIT;
    OK(stl_file_read(replica->registry->root.fd, stl_replica_list_path(replica, list, path), false, &raw,
                     &err));
    for (size_t i = 0; i < raw.length; i += strlen(raw.data + i) + 1) {
        const char *entry = raw.data + i, *staged = strstr(entry, "/./");
        stl_buf_printf(&text, "%s\n", staged ? staged + 3 : entry);
    }
    return text.data ? text.data : stl_strdup("");
}

static void check_list(const struct stl_replica *replica, enum stl_replica_list list, const char *expected)
{
    STL_AUTO_FREE char *text = read_list(replica, list);
    assert_string_equal(text, expected);
}

static void lists_come_in_the_order_of_publication(void **state)
{
    struct unit *f = *state;
    STL_AUTO_REPLICA struct stl_replica replica = STL_REPLICA_INIT;
    struct stl_digest digest = unit_push(&f->repo, "one", "v1");
    unit_blob(&f->repo, "nobody needs this");
    OK(stl_replica_take(&replica, &f->registry, &err));
    assert_int_equal(replica.repositories, 1);
    assert_int_equal(replica.manifests, 1);
    assert_int_equal(replica.tags, 1);
    assert_int_equal(replica.blobs, 2);
    STL_AUTO_FREE char *link = stl_sprintf("www/v2/lib/app/manifests/%s\n", unit_digest_text(&digest));
    check_list(&replica, STL_REPLICA_DIGESTS, link);
    check_list(&replica, STL_REPLICA_REFERRERS, "");
    check_list(&replica, STL_REPLICA_TAGS, "www/v2/lib/app/manifests/v1\n");
    check_list(&replica, STL_REPLICA_TAG_LISTS, "www/v2/lib/app/tags/list\n");
    check_list(&replica, STL_REPLICA_CATALOG,
               "www/v2/_catalog\nwww/v2/_ping\nwww/v2/_no_referrers\nwww/index.html\n");
    STL_AUTO_FREE char *content = read_list(&replica, STL_REPLICA_CONTENT);
    struct stl_digest unneeded = unit_digest("nobody needs this");
    assert_null(strstr(content, unit_digest_text(&unneeded)));
    assert_non_null(strstr(content, "store/sha256/"));
}

static void a_replica_stays_what_it_was(void **state)
{
    struct unit *f = *state;
    STL_AUTO_REPLICA struct stl_replica replica = STL_REPLICA_INIT;
    bool whole = false;
    unit_push(&f->repo, "one", "v1");
    OK(stl_replica_take(&replica, &f->registry, &err));
    STL_AUTO_FREE char *tag = stl_sprintf("%s/www/v2/lib/app/manifests/v1", replica.stage.name);
    STL_AUTO_FREE char *before = unit_link(f->registry.root.fd, tag);
    unit_push(&f->repo, "two", "v1");
    STL_AUTO_FREE char *after = unit_link(f->registry.root.fd, tag);
    assert_string_equal(before, after);
    OK(stl_replica_is_whole(&replica, STL_REPLICA_CONTENT, &whole, &err));
    assert_true(whole);
    OK(stl_repo_delete(&f->registry, &f->repo.name, NULL, &err));
    OK(stl_replica_is_whole(&replica, STL_REPLICA_CONTENT, &whole, &err));
    assert_false(whole);
    OK(stl_replica_is_whole(&replica, STL_REPLICA_TAGS, &whole, &err));
    assert_true(whole);
}

/* As long as the replica exists, garbage collection keeps the blobs that its manifests name. */
static void what_a_replica_needs_is_kept(void **state)
{
    struct unit *f = *state;
    struct stl_gc_result result;
    const struct stl_gc_options options = {.grace = 0};
    struct stl_replica replica = STL_REPLICA_INIT;
    unit_settings(f, "version: 1\ntrash:\n  keep: 0s\n");
    struct stl_digest digest = unit_push(&f->repo, "one", "v1");
    OK(stl_replica_take(&replica, &f->registry, &err));
    OK(commit_manifest_gone(&f->repo, &digest, NULL, NULL, &err));
    OK(stl_gc(&f->registry, &options, &result, &err));
    assert_int_equal(unit_count(f->repo.fd, "blobs"), 2);
    stl_replica_end(&replica);
    OK(stl_gc(&f->registry, &options, &result, &err));
    assert_false(unit_exists(f->repo.fd, "blobs") && unit_count(f->repo.fd, "blobs") > 0);
}

static void one_replication_to_a_target_at_a_time(void **state)
{
    struct unit *f = *state;
    STL_AUTO_CLOSE int first = stl_replica_lock(&f->registry, "/far/", &err);
    assert_true(first >= 0);
    FAILS(STL_UNAVAILABLE, stl_replica_lock(&f->registry, "/far/", &err));
    STL_AUTO_CLOSE int other = stl_replica_lock(&f->registry, "/other/", &err);
    assert_true(other >= 0);
}

static void every_string_that_is_a_digest_is_a_mark(void **state)
{
    struct unit *f = *state;
    STL_AUTO_REACHABLE struct stl_reachable reachable = {0};
    size_t files = 7, number;
    struct stl_digest odd = unit_digest("odd");
    STL_AUTO_FREE char *more = stl_sprintf(",\"annotations\":{\"x\":\"%s\"}", unit_digest_text(&odd));
    STL_AUTO_FREE char *json = unit_image("one", more);
    unit_image_blobs(&f->repo, "one");
    OK(unit_publish(&f->repo, json, "v1"));
    OK(stl_reachable_add(&reachable, f->repo.fd, "_manifests", &files, &err));
    assert_int_equal(files, 1);
    assert_int_equal(reachable.blobs.count, 3);
    assert_true(stl_digestset_find(&reachable.blobs, &odd, &number));
    OK(stl_reachable_add(&reachable, f->repo.fd, "nowhere", &files, &err));
    assert_int_equal(files, 0);
    STL_AUTO_FREE char *damaged =
        stl_sprintf("_manifests/application/vnd.oci.image.manifest.v1+json/%s", unit_digest_text(&odd));
    unit_write(f->repo.fd, damaged, "{}");
    FAILS(STL_INVALID, stl_reachable_add(&reachable, f->repo.fd, "_manifests", NULL, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        repository_test(lists_come_in_the_order_of_publication),
        repository_test(a_replica_stays_what_it_was),
        repository_test(what_a_replica_needs_is_kept),
        repository_test(one_replication_to_a_target_at_a_time),
        repository_test(every_string_that_is_a_digest_is_a_mark),
    };
    return unit_run(tests);
}
