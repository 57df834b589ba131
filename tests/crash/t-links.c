/*
 * Where a link cannot be made, because a file has as many as it can have (65,000 on ext4) or because the
 * folders turn out to be of two file systems, there is a copy, and nobody notices a difference. Where a file
 * is given its place by link and unlink, since there is no RENAME_NOREPLACE, it may be left with two names.
 */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "blobs.h"
#include "faults.h"
#include "repo-make.h"
#include "trash.h"
#include "upload.h"

enum { LARGE = 300000 }; /* more than one piece, where the kernel does not copy */

static const int refusals[] = {EMLINK, EXDEV};

static char *large_text(void)
{
    char *text = stl_alloc(LARGE + 1);
    for (size_t i = 0; i < LARGE; i++)
        text[i] = (char)('a' + i % 23);
    text[LARGE] = '\0';
    return text;
}

static struct stl_repo other_repository(const struct unit *unit, const char *text)
{
    struct stl_repo repo;
    struct stl_name name = unit_name(text);
    OK(stl_repo_make(&repo, &unit->registry, &name, &err));
    return repo;
}

/* Has a file of its own, with that content. */
static void check_copy(const struct stl_repo *repo, const struct stl_digest *digest, const char *content)
{
    struct stat st;
    STL_AUTO_FREE char *path = stl_sprintf("blobs/%s", unit_digest_text(digest));
    unit_check_text(repo->fd, path, content);
    assert_int_equal(fstatat(repo->fd, path, &st, AT_SYMLINK_NOFOLLOW), 0);
    assert_int_equal(st.st_nlink, 1);
}

static void struck(const char *call)
{
    const char *name = fault_struck();
    fault_set(FAULT_NONE, 0, 0);
    assert_string_equal(name ? name : "none", call);
}

static void a_blob_is_copied(void **state)
{
    struct unit *unit = *state;
    STL_AUTO_FREE char *text = large_text();
    const struct stl_digest digest = unit_digest(text);
    unit_blob(&unit->repo, text);
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        STL_AUTO_FREE char *name = stl_sprintf("linked/%zu", i), *from = stl_sprintf("mounted/%zu", i);
        STL_AUTO_REPO struct stl_repo linked = other_repository(unit, name),
                                      mounted = other_repository(unit, from);
        fault_set(FAULT_ERROR, 1, refusals[i]);
        OK(stl_repo_link_blob(&linked, &digest, &err));
        struck("linkat");
        check_copy(&linked, &digest, text);
        fault_set(FAULT_ERROR, 1, refusals[i]);
        OK(stl_repo_mount_blob(&mounted, &unit->repo, &digest, &err));
        struck("linkat");
        check_copy(&mounted, &digest, text);
    }
}

/* The link has been refused: now the kernel does not copy either. */
static void refuse_copies(const struct fault_event *event)
{
    if (event->call == CALL_CREATE)
        fault_set(FAULT_ERROR, 1, EXDEV);
}

static void a_blob_that_the_kernel_does_not_copy(void **state)
{
    struct unit *unit = *state;
    STL_AUTO_FREE char *text = large_text();
    const struct stl_digest digest = unit_digest(text);
    STL_AUTO_REPO struct stl_repo other = other_repository(unit, "other");
    unit_blob(&unit->repo, text);
    fault_set(FAULT_ERROR, 1, EMLINK);
    fault_set_watch(refuse_copies);
    int result = stl_repo_link_blob(&other, &digest, &err);
    fault_set_watch(NULL);
    struck("copy_file_range");
    OK(result);
    check_copy(&other, &digest, text);
}

/* The marks of an hour are links to one file: when it has too many, there is another. */
static void an_upload_ends(void **state)
{
    struct unit *unit = *state;
    struct stl_name name = unit_name("app");
    for (int i = 0; i < 3; i++) {
        char id[STL_UPLOAD_ID_LENGTH + 1];
        STL_AUTO_UPLOAD struct stl_upload upload = STL_UPLOAD_INIT, again = STL_UPLOAD_INIT;
        OK(stl_upload_begin(&unit->registry, &name, STL_SHA256, id, &err));
        OK(stl_upload_open(&upload, &unit->registry, &name, id, &err));
        OK(stl_upload_append(&upload, "text", 4, &err));
        fault_set(FAULT_ERROR, 1, EMLINK);
        OK(stl_upload_cancel(&upload, &err));
        struck("linkat");
        FAILS(STL_BLOB_UPLOAD_UNKNOWN, stl_upload_open(&again, &unit->registry, &name, id, &err));
    }
}

