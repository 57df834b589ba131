/*
 * What readers and later processes rely on holds after each system call of a change (faults.h), whatever the
 * change is: the order in which things come and go, and how names appear below www/ (lib/LAYOUT.md).
 */
#include "unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access.h"
#include "commits.h"
#include "content.h"
#include "faults.h"
#include "layout.h"
#include "repo-make.h"
#include "upload.h"

#define APP "www/v2/lib/app"
#define TYPE STL_TYPE_OCI_MANIFEST

/* Returns what is broken, or NULL. */
typedef const char *rule_of(int root, const struct fault_event *event);
static rule_of *rule;
static int root, calls;
static const char *broken;
static char *wanted[3]; /* paths that the rule is about */

static void watch(const struct fault_event *event)
{
    calls++;
    if (!broken)
        broken = rule(root, event);
}

static void begin(const struct unit *unit, rule_of *what)
{
    rule = what;
    root = unit->registry.root.fd;
    calls = 0;
    broken = NULL;
    fault_set_watch(watch);
}

static void end(int at_least)
{
    fault_set_watch(NULL);
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        free(wanted[i]);
        wanted[i] = NULL;
    }
    if (broken)
        fail_msg("after call %d: %s", calls, broken);
    assert_in_range(calls, at_least, 1000);
}

static bool there(int at, const char *path)
{
    return path == NULL || unit_exists(at, path);
}

/* --- a repository --------------------------------------------------------------------------------------- */

/* Without tags/ it is no repository; with it, all of it is there. */
static const char *tags_come_last_and_go_first(int at, const struct fault_event *event)
{
    (void)event;
    if (!unit_exists(at, APP "/tags"))
        return NULL;
    for (size_t i = 0; i < STL_REPO_FOLDERS; i++) {
        STL_AUTO_FREE char *path = stl_sprintf(APP "/%s", stl_repo_folders[i].name);
        if (!stl_repo_folders[i].optional && !unit_exists(at, path))
            return "tags/ is there, but another folder is not";
    }
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        if (!there(at, wanted[i]))
            return "tags/ is there, but the content is not";
    return NULL;
}

static void making_a_repository(void **state)
{
    struct unit *unit = *state;
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
    const struct stl_name name = {"lib/app"};
    begin(unit, tags_come_last_and_go_first);
    int result = stl_repo_make(&repo, &unit->registry, &name, &err);
    end(5);
    OK(result);
}

static void deleting_a_repository(void **state)
{
    struct unit *unit = *state;
    const struct stl_digest digest = unit_push(&unit->repo, "one", "v1");
    const char *text = unit_digest_text(&digest);
    wanted[0] = stl_sprintf(APP "/manifests/%s", text);
    wanted[1] = stl_sprintf(APP "/_manifests/" TYPE "/%s", text);
    wanted[2] = stl_strdup(APP "/manifests/v1");
    begin(unit, tags_come_last_and_go_first);
    int result = stl_repo_delete(&unit->registry, &unit->repo.name, NULL, &err);
    end(10);
    OK(result);
}

static void removing_an_empty_repository(void **state)
{
    struct unit *unit = *state;
    begin(unit, tags_come_last_and_go_first);
    int result = stl_repo_unmake(&unit->repo, &err);
    end(5);
    OK(result);
    assert_false(unit_exists(unit->registry.root.fd, APP));
}

/* --- a manifest ----------------------------------------------------------------------------------------- */

/* wanted: its link, its file, and its file in the trash. */
static const char *a_link_leads_to_a_file(int at, const struct fault_event *event)
{
    (void)event;
    return there(at, wanted[0]) && !there(at, wanted[1]) ? "the link leads nowhere" : NULL;
}

static const char *the_trash_has_it_first(int at, const struct fault_event *event)
{
    if (!there(at, wanted[0]) && !there(at, wanted[2]))
        return "the link is gone before the trash has the manifest";
    return a_link_leads_to_a_file(at, event);
}

static void find_manifest(const struct stl_digest *digest)
{
    const char *text = unit_digest_text(digest);
    wanted[0] = stl_sprintf(APP "/manifests/%s", text);
    wanted[1] = stl_sprintf(APP "/_manifests/" TYPE "/%s", text);
    wanted[2] = stl_sprintf("trash/manifests/lib~app/" TYPE "/%s", text);
}

