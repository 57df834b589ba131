#include "gc.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "about.h"
#include "blobs.h"
#include "fixed-clock.h"
#include "publishing.h"
#include "repo-make.h"
#include "trash.h"

enum { GRACE = 1000, IMAGE_BLOBS = 2 };

/* What was reported of the last run. */
static struct {
    size_t count;
    char path[STL_PATH_MAX];
    enum stl_code code;
} problem;

static void note_problem(void *context, const char *path, const struct stl_error *why)
{
    (void)context;
    problem.count++;
    problem.code = why->code;
    snprintf(problem.path, sizeof problem.path, "%s", path);
}

static struct stl_gc_result collect_how(const struct unit *unit, int64_t grace, bool dry_run)
{
    const struct stl_gc_options options = {.grace = grace, .dry_run = dry_run, .problem = note_problem};
    struct stl_gc_result result;
    memset(&problem, 0, sizeof problem);
    OK(stl_gc(&unit->registry, &options, &result, &err));
    assert_int_equal(problem.count, result.busy + result.problems);
    return result;
}

static void check_swept(const struct stl_swept *found, uint64_t count, uint64_t bytes)
{
    assert_int_equal(found->count, count);
    assert_int_equal(found->bytes, bytes);
}

/* First says what it would do, which changes nothing, and then does it. */
static struct stl_gc_result collect(const struct unit *unit, int64_t grace)
{
    const struct stl_digest before = unit_fingerprint(unit->fd, "reg");
    const struct stl_gc_result dry = collect_how(unit, grace, true);
    const struct stl_digest after = unit_fingerprint(unit->fd, "reg");
    assert_true(stl_digest_equal(&before, &after));
    const struct stl_gc_result result = collect_how(unit, grace, false);
    check_swept(&dry.set_aside, result.set_aside.count, result.set_aside.bytes);
    check_swept(&dry.freed, result.freed.count, result.freed.bytes);
    assert_int_equal(dry.removed, result.removed);
    assert_int_equal(dry.referrers, result.referrers);
    assert_int_equal(dry.repositories, result.repositories);
    return result;
}

/* When the blobs of an image were changed, the first and the last of them, and their bytes. */
struct changes {
    time_t first, last;
    uint64_t bytes;
};

static struct changes changes_of(const struct unit *unit, const char *image)
{
    STL_AUTO_FREE char *json = unit_image(image, "");
    STL_AUTO_MANIFEST struct stl_manifest manifest = unit_parse(json);
    struct changes found = {0, 0, 0};
    for (size_t i = 0; i < manifest.count; i++) {
        char path[STL_PATH_MAX];
        struct stat st;
        stl_path_store(&manifest.descriptors[i].digest, path);
        assert_int_equal(fstatat(unit->registry.root.fd, path, &st, 0), 0);
        found.first = i == 0 || st.st_ctime < found.first ? st.st_ctime : found.first;
        found.last = st.st_ctime > found.last ? st.st_ctime : found.last;
        found.bytes += (uint64_t)st.st_size;
    }
    return found;
}

static void drop(const struct stl_repo *repo, const struct stl_digest *digest)
{
    OK(commit_manifest_gone(repo, digest, NULL, NULL, &err));
}

static size_t files_in_store(const struct unit *unit)
{
    size_t count = 0;
    STL_AUTO_CLOSE int store = openat(unit->registry.root.fd, "store/sha256", O_RDONLY | O_DIRECTORY);
    for (int i = 0; i < 256; i++) {
        char folder[3];
        snprintf(folder, sizeof folder, "%02x", i);
        count += unit_exists(store, folder) ? unit_count(store, folder) : 0;
    }
    return count;
}

/* --- blobs ---------------------------------------------------------------------------------------------- */

