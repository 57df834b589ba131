#include "publishing.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "recovery.h"
#include "references.h"
#include "referrers.h"
#include "repo-make.h"
#include "trash.h"

/* --- deleting ------------------------------------------------------------------------------------------- */

static void deleting_a_tag_leaves_its_siblings(void **state)
{
    struct unit *f = *state;
    struct stl_digest digest = unit_push(&f->repo, "one", "a");
    STL_AUTO_FREE char *path = manifest_path(&digest);
    OK(publish_tag(f, &digest, "b"));
    OK(delete_tag(f, "a"));
    assert_false(unit_exists(f->repo.fd, "manifests/a"));
    CHECK_TAG(f, "b", &digest);
    check_tags(f, "\"b\"");
    assert_int_equal(unit_count(f->registry.root.fd, "trash/tags/lib~app"), 1);
    FAILS(STL_MANIFEST_UNKNOWN, delete_tag(f, "a"));
    OK(delete_tag(f, "b"));
    check_tags(f, "");
    assert_true(unit_exists(f->repo.fd, path)); /* the manifest stays */
    assert_true(in_catalog(f));
}

/* The list is changed first; what has to stay is put back. */
static void what_cannot_go_stays_listed(void **state)
{
    struct unit *f = *state;
    struct stl_tag both[] = {unit_tag("a"), unit_tag("b")};
    struct stl_digest digest = unit_push(&f->repo, "one", "a");
    OK(publish_tag(f, &digest, "b"));
    OK(publish_tag(f, &digest, "c"));
    unit_remove(f->registry.root.fd, "trash/tags");
    unit_write(f->registry.root.fd, "trash/tags", "");
    FAILS(STL_SYSTEM, commit_tags_gone(&f->repo, both, 2, NULL, NULL, &err));
    check_tags(f, "\"a\",\"b\",\"c\"");
    FAILS(STL_SYSTEM, delete_manifest(f, &digest));
    check_tags(f, "\"a\",\"b\",\"c\"");
    CHECK_TAG(f, "a", &digest);
    CHECK_TAG(f, "b", &digest);
}

/* A tag that begins like another is another. */
static void tags_that_begin_alike(void **state)
{
    static const char *const tags[] = {"v1", "v1.0", "v10"}, *const left[] = {"\"v1.0\",\"v10\"",
                                                                              "\"v1\",\"v10\"",
                                                                              "\"v1\",\"v1.0\""};
    struct unit *f = *state;
    struct stl_digest digest = unit_push(&f->repo, "one", NULL), other = unit_push(&f->repo, "two", NULL);
    for (size_t gone = 0; gone < 3; gone++) {
        for (size_t i = 0; i < 3; i++)
            OK(publish_tag(f, i == gone ? &other : &digest, tags[i]));
        check_tags(f, "\"v1\",\"v1.0\",\"v10\"");
        OK(gone == 1 ? delete_manifest(f, &other) : delete_tag(f, tags[gone]));
        check_tags(f, left[gone]);
        for (size_t i = 0; i < 3; i++)
            if (i != gone)
                CHECK_TAG(f, tags[i], &digest);
        unit_push(&f->repo, "two", NULL);
    }
}

/* One digit makes another digest. */
static void digests_that_begin_alike(void **state)
{
    struct unit *f = *state;
    struct stl_digest digest = unit_push(&f->repo, "one", "v1"), other = digest;
    other.bytes[31] ^= 1;
    assert_int_equal(symlinkat(unit_digest_text(&other), f->repo.fd, "manifests/other"), 0);
    OK(delete_manifest(f, &digest));
    assert_false(unit_exists(f->repo.fd, "manifests/v1"));
    assert_true(unit_exists(f->repo.fd, "manifests/other"));
}

static void deleting_a_manifest_takes_its_tags_only(void **state)
{
    struct unit *f = *state;
    STL_AUTO_FREE char *image = unit_image("one", ""), *child = unit_descriptor(STL_TYPE_OCI_MANIFEST, image);
    STL_AUTO_FREE char *index = stl_sprintf(
        "{\"schemaVersion\":2,\"mediaType\":\"" STL_TYPE_OCI_INDEX "\",\"manifests\":[%s]}", child);
    struct stl_digest one = unit_push(&f->repo, "one", "one"), two = unit_push(&f->repo, "two", "two"),
                      both = unit_digest(index);
    size_t blobs = unit_count(f->repo.fd, "blobs");
    OK(unit_publish(&f->repo, index, "index"));
    OK(publish_tag(f, &both, "latest"));
    OK(delete_manifest(f, &both));
    check_tags(f, "\"one\",\"two\"");
    CHECK_TAG(f, "one", &one); /* its child stays */
    CHECK_TAG(f, "two", &two);
    assert_int_equal(unit_count(f->repo.fd, "blobs"), blobs);
    STL_AUTO_FREE char *path = manifest_path(&both),
                       *file = stl_sprintf("_manifests/" STL_TYPE_OCI_INDEX "/%s", unit_digest_text(&both));
    assert_false(unit_exists(f->repo.fd, path));
    assert_false(unit_exists(f->repo.fd, file));
    FAILS(STL_MANIFEST_UNKNOWN, delete_manifest(f, &both));
}

