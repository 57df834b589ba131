/*
 * Every change of a registry is cut short at each of its system calls in turn, by death and by an error. Then readers
 * find nothing torn, the same call again finishes the work, and what is there in the end is what an undisturbed
 * change leaves.
 */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "add.h"
#include "faults.h"
#include "listing.h"
#include "referrers.h"
#include "upload.h"
#include "verify.h"

enum { FAILED = 1, SILENT = 3, IGNORED = 4, POINTS_MAX = 400 };

struct scenario {
    void (*prepare)(struct unit *unit);
    int (*operate)(struct unit *unit, struct stl_error *error);
    bool ends; /* the second time there is nothing left to do it to */
};

/* --- what a reader sees ----------------------------------------------------------------------------------- */

/* `path` leads to bytes of that digest. */
static void check_bytes(int at, const char *path, const char *digest)
{
    STL_AUTO_FREE char *bytes = unit_read(at, path);
    if (!bytes)
        fail_msg("%s leads nowhere", path);
    struct stl_digest found = unit_digest(bytes);
    assert_string_equal(unit_digest_text(&found), digest);
}

static int check_manifest(void *context, const char *name, unsigned char type, struct stl_error *unused)
{
    int repository = *(int *)context;
    STL_AUTO_FREE char *path = stl_sprintf("manifests/%s", name), *target = unit_link(repository, path);
    (void)type;
    (void)unused;
    assert_non_null(target);
    check_bytes(repository, path, strchr(name, ':') ? name : target);
    return 0;
}

static int check_blob(void *context, const char *name, unsigned char type, struct stl_error *unused)
{
    int repository = *(int *)context;
    STL_AUTO_FREE char *path = stl_sprintf("blobs/%s", name);
    (void)type;
    (void)unused;
    check_bytes(repository, path, name);
    return 0;
}

static int check_listed_tag(void *context, const char *name, struct stl_error *unused)
{
    STL_AUTO_FREE char *path = stl_sprintf("manifests/%s", name);
    (void)unused;
    if (!unit_exists(*(int *)context, path))
        fail_msg("tag %s is listed, but does not exist", name);
    return 0;
}

static int check_referrer(void *context, const char *name, unsigned char type, struct stl_error *unused)
{
    int repository = *(int *)context;
    STL_AUTO_FREE char *path = stl_sprintf("referrers/%s", name), *text = unit_read(repository, path);
    struct json_object *list = NULL;
    (void)type;
    (void)unused;
    STL_AUTO_JSON struct json_object *index = stl_json_parse(text, strlen(text), &err);
    assert_non_null(index);
    OK(stl_json_array(index, "manifests", &list, &err));
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        const char *digest = NULL;
        OK(stl_json_string(json_object_array_get_idx(list, i), "digest", &digest, &err));
        STL_AUTO_FREE char *manifest = stl_sprintf("manifests/%s", digest);
        check_bytes(repository, manifest, digest);
    }
    return 0;
}

static void each(int at, const char *folder, stl_dir_visit *visit)
{
    if (unit_exists(at, folder))
        OK(stl_dir_each(at, folder, visit, &at, &err));
}

static int check_repository(void *context, const char *text, struct stl_error *unused)
{
    STL_AUTO_FREE char *path = stl_sprintf("www/v2/%s", text);
    struct stl_name name = unit_name(text);
    (void)unused;
    STL_AUTO_CLOSE int repository = stl_dir_open(*(int *)context, path, &err);
    STL_AUTO_CLOSE int tags = stl_dir_open(repository, "tags", &err);
    assert_true(tags >= 0);
    OK(stl_listing_each(tags, &name, check_listed_tag, &repository, &err));
    return 0;
}