static void to_the_second(void **state)
{
    struct unit *unit = *state;
    unit_settings(unit, "version: 1\ntrash: {keep: 0s}\n");
    unit_push(&unit->repo, "kept", "v1");
    const struct stl_digest gone = unit_push(&unit->repo, "gone", NULL);
    drop(&unit->repo, &gone);
    struct changes changes = changes_of(unit, "gone");
    clock_now = changes.first + GRACE;
    struct stl_gc_result result = collect(unit, GRACE);
    check_swept(&result.set_aside, 0, 0);
    assert_int_equal(unit_count(unit->repo.fd, "blobs"), 2 * IMAGE_BLOBS);
    clock_now = changes.last + GRACE + 1;
    result = collect(unit, GRACE);
    check_swept(&result.set_aside, IMAGE_BLOBS, changes.bytes);
    check_swept(&result.freed, 0, 0);
    assert_int_equal(result.repositories, 1);
    assert_int_equal(unit_count(unit->repo.fd, "blobs"), IMAGE_BLOBS);
    assert_int_equal(unit_count(unit->registry.root.fd, "trash/blobs/lib~app"), IMAGE_BLOBS);
    /* The move to the trash begins another grace period. */
    changes = changes_of(unit, "gone");
    clock_now = changes.first + GRACE;
    result = collect(unit, GRACE);
    check_swept(&result.freed, 0, 0);
    clock_now = changes.last + GRACE + 1;
    result = collect(unit, GRACE);
    check_swept(&result.freed, IMAGE_BLOBS, changes.bytes);
    assert_int_equal(files_in_store(unit), IMAGE_BLOBS);
    assert_false(unit_exists(unit->registry.root.fd, "trash/blobs/lib~app"));
}

static void without_a_grace_period(void **state)
{
    struct unit *unit = *state;
    unit_settings(unit, "version: 1\ntrash: {keep: 0s}\n");
    const struct stl_digest gone = unit_push(&unit->repo, "gone", NULL);
    const struct changes changes = changes_of(unit, "gone");
    clock_now = changes.last;
    drop(&unit->repo, &gone);
    const struct stl_gc_result result = collect(unit, 0);
    check_swept(&result.set_aside, 0, 0);
    check_swept(&result.freed, IMAGE_BLOBS, changes.bytes);
    assert_int_equal(result.removed, 1);
    assert_int_equal(files_in_store(unit), 0);
    assert_int_equal(problem.count, 0);
}

/* A blob that two repositories have is freed once, and only when neither of them has it. */
static void one_blob_in_two_repositories(void **state)
{
    struct unit *unit = *state;
    unit_settings(unit, "version: 1\ntrash: {keep: 0s}\n");
    STL_AUTO_REPO struct stl_repo other = STL_REPO_INIT;
    const struct stl_name name = unit_name("other");
    OK(stl_repo_make(&other, &unit->registry, &name, &err));
    stl_close_fd(&other.lock);
    const struct stl_digest gone = unit_push(&unit->repo, "gone", NULL);
    unit_push(&other, "gone", NULL);
    unit_push(&unit->repo, "kept", "v1");
    drop(&unit->repo, &gone);
    struct stl_gc_result result = collect(unit, 0);
    check_swept(&result.freed, 0, 0);
    assert_int_equal(unit_count(other.fd, "blobs"), IMAGE_BLOBS);
    unit_push(&unit->repo, "gone", NULL);
    for (int i = 0; i < 2; i++)
        drop(i ? &other : &unit->repo, &gone);
    struct changes changes = changes_of(unit, "gone");
    clock_now = changes.last + GRACE + 1;
    result = collect(unit, GRACE);
    check_swept(&result.set_aside, 2 * IMAGE_BLOBS, 2 * changes.bytes);
    changes = changes_of(unit, "gone");
    clock_now = changes.last + GRACE + 1;
    result = collect(unit, GRACE);
    check_swept(&result.freed, IMAGE_BLOBS, changes.bytes);
    assert_int_equal(files_in_store(unit), IMAGE_BLOBS);
}

/* One that somebody has just put into the store, and is about to link, stays. */
static void a_blob_that_only_the_store_has(void **state)
{
    struct unit *unit = *state;
    const struct stl_digest digest = unit_digest("alone");
    char path[STL_PATH_MAX];
    struct stat st;
    unit_blob(&unit->repo, "alone");
    STL_AUTO_FREE char *link = stl_sprintf("blobs/%s", unit_digest_text(&digest));
    unit_remove(unit->repo.fd, link);
    stl_path_store(&digest, path);
    assert_int_equal(fstatat(unit->registry.root.fd, path, &st, 0), 0);
    clock_now = st.st_ctime + GRACE;
    struct stl_gc_result result = collect(unit, GRACE);
    check_swept(&result.freed, 0, 0);
    /* Nor what is no blob. */
    STL_AUTO_FREE char *folder = stl_strndup(path, (size_t)(strrchr(path, '/') - path));
    STL_AUTO_FREE char *foreign = stl_sprintf("%s/foreign", folder);
    unit_write(unit->registry.root.fd, foreign, "x");
    unit_write(unit->registry.root.fd, "store/sha256/file", "x");
    clock_now++;
    STL_AUTO_CLOSE int lock = -1;
    const struct stl_name place = stl_store_lock_name(strrchr(folder, '/') + 1);
    lock = stl_registry_lock(&unit->registry, STL_LOCK_STORE, &place, false, &err);
    assert_true(lock >= 0);
    result = collect_how(unit, GRACE, false);
    check_swept(&result.freed, 0, 0);
    assert_int_equal(result.busy, 1);
    assert_int_equal(result.problems, 0);
    assert_string_equal(problem.path, folder);
    stl_close_fd(&lock);
    result = collect(unit, GRACE);
    check_swept(&result.freed, 1, 5);
    assert_true(unit_exists(unit->registry.root.fd, foreign));
}