/* As if somebody else did it between the checks of a push and its publication. */
static int delete_child(void *context, const struct stl_repo *repo, const struct stl_tag *tag,
                        const struct stl_digest *current, const struct stl_digest *wanted,
                        struct stl_error *error)
{
    const struct stl_digest **child = context;
    (void)tag, (void)current, (void)wanted;
    int result = *child ? commit_manifest_gone(repo, *child, NULL, NULL, error) : 0;
    *child = NULL;
    return result;
}

static void a_child_goes_while_its_index_comes(void **state)
{
    struct unit *f = *state;
    STL_AUTO_FREE char *image = unit_image("one", ""), *child = unit_descriptor(STL_TYPE_OCI_MANIFEST, image);
    STL_AUTO_FREE char *index = stl_sprintf(
        "{\"schemaVersion\":2,\"mediaType\":\"" STL_TYPE_OCI_INDEX "\",\"manifests\":[%s]}", child);
    struct stl_digest one = unit_push(&f->repo, "one", "one"), current;
    const struct stl_digest *victim = &one;
    STL_AUTO_MANIFEST struct stl_manifest manifest = unit_parse(index);
    struct stl_tag tag = unit_tag("index");
    struct commit how = {.tags = &tag, .tag_count = 1, .guard = delete_child, .guard_context = &victim};
    FAILS(STL_MANIFEST_BLOB_UNKNOWN, commit_manifest(&f->repo, &manifest, index, &how, &err));
    assert_null(victim);
    FAILS(STL_MANIFEST_UNKNOWN, stl_tag_resolve(&f->repo, &tag, &current, &err));
    STL_AUTO_FREE char *name = manifest_path(&manifest.digest),
                       *file = stl_sprintf("_manifests/" STL_TYPE_OCI_INDEX "/%s",
                                           unit_digest_text(&manifest.digest));
    assert_false(unit_exists(f->repo.fd, name));
    assert_false(unit_exists(f->repo.fd, file));
    unit_push(&f->repo, "one", "one");
    OK(commit_manifest(&f->repo, &manifest, index, &how, &err));
    assert_true(unit_exists(f->repo.fd, name));
}

/* lib/LAYOUT.md: the catalog has the "names that hold at least one manifest". */
static void the_last_manifest_takes_the_name_off_the_catalog(void **state)
{
    struct unit *f = *state;
    struct stl_digest one = unit_push(&f->repo, "one", "one"), two = unit_push(&f->repo, "two", NULL);
    OK(delete_manifest(f, &one));
    assert_true(in_catalog(f));
    OK(delete_manifest(f, &two));
    assert_false(in_catalog(f));
    check_tags(f, "");
    unit_push(&f->repo, "one", NULL);
    assert_true(in_catalog(f));
}

static void deleting_a_repository(void **state)
{
    struct unit *f = *state;
    STL_AUTO_REPO struct stl_repo nested = STL_REPO_INIT, again = STL_REPO_INIT;
    struct stl_name name = f->repo.name, below = unit_name("lib/app/nested"), parent = unit_name("lib");
    OK(stl_repo_make(&nested, &f->registry, &below, &err));
    struct stl_digest kept = unit_push(&nested, "nested", "v1"), found;
    unit_push(&f->repo, "one", "v1");
    FAILS(STL_NAME_UNKNOWN, stl_repo_delete(&f->registry, &parent, NULL, &err));
    OK(stl_repo_delete(&f->registry, &name, NULL, &err));
    FAILS(STL_NAME_UNKNOWN, stl_repo_open(&again, &f->registry, &name, &err));
    FAILS(STL_NAME_UNKNOWN, stl_repo_delete(&f->registry, &name, NULL, &err));
    unit_check_text(f->registry.root.fd, "www/v2/_catalog", "{\"repositories\":[\"lib/app/nested\"]}\n");
    assert_int_equal(unit_count(f->registry.root.fd, "www/v2/lib/app"), 1);
    struct stl_tag tag = unit_tag("v1");
    OK(stl_tag_resolve(&nested, &tag, &found, &err));
    assert_true(stl_digest_equal(&found, &kept));
    OK(stl_repo_delete(&f->registry, &below, NULL, &err));
    assert_false(unit_exists(f->registry.root.fd, "www/v2/lib/app/nested"));
}