static void publishing_a_manifest(void **state)
{
    struct unit *unit = *state;
    STL_AUTO_FREE char *json = unit_image("one", "");
    const struct stl_digest digest = unit_digest(json);
    unit_image_blobs(&unit->repo, "one");
    find_manifest(&digest);
    begin(unit, a_link_leads_to_a_file);
    int result = unit_publish(&unit->repo, json, "v1");
    end(10);
    OK(result);
}

static void deleting_a_manifest(void **state)
{
    struct unit *unit = *state;
    const struct stl_digest digest = unit_push(&unit->repo, "one", "v1");
    find_manifest(&digest);
    begin(unit, the_trash_has_it_first);
    int result = commit_manifest_gone(&unit->repo, &digest, NULL, NULL, &err);
    end(10);
    OK(result);
}

/* --- what is public ------------------------------------------------------------------------------------- */

static bool synced;

static const char *public_is_whole_and_durable(int at, const struct fault_event *event)
{
    synced |= event->call == CALL_SYNC_ALL;
    if (!unit_exists(at, "auth/public"))
        return NULL;
    return !unit_exists(at, "auth/public/lib/app/_ok") ? "auth/public leads to an unfinished folder"
           : !synced                                   ? "auth/public leads to what is not durable"
                                                       : NULL;
}

static void marking_what_is_public(void **state)
{
    struct unit *unit = *state;
    unit_settings(unit, "version: 1\naccess:\n  - repository: '**'\n    pull: [anonymous]\n");
    synced = false;
    begin(unit, public_is_whole_and_durable);
    int result = stl_access_apply(&unit->registry, &err);
    end(5);
    OK(result);
    assert_true(unit_exists(unit->registry.root.fd, "auth/public"));
}

/* --- names below www/ ----------------------------------------------------------------------------------- */

/* The path of what a call was about, relative to the registry; the caller frees. */
static char *path_of(int at, const struct fault_event *event)
{
    char folder[4096] = "", top[4096] = "";
    STL_AUTO_FREE char *of_file = stl_sprintf("/proc/self/fd/%d", event->fd),
                       *of_root = stl_sprintf("/proc/self/fd/%d", at);
    if (readlink(of_file, folder, sizeof folder - 1) < 0 || readlink(of_root, top, sizeof top - 1) < 0)
        return stl_strdup("");
    const char *below = folder + (strncmp(folder, top, strlen(top)) ? 0 : strlen(top));
    return stl_sprintf("%s/%s", below, event->path ? event->path : "");
}

/* A file that has a name in www/ is whole: it was written under another. Lines are only added to details. */
static const char *nothing_is_written_in_place(int at, const struct fault_event *event)
{
    if (event->call != CALL_CREATE && event->call != CALL_DATA)
        return NULL;
    STL_AUTO_FREE char *path = path_of(at, event);
    return strncmp(path, "/www/", 5) || strstr(path, "/" STL_DETAILS) ? NULL
                                                                      : "a file below www/ is written to";
}

enum { DIRTY_MAX = 256 };
static ino_t dirty[DIRTY_MAX]; /* files that were written to and not synced since; 0: no file */

static void set_dirty(ino_t file, bool is_dirty)
{
    size_t i = 0, room = DIRTY_MAX;
    for (; i < DIRTY_MAX && dirty[i] != file; i++)
        if (!dirty[i] && room == DIRTY_MAX)
            room = i;
    if (i < DIRTY_MAX)
        dirty[i] = is_dirty ? file : 0;
    else if (is_dirty)
        dirty[room] = file;
}

static void follow_writes(const struct fault_event *event)
{
    struct stat st;
    if (event->call == CALL_DATA || event->call == CALL_SYNC) {
        assert_int_equal(fstat(event->fd, &st), 0);
        set_dirty(st.st_ino, event->call == CALL_DATA);
    }
    /* A new file may have the number of one that has gone. */
    if (event->call == CALL_CREATE && fstatat(event->fd, event->path, &st, 0) == 0 && st.st_size == 0)
        set_dirty(st.st_ino, false);
    if (event->call == CALL_SYNC_ALL)
        memset(dirty, 0, sizeof dirty);
}