static void check_reader(const struct unit *unit)
{
    int root = unit->registry.root.fd;
    STL_AUTO_CLOSE int v2 = stl_dir_open(root, "www/v2", &err);
    OK(stl_listing_each(v2, NULL, check_repository, &root, &err));
    STL_AUTO_CLOSE int repository = openat(v2, "lib/app", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (repository < 0)
        return;
    each(repository, "manifests", check_manifest);
    each(repository, "blobs", check_blob);
    each(repository, "referrers", check_referrer);
}

/* --- the end ---------------------------------------------------------------------------------------------- */

static void note_problem(void *context, const struct stl_problem *problem)
{
    (void)context;
    if (!problem->note)
        fail_msg("verify: %s: %s %s", problem->kind, problem->path, problem->what);
}

static struct stl_digest check_end(const struct unit *unit)
{
    const struct stl_verify_options options = {.full = true, .problem = note_problem};
    struct stl_verify_result result;
    check_reader(unit);
    OK(stl_temp_sweep(&unit->registry.root, &err));
    assert_int_equal(unit_count(unit->registry.root.fd, "tmp"), 0);
    OK(stl_verify(&unit->registry, &options, &result, &err));
    struct stl_digest www = unit_fingerprint(unit->registry.root.fd, "www"),
                      store = unit_fingerprint(unit->registry.root.fd, "store");
    STL_AUTO_FREE char *both = stl_sprintf("%s %s", unit_digest_text(&www), unit_digest_text(&store));
    return unit_digest(both);
}

/* --- cutting short ---------------------------------------------------------------------------------------- */

/* Runs the change in a process of its own. Returns false if it has no such point. */
static bool run_cut(struct unit *unit, int (*operate)(struct unit *, struct stl_error *), enum fault fault, int at)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct stl_error error = STL_ERROR_INIT;
        fault_set(fault, at);
        if (operate(unit, &error) == 0)
            _exit(fault_was_reached() ? IGNORED : 0);
        _exit(error.code && error.message[0] ? FAILED : SILENT);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (!WIFEXITED(status))
        fail_msg("point %d: killed by signal %d", at, WTERMSIG(status));
    status = WEXITSTATUS(status);
    bool as_wanted = fault == FAULT_KILL ? status == FAULT_KILLED : status == FAILED || status == IGNORED;
    if (status != 0 && !as_wanted)
        fail_msg("point %d: exit status %d", at, status);
    return status != 0;
}

static bool is_unknown(enum stl_code code)
{
    return code == STL_MANIFEST_UNKNOWN || code == STL_NAME_UNKNOWN || code == STL_BLOB_UNKNOWN;
}

/* Returns false once the change has no such point any more. */
static bool try_point(const struct scenario *scenario, enum fault fault, int at, const struct stl_digest *wanted)
{
    void *state = NULL;
    assert_int_equal(unit_setup_apache(&state), 0);
    struct unit *unit = state;
    struct stl_error error = STL_ERROR_INIT;
    scenario->prepare(unit);
    bool cut = run_cut(unit, scenario->operate, fault, at);
    check_reader(unit);
    if (fault == FAULT_ERROR && unit_count(unit->registry.root.fd, "tmp") > 1)
        fail_msg("point %d: an error leaves files in tmp/", at);
    if (scenario->operate(unit, &error) && !(scenario->ends && is_unknown(error.code)))
        fail_msg("point %d: the second time: %s", at, error.message);
    struct stl_digest end = check_end(unit);
    if (!stl_digest_equal(&end, wanted))
        fail_msg("point %d: another tree in the end", at);
    assert_int_equal(unit_teardown(&state), 0);
    return cut;
}

static void try_all(const struct scenario *scenario)
{
    void *state = NULL;
    assert_int_equal(unit_setup_apache(&state), 0);
    struct unit *unit = state;
    struct stl_error error = STL_ERROR_INIT;
    scenario->prepare(unit);
    if (scenario->operate(unit, &error))
        fail_msg("undisturbed: %s", error.message);
    struct stl_digest wanted = check_end(unit);
    assert_int_equal(unit_teardown(&state), 0);
    for (enum fault fault = FAULT_KILL; fault <= FAULT_ERROR; fault++) {
        int at = 1;
        while (at < POINTS_MAX && try_point(scenario, fault, at, &wanted))
            at++;
        assert_in_range(at, 5, POINTS_MAX - 1);
        print_message("# %d points of %s\n", at - 1, fault == FAULT_KILL ? "death" : "error");
    }
}

/* --- the changes ------------------------------------------------------------------------------------------ */

static int put_blob(const struct stl_repo *repo, const char *content, struct stl_error *error)
{
    STL_AUTO_TEMP struct stl_temp temp = STL_TEMP_INIT;
    struct stl_digest digest = unit_digest(content);
    return stl_temp_begin(&repo->registry->root, &temp, error) ||
                   stl_write_all(temp.fd, content, strlen(content), error) ||
                   stl_repo_put_blob(repo, &temp, &digest, error)
               ? -1
               : 0;
}

/* An artifact of one blob, which refers to "the subject"; by whom tells it from others. */
static char *artifact(const char *by)
{
    STL_AUTO_FREE char *blob = unit_descriptor("application/vnd.oci.image.layer.v1.tar", by),
                       *config = unit_descriptor("application/vnd.oci.empty.v1+json", "{}"),
                       *subject = unit_descriptor("application/vnd.oci.image.manifest.v1+json", "the subject");
    return stl_sprintf("{\"schemaVersion\":2,\"mediaType\":\"" STL_TYPE_OCI_MANIFEST "\",\"artifactType\":\"a/b\","
                       "\"config\":%s,\"layers\":[%s],\"subject\":%s}", config, blob, subject);
}