/* Then its links go one by one, the tags first, and the folder stays for the other's sake. */
static void a_repository_nests_in_its_links(void **state)
{
    struct unit *f = *state;
    int root = f->registry.root.fd;
    STL_AUTO_REPO struct stl_repo nested = STL_REPO_INIT;
    struct stl_name name = f->repo.name, below = unit_name("lib/app/manifests/nested");
    struct stl_tag tag = unit_tag("v1");
    struct stl_digest found;
    OK(stl_repo_make(&nested, &f->registry, &below, &err));
    struct stl_digest kept = unit_push(&nested, "nested", "v1"), one = unit_push(&f->repo, "one", "v1");
    OK(publish_tag(f, &one, "v2"));
    OK(stl_repo_delete(&f->registry, &name, NULL, &err));
    assert_int_equal(unit_count(root, "www/v2/lib/app"), 1);
    assert_int_equal(unit_count(root, "www/v2/lib/app/manifests"), 1);
    assert_int_equal(unit_count(root, "trash/tags/lib~app"), 2);
    OK(stl_tag_resolve(&nested, &tag, &found, &err));
    assert_true(stl_digest_equal(&found, &kept));
}

/* What a killed deletion has left is the same file as in the trash. Another with the same bytes is that of a
 * push that is about to give it its link. */
static void only_its_own_remains_are_finished(void **state)
{
    struct unit *f = *state;
    STL_AUTO_FREE char *json = unit_image("one", "");
    struct stl_digest digest = unit_push(&f->repo, "one", NULL);
    STL_AUTO_FREE char *file =
        stl_sprintf("_manifests/" STL_TYPE_OCI_MANIFEST "/%s", unit_digest_text(&digest));
    STL_AUTO_FREE char *trashed =
        stl_sprintf("trash/manifests/lib~app/" STL_TYPE_OCI_MANIFEST "/%s", unit_digest_text(&digest));
    OK(delete_manifest(f, &digest));
    assert_true(unit_exists(f->registry.root.fd, trashed));
    unit_write(f->repo.fd, file, json);
    assert_int_equal(stl_recover_manifests(&f->repo, false, &err), 0);
    unit_check_text(f->repo.fd, file, json);
    unit_remove(f->repo.fd, file);
    assert_int_equal(linkat(f->registry.root.fd, trashed, f->repo.fd, file, 0), 0);
    assert_int_equal(stl_recover_manifests(&f->repo, true, &err), 1);
    assert_true(unit_exists(f->repo.fd, file));
    assert_int_equal(stl_recover_manifests(&f->repo, false, &err), 1);
    assert_false(unit_exists(f->repo.fd, file));
    assert_true(unit_exists(f->registry.root.fd, trashed));
}

/* --- after a crash -------------------------------------------------------------------------------------- */

/* Everything that publishing makes, in its order: taken away from the end, as if it had been killed before.
 */
static void publishing_goes_on_after_a_kill(void **state)
{
    struct unit *f = *state;
    STL_AUTO_FREE char *subject = unit_descriptor(STL_TYPE_OCI_MANIFEST, "the subject");
    STL_AUTO_FREE char *more = stl_sprintf(",\"subject\":%s", subject), *json = unit_image("one", more);
    struct stl_digest digest = unit_digest(json), of_subject = unit_digest("the subject");
    STL_AUTO_FREE char *file =
                           stl_sprintf("_manifests/" STL_TYPE_OCI_MANIFEST "/%s", unit_digest_text(&digest)),
                       *link = manifest_path(&digest),
                       *referrers = stl_sprintf("referrers/%s", unit_digest_text(&of_subject));
    const char *const steps[] = {"_manifests/application", file,       link, referrers,
                                 "manifests/v1",           "tags/list"};
    enum { STEPS = sizeof steps / sizeof *steps };
    unit_image_blobs(&f->repo, "one");
    OK(unit_publish(&f->repo, json, "v1"));
    struct stl_digest whole = unit_fingerprint(f->registry.root.fd, ".");
    for (size_t done = 0; done <= STEPS; done++) {
        OK(stl_catalog_remove(&f->registry, &f->repo.name, &err));
        for (size_t i = STEPS; i-- > done;)
            unit_remove(f->repo.fd, steps[i]);
        OK(unit_publish(&f->repo, json, "v1"));
        struct stl_digest again = unit_fingerprint(f->registry.root.fd, ".");
        if (!stl_digest_equal(&whole, &again))
            fail_msg("after step %zu the tree is another", done);
    }
}