static void a_long_digest(void **state)
{
    struct unit *unit = *state;
    char path[STL_PATH_MAX];
    struct stl_digest digest;
    stl_digest_of(STL_SHA512, "long", 4, &digest);
    stl_path_store(&digest, path);
    STL_AUTO_FREE char *folder = stl_strndup(path, (size_t)(strrchr(path, '/') - path));
    mkdirat(unit->registry.root.fd, "store/sha512", 0755);
    mkdirat(unit->registry.root.fd, folder, 0755);
    unit_write(unit->registry.root.fd, path, "long");
    const struct stl_gc_result result = collect(unit, 0);
    check_swept(&result.freed, 1, 4);
    assert_false(unit_exists(unit->registry.root.fd, path));
}

/* What has no other name is freed where it is. */
static void a_copy_in_a_repository(void **state)
{
    struct unit *unit = *state;
    const struct stl_digest digest = unit_digest("copy");
    STL_AUTO_FREE char *path = stl_sprintf("blobs/%s", unit_digest_text(&digest));
    unit_push(&unit->repo, "kept", "v1");
    unit_write(unit->repo.fd, path, "copy");
    const struct stl_gc_result result = collect(unit, 0);
    check_swept(&result.freed, 1, 4);
    assert_int_equal(unit_count(unit->repo.fd, "blobs"), IMAGE_BLOBS);
}

/* What a manifest needs comes back from the trash, unless it exceeds the quota. */
static void what_a_manifest_names_comes_back(void **state)
{
    struct unit *unit = *state;
    unit_settings(unit, "version: 1\ntrash: {keep: 0s}\n");
    unit_push(&unit->repo, "whole", "v1");
    unit_blob(&unit->repo, "wanted");
    const struct stl_digest wanted = unit_digest("wanted");
    STL_AUTO_FREE char *path = stl_sprintf("blobs/%s", unit_digest_text(&wanted));
    STL_AUTO_FREE char *layer = unit_descriptor("application/vnd.oci.image.layer.v1.tar", "wanted");
    STL_AUTO_FREE char *config = unit_descriptor("application/vnd.oci.image.config.v1+json", "wanted");
    STL_AUTO_FREE char *json = stl_sprintf("{\"schemaVersion\":2,\"mediaType\":\"" STL_TYPE_OCI_MANIFEST
                                           "\",\"config\":%s,\"layers\":[%s]}",
                                           config, layer);
    OK(unit_publish(&unit->repo, json, "v2"));
    STL_AUTO_FREE char *trashed = stl_sprintf("trash/blobs/lib~app/%s", unit_digest_text(&wanted));
    mkdirat(unit->registry.root.fd, "trash", 0700);
    mkdirat(unit->registry.root.fd, "trash/blobs", 0700);
    mkdirat(unit->registry.root.fd, "trash/blobs/lib~app", 0700);
    assert_int_equal(renameat(unit->repo.fd, path, unit->registry.root.fd, trashed), 0);
    unit_settings(unit, "version: 1\ntrash: {keep: 0s}\nquotas: [{repository: '**', size: 20}]\n");
    collect(unit, GRACE);
    assert_int_equal(problem.count, 0);
    assert_true(unit_exists(unit->registry.root.fd, trashed));
    unit_settings(unit, "version: 1\ntrash: {keep: 0s}\n");
    collect(unit, GRACE);
    assert_false(unit_exists(unit->registry.root.fd, trashed));
    assert_true(unit_exists(unit->repo.fd, path));
}

/* --- referrers ------------------------------------------------------------------------------------------ */

static struct stl_digest refer(const struct unit *unit, const char *seed, const char *subject,
                               const char *tag)
{
    STL_AUTO_FREE char *descriptor = unit_descriptor(STL_TYPE_OCI_MANIFEST, subject);
    STL_AUTO_FREE char *more = stl_sprintf(",\"subject\":%s", descriptor);
    STL_AUTO_FREE char *json = unit_image(seed, more);
    unit_image_blobs(&unit->repo, seed);
    OK(unit_publish(&unit->repo, json, tag));
    return unit_digest(json);
}