/* What has a name in www/, or in the store, outlasts a power cut, because it was synced before. */
static const char *names_lead_to_durable_files(int at, const struct fault_event *event)
{
    struct stat st;
    follow_writes(event);
    if (event->call != CALL_LINK && event->call != CALL_RENAME)
        return NULL;
    STL_AUTO_FREE char *path = path_of(at, &(struct fault_event){.fd = event->to, .path = event->to_path});
    if ((strncmp(path, "/www/", 5) && strncmp(path, "/store/", 7)) || strstr(path, "/" STL_DETAILS) ||
        fstatat(event->to, event->to_path, &st, AT_SYMLINK_NOFOLLOW) || !S_ISREG(st.st_mode))
        return NULL;
    for (size_t i = 0; i < DIRTY_MAX; i++)
        if (dirty[i] == st.st_ino) {
            print_message("# %s\n", path);
            return "a name leads to what was not synced";
        }
    return NULL;
}

static void names_come_in_order(const struct unit *unit, rule_of *what)
{
    struct stl_error error = STL_ERROR_INIT;
    STL_AUTO_FREE char *subject = content_image("one", NULL);
    const struct stl_registry *registry = &unit->registry;
    const struct stl_digest one = content_digest("one");
    begin(unit, what);
    int failed = content_push_image(registry, "lib/app", "one", "v1", &error) ||
                 content_push_index(registry, "lib/app", "one", "two", "v2", &error) ||
                 content_push_referrer(registry, "lib/app", "signature", subject, &error) ||
                 content_push_image(registry, "lib/app", "two", "v1", &error) ||
                 commit_manifest_gone(&unit->repo, &one, NULL, NULL, &error) ||
                 stl_repo_delete(registry, &unit->repo.name, NULL, &error);
    end(50);
    if (failed)
        fail_msg("%s", error.message);
}

static void names_appear_complete(void **state)
{
    names_come_in_order(*state, nothing_is_written_in_place);
}

static void names_appear_durable(void **state)
{
    memset(dirty, 0, sizeof dirty);
    names_come_in_order(*state, names_lead_to_durable_files);
}

/* --- modes ---------------------------------------------------------------------------------------------- */

static int check_ours(void *context, const char *name, unsigned char type, struct stl_error *error)
{
    const int *at = context;
    struct stat st;
    (void)type;
    (void)error;
    assert_int_equal(fstatat(*at, name, &st, AT_SYMLINK_NOFOLLOW), 0);
    if (!S_ISLNK(st.st_mode) && st.st_mode & 077)
        fail_msg("%s has the mode %o", name, (unsigned)st.st_mode);
    if (S_ISDIR(st.st_mode)) {
        STL_AUTO_CLOSE int fd = stl_dir_open(*at, name, &err);
        OK(stl_dir_each(fd, ".", check_ours, &fd, &err));
    }
    return 0;
}

/* What has arrived, and the key that proves whose it is, is nobody else's business, whatever the umask. */
static void only_its_owner_reads_an_upload(void **state)
{
    struct unit *unit = *state;
    STL_AUTO_UPLOAD struct stl_upload upload = STL_UPLOAD_INIT;
    const struct stl_name name = {"app"};
    char id[STL_UPLOAD_ID_LENGTH + 1];
    int64_t room;
    mode_t mask = umask(0);
    OK(stl_upload_begin(&unit->registry, &name, STL_SHA256, id, &err));
    OK(stl_upload_open(&upload, &unit->registry, &name, id, &err));
    stl_upload_set_holder(&upload, "user alice");
    OK(stl_upload_hold(&upload, 4, &room, &err));
    OK(stl_upload_append(&upload, "text", 4, &err));
    OK(stl_upload_save(&upload, &err));
    umask(mask);
    STL_AUTO_CLOSE int uploads = stl_dir_open(unit->registry.root.fd, "uploads", &err),
                       auth = stl_dir_open(unit->registry.root.fd, "auth", &err);
    assert_int_equal(unit_count(uploads, "."), 2); /* by/, and the hour */
    OK(stl_dir_each(uploads, ".", check_ours, &uploads, &err));
    check_ours(&auth, "upload-key", 0, &err);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        registry_test(making_a_repository),
        repository_test(deleting_a_repository),
        repository_test(removing_an_empty_repository),
        repository_test(publishing_a_manifest),
        repository_test(deleting_a_manifest),
        repository_test(marking_what_is_public),
        apache_test(names_appear_complete),
        apache_test(names_appear_durable),
        registry_test(only_its_owner_reads_an_upload),
    };
    return unit_run(tests);
}