static void moving_a_tag_goes_on_after_a_kill(void **state)
{
    struct unit *f = *state;
    unit_push(&f->repo, "one", "v1");
    struct stl_digest two = unit_push(&f->repo, "two", "v2");
    OK(publish_tag(f, &two, "v3"));
    struct stl_digest whole = unit_fingerprint(f->repo.fd, ".");
    const char *names[] = {"v1", "v2"};
    STL_AUTO_CLOSE int tags = stl_dir_open(f->repo.fd, "tags", &err);
    OK(stl_listing_write(&f->registry.root, tags, &f->repo.name, names, 2,
                         &err)); /* the link was put, the list not */
    OK(publish_tag(f, &two, "v3"));
    struct stl_digest again = unit_fingerprint(f->repo.fd, ".");
    assert_true(stl_digest_equal(&whole, &again));
}

static void deleting_goes_on_after_a_kill(void **state)
{
    struct unit *f = *state;
    struct stl_digest one = unit_push(&f->repo, "one", "a");
    unit_push(&f->repo, "two", "b");
    struct stl_digest without_tag = unit_fingerprint(f->repo.fd, "."), again;
    const char *names[] = {"a", "b"};
    STL_AUTO_CLOSE int tags = stl_dir_open(f->repo.fd, "tags", &err);
    /* the list has lost the tag, the link has not gone yet */
    OK(publish_tag(f, &one, "c"));
    OK(stl_listing_write(&f->registry.root, tags, &f->repo.name, names, 2, &err));
    OK(delete_tag(f, "c"));
    again = unit_fingerprint(f->repo.fd, ".");
    assert_true(stl_digest_equal(&without_tag, &again));
    /* the same, on the way to deleting the manifest: with and without its link */
    for (int gone = 0; gone < 2; gone++) {
        struct stl_digest three = unit_push(&f->repo, "three", "c");
        OK(stl_listing_write(&f->registry.root, tags, &f->repo.name, names, 2, &err));
        if (gone)
            unit_remove(f->repo.fd, "manifests/c");
        OK(delete_manifest(f, &three));
        assert_int_equal(unit_count(f->repo.fd, "manifests"), 4);
        check_tags(f, "\"a\",\"b\"");
    }
}

static void deleting_a_repository_goes_on_after_a_kill(void **state)
{
    struct unit *f = *state;
    static const char *const folders[] = {"tags", "_refs", "referrers", "manifests", "_manifests", "blobs"};
    struct stl_name name = unit_name("lib/app");
    for (size_t done = 0; done < sizeof folders / sizeof *folders; done++) {
        OK(stl_repo_make(&f->repo, &f->registry, &name, &err));
        unit_push(&f->repo, "one", "v1");
        OK(stl_catalog_remove(&f->registry, &name, &err));
        for (size_t i = 0; i < done; i++)
            OK(stl_tree_remove(f->repo.fd, folders[i], &err));
        OK(stl_repo_delete(&f->registry, &name, NULL, &err));
        assert_false(unit_exists(f->registry.root.fd, "www/v2/lib/app"));
        stl_repo_close(&f->repo);
    }
}

/* --- at the same time ----------------------------------------------------------------------------------- */

enum { WRITERS = 3, ROUNDS = 12 };

struct worker {
    const struct stl_registry *registry;
    atomic_bool *stop; /* NULL: a writer */
    int number, failures, seen;
};

/* Publishes images with a tag of its own and one that all share, and deletes every third again. */
static void *write_images(void *context)
{
    struct worker *worker = context;
    struct stl_error error = STL_ERROR_INIT;
    struct stl_name name = {"busy/app"};
    for (int i = 0; i < ROUNDS; i++) {
        STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
        STL_AUTO_MANIFEST struct stl_manifest manifest = {0};
        struct stl_tag tags[2] = {{"latest"}, {""}};
        STL_AUTO_FREE char *json = stl_sprintf(
            "{\"schemaVersion\":2,\"manifests\":[],\"annotations\":{\"by\":\"%d "
            "%d\"},\"subject\":{\"mediaType\":\"a/b\",\"size\":1,\"digest\":\"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"}}",
            worker->number, i);
        snprintf(tags[1].text, sizeof tags[1].text, "w%d.%d", worker->number, i);
        struct commit how = {.tags = tags, .tag_count = 2};
        if (stl_repo_make(&repo, worker->registry, &name, &error) ||
            stl_manifest_parse(&manifest, json, strlen(json), STL_TYPE_OCI_INDEX, STL_SHA256, &error) ||
            commit_manifest(&repo, &manifest, json, &how, &error))
            worker->failures++;
        else if (i % 3 == 1 && commit_tags_gone(&repo, &tags[1], 1, NULL, NULL, &error))
            worker->failures++;
        else if (i % 3 == 2 && commit_manifest_gone(&repo, &manifest.digest, NULL, NULL, &error))
            worker->failures++;
    }
    return NULL;
}