static bool holds(const struct unit *unit, const struct stl_digest *digest)
{
    STL_AUTO_FREE char *path = manifest_path(digest);
    return unit_exists(unit->repo.fd, path);
}

/* An orphan goes unless it has a tag, is listed by an index, or is young. */
static void orphans(void **state)
{
    struct unit *unit = *state;
    unit_push(&unit->repo, "subject", NULL);
    STL_AUTO_FREE char *subject = unit_image("subject", "");
    const struct stl_digest fine = refer(unit, "of what is there", subject, NULL),
                            tagged = refer(unit, "tagged", "absent", "v1"),
                            of_tagged = refer(unit, "orphan of an orphan", "absent", NULL),
                            listed = refer(unit, "listed", "absent", NULL);
    STL_AUTO_FREE char *descriptor = unit_descriptor(STL_TYPE_OCI_MANIFEST, "absent");
    STL_AUTO_FREE char *more = stl_sprintf(",\"subject\":%s", descriptor);
    STL_AUTO_FREE char *listed_json = unit_image("listed", more);
    STL_AUTO_FREE char *child = unit_descriptor(STL_TYPE_OCI_MANIFEST, listed_json);
    STL_AUTO_FREE char *index = stl_sprintf(
        "{\"schemaVersion\":2,\"mediaType\":\"" STL_TYPE_OCI_INDEX "\",\"manifests\":[%s]}", child);
    OK(unit_publish(&unit->repo, index, NULL));
    STL_AUTO_FREE char *path = manifest_path(&of_tagged);
    struct stat st;
    assert_int_equal(fstatat(unit->repo.fd, path, &st, AT_SYMLINK_NOFOLLOW), 0);
    clock_now = st.st_mtime + GRACE + 10;
    struct stl_gc_result result = collect(unit, GRACE);
    assert_int_equal(result.referrers, 0);
    unit_settings(unit, "version: 1\ngc: {orphaned-referrers: delete}\n");
    clock_now = st.st_mtime + GRACE;
    result = collect(unit, GRACE);
    assert_int_equal(result.referrers, 0);
    clock_now++;
    result = collect(unit, GRACE);
    assert_int_equal(result.referrers, 1);
    assert_false(holds(unit, &of_tagged));
    assert_true(holds(unit, &fine) && holds(unit, &tagged) && holds(unit, &listed));
}

/* --- empty repositories --------------------------------------------------------------------------------- */

static void set_folders(const struct unit *unit, time_t when)
{
    static const char *const folders[] = {".", "_manifests", "manifests", "blobs", "referrers", "tags"};
    const struct timespec times[] = {{when, 0}, {when, 0}};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        utimensat(unit->repo.fd, folders[i], times, 0);
}

static void an_empty_repository(void **state)
{
    static const char *const folders[] = {".", "manifests", "blobs", "referrers", "tags"};
    struct unit *unit = *state;
    const struct timespec young[] = {{clock_now - GRACE, 0}, {clock_now - GRACE, 0}};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        set_folders(unit, clock_now - GRACE - 1);
        assert_int_equal(utimensat(unit->repo.fd, folders[i], young, 0), 0);
        const struct stl_gc_result result = collect(unit, GRACE);
        assert_int_equal(result.removed, 0);
    }
    set_folders(unit, clock_now - GRACE - 1);
    STL_AUTO_CLOSE int push =
        stl_registry_lock(&unit->registry, STL_LOCK_REPOSITORY, &unit->repo.name, false, &err);
    assert_true(push >= 0);
    struct stl_gc_result result = collect_how(unit, GRACE, false);
    assert_int_equal(result.removed, 0);
    assert_int_equal(problem.count, 0);
    stl_close_fd(&push);
    const struct stl_about about = {.created = 1};
    OK(stl_about_write(&unit->registry.root, unit->repo.fd, &about, &err));
    set_folders(unit, clock_now - GRACE - 1);
    result = collect(unit, GRACE);
    assert_int_equal(result.removed, 0);
    OK(stl_about_write(&unit->registry.root, unit->repo.fd, NULL, &err));
    set_folders(unit, clock_now - GRACE - 1);
    result = collect(unit, GRACE);
    assert_int_equal(result.removed, 1);
    assert_int_equal(result.repositories, 1);
    assert_false(unit_exists(unit->registry.root.fd, "www/v2/lib"));
}

/* --- deletions that were killed ------------------------------------------------------------------------- */