static int push(const struct stl_registry *registry, const char *by, const char *tag, struct stl_error *error)
{
    static const struct stl_name name = {"lib/app"};
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
    STL_AUTO_MANIFEST struct stl_manifest manifest = {0};
    STL_AUTO_FREE char *json = artifact(by);
    struct stl_tag tags[1];
    return stl_tag_parse(tag, tags, error) || stl_repo_make(&repo, registry, &name, error) ||
                   put_blob(&repo, by, error) || put_blob(&repo, "{}", error) ||
                   stl_manifest_parse(&manifest, json, strlen(json), NULL, STL_SHA256, error) ||
                   stl_publish_manifest(&repo, &manifest, json, &(struct stl_publish){.tags = tags, .tag_count = 1}, error)
               ? -1
               : 0;
}

static void prepare_nothing(struct unit *unit)
{
    OK(stl_repo_delete(&unit->registry, &unit->repo.name, &err));
    stl_repo_close(&unit->repo);
}

static void prepare_one(struct unit *unit)
{
    OK(push(&unit->registry, "one", "v1", &err));
}

static void prepare_two(struct unit *unit)
{
    prepare_one(unit);
    OK(push(&unit->registry, "two", "v2", &err));
}

static int push_one(struct unit *unit, struct stl_error *error)
{
    return push(&unit->registry, "one", "v1", error);
}

static int push_two_as_one(struct unit *unit, struct stl_error *error)
{
    return push(&unit->registry, "two", "v1", error);
}

static int tag_two(struct unit *unit, struct stl_error *error)
{
    STL_AUTO_FREE char *json = artifact("two");
    const struct stl_tag tags[] = {{"latest"}, {"v1"}};
    const struct stl_digest digest = unit_digest(json);
    return stl_publish_tags(&unit->repo, &digest, &(struct stl_publish){.tags = tags, .tag_count = 2}, error);
}

static int delete_tag(struct unit *unit, struct stl_error *error)
{
    const struct stl_tag tag = {"v1"};
    return stl_tag_delete(&unit->repo, &tag, NULL, NULL, error);
}

static int delete_one(struct unit *unit, struct stl_error *error)
{
    STL_AUTO_FREE char *json = artifact("one");
    const struct stl_digest digest = unit_digest(json);
    return stl_manifest_delete(&unit->repo, &digest, NULL, NULL, error);
}

static int delete_repository(struct unit *unit, struct stl_error *error)
{
    return stl_repo_delete(&unit->registry, &unit->repo.name, error);
}

static int upload_blob(struct unit *unit, struct stl_error *error)
{
    STL_AUTO_UPLOAD struct stl_upload upload = STL_UPLOAD_INIT;
    char id[STL_UPLOAD_ID_LENGTH + 1];
    struct stl_digest digest = unit_digest("uploaded in parts");
    if (stl_upload_begin(&unit->registry, &unit->repo.name, STL_SHA256, id, error) ||
        stl_upload_open(&upload, &unit->registry, &unit->repo.name, id, error) ||
        stl_upload_append(&upload, "uploaded", 8, error) || stl_upload_save(&upload, error))
        return -1;
    stl_upload_close(&upload);
    return stl_upload_open(&upload, &unit->registry, &unit->repo.name, id, error) ||
                   stl_upload_append(&upload, " in parts", 9, error) || stl_upload_finish(&upload, &digest, error)
               ? -1
               : 0;
}

static int mount_blob(struct unit *unit, struct stl_error *error)
{
    static const struct stl_name name = {"other"};
    STL_AUTO_REPO struct stl_repo other = STL_REPO_INIT;
    struct stl_digest digest = unit_digest("one");
    return stl_repo_make(&other, &unit->registry, &name, error) ||
                   stl_repo_mount_blob(&other, &unit->repo, &digest, error)
               ? -1
               : 0;
}