/* What a web server does: every name that opens leads to bytes of the right digest. */
static bool reads_right(int fd, const char *path)
{
    STL_AUTO_CLOSE int file = openat(fd, path, O_RDONLY | O_CLOEXEC);
    char text[1 << 16];
    if (file < 0)
        return errno == ENOENT;
    ssize_t length = read(file, text, sizeof text - 1);
    if (length <= 0)
        return false;
    text[length] = '\0';
    return text[length - 1] == '}' || text[length - 1] == '\n';
}

static void *read_images(void *context)
{
    struct worker *worker = context;
    int fd = -1;
    while (!atomic_load(worker->stop)) {
        if (fd < 0)
            fd = openat(worker->registry->root.fd, "www/v2/busy/app", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
            continue;
        static const char *const paths[] = {
            "manifests/latest", "manifests/w0.0", "tags/list", "../../_catalog",
            "referrers/sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"};
        for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
            worker->failures += !reads_right(fd, paths[i]);
        worker->seen++;
    }
    stl_close_fd(&fd);
    return NULL;
}

static int check_listed(void *context, const char *name, struct stl_error *unused)
{
    const struct stl_repo *repo = context;
    STL_AUTO_FREE char *path = stl_sprintf("manifests/%s", name), *link = unit_link(repo->fd, path);
    (void)unused;
    assert_non_null(link);
    return 0;
}

static void threads_publish_and_delete_in_one_repository(void **state)
{
    struct unit *unit = *state;
    atomic_bool stop = false;
    struct worker workers[WRITERS + 1];
    pthread_t threads[WRITERS + 1];
    for (int i = 0; i <= WRITERS; i++) {
        workers[i] = (struct worker){&unit->registry, i < WRITERS ? NULL : &stop, i, 0, 0};
        assert_int_equal(
            pthread_create(&threads[i], NULL, i < WRITERS ? write_images : read_images, &workers[i]), 0);
    }
    for (int i = 0; i <= WRITERS; i++) {
        if (i == WRITERS)
            atomic_store(&stop, true);
        pthread_join(threads[i], NULL);
        assert_int_equal(workers[i].failures, 0);
    }
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
    struct stl_name name = unit_name("busy/app");
    OK(stl_repo_open(&repo, &unit->registry, &name, &err));
    STL_AUTO_CLOSE int tags = stl_dir_open(repo.fd, "tags", &err);
    OK(stl_listing_each(tags, &name, check_listed, &repo, &err));
    STL_AUTO_BUF struct stl_buf text = STL_BUF_INIT;
    struct stl_digest subject = unit_digest("");
    OK(stl_referrers_read(repo.fd, &subject, NULL, &text, &err));
    size_t listed = 0;
    for (const char *p = text.data; (p = strstr(p, "\"by\"")) != NULL; p++)
        listed++;
    assert_int_equal(listed, WRITERS * ROUNDS * 2 / 3);
    assert_true(stl_catalog_has(&unit->registry, &name));
    assert_int_equal(unit_count(unit->registry.root.fd, "tmp"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        repository_test(deleting_a_tag_leaves_its_siblings),
        repository_test(what_cannot_go_stays_listed),
        repository_test(tags_that_begin_alike),
        repository_test(digests_that_begin_alike),
        repository_test(deleting_a_manifest_takes_its_tags_only),
        repository_test(a_child_goes_while_its_index_comes),
        repository_test(the_last_manifest_takes_the_name_off_the_catalog),
        repository_test(deleting_a_repository),
        repository_test(a_repository_nests_in_its_links),
        repository_test(only_its_own_remains_are_finished),
        repository_test(publishing_goes_on_after_a_kill),
        repository_test(moving_a_tag_goes_on_after_a_kill),
        repository_test(deleting_goes_on_after_a_kill),
        registry_test(deleting_a_repository_goes_on_after_a_kill),
        repository_test(threads_publish_and_delete_in_one_repository),
    };
    return unit_run(tests);
}