/* The manifest is in the trash, and no longer in tags or links; but its file is still in the repository. */
static void what_a_killed_deletion_left(void **state)
{
    struct unit *unit = *state;
    unit_push(&unit->repo, "kept", "v1");
    const struct stl_digest gone = unit_push(&unit->repo, "gone", NULL);
    STL_AUTO_FREE char *file =
        stl_sprintf("_manifests/" STL_TYPE_OCI_MANIFEST "/%s", unit_digest_text(&gone));
    STL_AUTO_FREE char *link = manifest_path(&gone);
    const struct stl_media_type type = {STL_TYPE_OCI_MANIFEST};
    OK(stl_trash_doom_manifest(&unit->repo, &type, &gone, &err));
    unit_remove(unit->repo.fd, link);
    collect_how(unit, GRACE, true);
    assert_true(unit_exists(unit->repo.fd, file));
    const struct stl_gc_result result = collect_how(unit, GRACE, false);
    assert_int_equal(result.busy + result.problems, 0);
    assert_false(unit_exists(unit->repo.fd, file));
    assert_int_equal(unit_count(unit->repo.fd, "_manifests/" STL_TYPE_OCI_MANIFEST), 1);
}

/* --- the rest of a run ---------------------------------------------------------------------------------- */

static void a_damaged_manifest(void **state)
{
    struct unit *unit = *state;
    const struct stl_digest digest = unit_push(&unit->repo, "one", "v1");
    STL_AUTO_FREE char *path =
        stl_sprintf("_manifests/" STL_TYPE_OCI_MANIFEST "/%s", unit_digest_text(&digest));
    unit_blob(&unit->repo, "loose");
    unit_remove(unit->repo.fd, path);
    unit_write(unit->repo.fd, path, "damaged");
    const struct stl_gc_result result = collect_how(unit, 0, false);
    assert_int_equal(result.problems, 1);
    assert_int_equal(result.busy, 0);
    assert_string_equal(problem.path, "www/v2/lib/app");
    assert_int_equal(unit_count(unit->repo.fd, "blobs"), IMAGE_BLOBS + 1);
}

/* What ended by itself goes in every run but a dry one; only projects with a quota are counted. */
static void what_has_ended(void **state)
{
    struct unit *unit = *state;
    int root = unit->registry.root.fd;
    unit_settings(unit, "version: 1\nprojects:\n  - {name: with, quota: {tags: 5}}\n  - {name: without}\n");
    mkdirat(root, "auth", 0700);
    mkdirat(root, "auth/tokens", 0700);
    mkdirat(root, "auth/tokens/00000001", 0700);
    mkdirat(root, "auth/failures", 0700);
    mkdirat(root, "auth/failures/1", 0700);
    unit_write(root, "auth/failures/1/x", "x");
    collect_how(unit, GRACE, true);
    assert_true(unit_exists(root, "auth/tokens/00000001") && unit_exists(root, "auth/failures/1"));
    assert_false(unit_exists(root, "log/quota/with"));
    collect_how(unit, GRACE, false);
    assert_false(unit_exists(root, "auth/tokens/00000001"));
    assert_false(unit_exists(root, "auth/failures/1"));
    assert_true(unit_exists(root, "log/quota/with/count"));
    assert_false(unit_exists(root, "log/quota/without"));
}

/* What a full disk has taken from the reserve is there again, but not after a dry run. */
static void the_reserve(void **state)
{
    struct unit *unit = *state;
    int root = unit->registry.root.fd;
    unit_push(&unit->repo, "kept", "v1");
    collect_how(unit, GRACE, false);
    size_t full = unit_count(root, "reserve");
    unit_remove(root, "reserve");
    collect_how(unit, GRACE, true);
    assert_false(unit_exists(root, "reserve"));
    collect_how(unit, GRACE, false);
    assert_int_equal(unit_count(root, "reserve"), full);
}

/* Nobody is pushing. */
static int setup(void **state)
{
    int failed = unit_setup_repository(state);
    stl_close_fd(&((struct unit *)*state)->repo.lock);
    return failed;
}

#define gc_test(function) cmocka_unit_test_setup_teardown(function, setup, unit_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        gc_test(to_the_second),
        gc_test(without_a_grace_period),
        gc_test(one_blob_in_two_repositories),
        gc_test(a_blob_that_only_the_store_has),
        gc_test(a_long_digest),
        gc_test(a_copy_in_a_repository),
        gc_test(what_a_manifest_names_comes_back),
        gc_test(orphans),
        gc_test(an_empty_repository),
        gc_test(what_a_killed_deletion_left),
        gc_test(a_damaged_manifest),
        gc_test(what_has_ended),
        gc_test(the_reserve),
    };
    return unit_run(tests);
}