static void refuse_unlink(const struct fault_event *event)
{
    if (event->call == CALL_LINK && !strstr(event->to_path, "ended"))
        fault_set(FAULT_ERROR, 1, EIO);
}

/* What becomes of a session whose bytes are a blob already, but still have their old name, too. */
static void an_upload_has_two_names(void **state)
{
    enum { CANCELLED_AT_ONCE, CANCELLED, FINISHED, WAYS };
    struct unit *unit = *state;
    int root = unit->registry.root.fd;
    struct stl_name name = unit_name("app");
    const struct stl_digest digest = unit_digest("text");
    char blob[STL_PATH_MAX], data[STL_UPLOAD_PATH_MAX], id[STL_UPLOAD_ID_LENGTH + 1];
    stl_path_store(&digest, blob);
    unit->registry.root.shared = true;
    for (int way = 0; way < WAYS; way++) {
        STL_AUTO_UPLOAD struct stl_upload upload = STL_UPLOAD_INIT, again = STL_UPLOAD_INIT;
        OK(stl_upload_begin(&unit->registry, &name, STL_SHA256, id, &err));
        OK(stl_upload_open(&upload, &unit->registry, &name, id, &err));
        OK(stl_upload_append(&upload, "text", 4, &err));
        fault_set_watch(refuse_unlink);
        FAILS(STL_STORAGE, stl_upload_finish(&upload, &digest, &err));
        fault_set_watch(NULL);
        struck("unlinkat");
        unit_check_text(root, blob, "text");
        if (way != CANCELLED_AT_ONCE) {
            stl_upload_close(&upload);
            OK(stl_upload_open(&again, &unit->registry, &name, id, &err));
            FAILS(STL_BLOB_UPLOAD_UNKNOWN, stl_upload_append(&again, "more", 4, &err));
        }
        OK(way == FINISHED ? stl_upload_finish(&again, &digest, &err)
                           : stl_upload_cancel(way == CANCELLED ? &again : &upload, &err));
        assert_false(unit_exists(root, stl_upload_path(id, "", data)));
        unit_check_text(root, blob, "text");
        if (way != FINISHED)
            unit_remove(root, blob);
    }
}

struct noted {
    int root;
    char *target; /* of the last one */
};

static int read_noted(void *context, const char *name, unsigned char type, struct stl_error *error)
{
    struct noted *noted = context;
    STL_AUTO_FREE char *path = stl_sprintf("trash/tags/lib~app/%s", name);
    (void)type;
    (void)error;
    assert_int_equal(strncmp(name, "v1@", 3), 0);
    noted->target = unit_link(noted->root, path);
    return 1;
}

static void a_tag_goes_to_the_trash(void **state)
{
    struct unit *unit = *state;
    const struct stl_tagging v1 = {.tag = unit_tag("v1"), .digest = unit_push(&unit->repo, "one", "v1")};
    fault_set(FAULT_ERROR, 1, EMLINK);
    OK(stl_trash_note_tags(&unit->repo, &v1, 1, &err));
    struck("linkat");
    struct noted noted = {unit->registry.root.fd, NULL};
    assert_int_equal(stl_dir_each(noted.root, "trash/tags/lib~app", read_noted, &noted, &err), 1);
    STL_AUTO_FREE char *target = noted.target;
    assert_non_null(target);
    assert_string_equal(target, unit_digest_text(&v1.digest));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        repository_test(a_blob_is_copied),
        repository_test(a_blob_that_the_kernel_does_not_copy),
        registry_test(an_upload_ends),
        registry_test(an_upload_has_two_names),
        repository_test(a_tag_goes_to_the_trash),
    };
    return unit_run(tests);
}