/* An OCI layout as a folder beside the registry. */
static void prepare_layout(struct unit *unit)
{
    STL_AUTO_FREE char *json = artifact("one"), *descriptor = unit_descriptor(STL_TYPE_OCI_MANIFEST, json),
                       *index = stl_sprintf("{\"schemaVersion\":2,\"manifests\":[%s]}", descriptor);
    const char *const blobs[] = {json, "one", "{}"};
    prepare_nothing(unit);
    STL_AUTO_CLOSE int layout = stl_dir_make(&unit->registry.root, unit->fd, "layout", &err);
    STL_AUTO_CLOSE int folder = stl_dir_make(&unit->registry.root, layout, "blobs/sha256", &err);
    unit_write(layout, "oci-layout", "{\"imageLayoutVersion\":\"1.0.0\"}");
    unit_write(layout, "index.json", index);
    for (size_t i = 0; i < sizeof blobs / sizeof *blobs; i++) {
        struct stl_digest digest = unit_digest(blobs[i]);
        unit_write(folder, strchr(unit_digest_text(&digest), ':') + 1, blobs[i]);
    }
}

static int add_layout(struct unit *unit, struct stl_error *error)
{
    const struct stl_image_name name = {.name = {"lib/app"}, .tag = {"v1"}, .has_tag = true};
    const struct stl_add_options options = {.names = &name, .name_count = 1};
    struct stl_add_report report;
    int fd = openat(unit->fd, "layout", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (stl_add(&unit->registry, fd, "layout", &options, &report, error))
        return -1;
    stl_add_report_clear(&report);
    return 0;
}

#define CRASH_TEST(name, ...)                                                                                \
    static void name(void **state)                                                                           \
    {                                                                                                        \
        (void)state;                                                                                         \
        const struct scenario scenario = {__VA_ARGS__};                                                      \
        try_all(&scenario);                                                      \
    }

CRASH_TEST(the_first_push, prepare_nothing, push_one, false)
CRASH_TEST(a_push_that_moves_a_tag, prepare_one, push_two_as_one, false)
CRASH_TEST(new_and_moved_tags, prepare_two, tag_two, false)
CRASH_TEST(deleting_a_tag, prepare_two, delete_tag, true)
CRASH_TEST(deleting_a_manifest, prepare_two, delete_one, true)
CRASH_TEST(deleting_the_last_manifest, prepare_one, delete_one, true)
CRASH_TEST(deleting_a_repository, prepare_two, delete_repository, true)
CRASH_TEST(an_upload, prepare_one, upload_blob, false)
CRASH_TEST(a_mount, prepare_one, mount_blob, false)
CRASH_TEST(adding_a_layout, prepare_layout, add_layout, false)

/* --- a new registry --------------------------------------------------------------------------------------- */

static int make_registry(struct unit *unit, struct stl_error *error)
{
    STL_AUTO_FREE char *path = stl_sprintf("%s/new", unit->path);
    return stl_registry_make(path, "version: 1\n", "<html></html>", error);
}

/* It is none, or a whole one; and in the end a whole one. */
static bool try_making(struct unit *unit, enum fault fault, int at)
{
    STL_AUTO_FREE char *path = stl_sprintf("%s/new", unit->path);
    const struct stl_verify_options options = {.full = true, .problem = note_problem};
    struct stl_verify_result result;
    struct stl_registry registry;
    struct stl_error error = STL_ERROR_INIT;
    bool cut = run_cut(unit, make_registry, fault, at);
    if (stl_registry_open(&registry, path, &error)) {
        assert_true(error.code == STL_NOT_REGISTRY || error.sys_errno == ENOENT);
        OK(make_registry(unit, &err));
        OK(stl_registry_open(&registry, path, &err));
    }
    OK(stl_temp_sweep(&registry.root, &err));
    OK(stl_verify(&registry, &options, &result, &err));
    stl_registry_close(&registry);
    OK(stl_tree_remove(unit->fd, "new", &err));
    return cut;
}

static void making_a_registry(void **state)
{
    for (enum fault fault = FAULT_KILL; fault <= FAULT_ERROR; fault++) {
        int at = 1;
        while (at < POINTS_MAX && try_making(*state, fault, at))
            at++;
        assert_in_range(at, 5, POINTS_MAX - 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_push),
        cmocka_unit_test(a_push_that_moves_a_tag),
        cmocka_unit_test(new_and_moved_tags),
        cmocka_unit_test(deleting_a_tag),
        cmocka_unit_test(deleting_a_manifest),
        cmocka_unit_test(deleting_the_last_manifest),
        cmocka_unit_test(deleting_a_repository),
        cmocka_unit_test(an_upload),
        cmocka_unit_test(a_mount),
        cmocka_unit_test(adding_a_layout),
        registry_test(making_a_registry),
    };
    /* Thousands of registries: not on a disk if that can be. */
    if (access("/dev/shm", W_OK) == 0)
        setenv("TMPDIR", "/dev/shm", 0);
    return unit_run(tests);
}
