#include "verify-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "details.h"

enum { REPAIR_ROUNDS = 4 };

static const char run_repair[] = "run 'stillage verify --repair'";
static const char push_again[] = "push the image again";

static const struct {
    const char *name, *advice;
} kinds[VERIFY_KINDS] = {
    [VERIFY_FOREIGN] = {"foreign", "move it away: it is not part of a registry"},
    [VERIFY_MODE] = {"mode", run_repair},
    [VERIFY_OWNER] = {"owner", "run 'stillage verify --repair' as root: one account owns a registry"},
    [VERIFY_FOLDER] = {"folder", run_repair},
    [VERIFY_FILE] = {"file", run_repair},
    [VERIFY_LINK] = {"link", run_repair},
    [VERIFY_TYPE] = {"type", run_repair},
    [VERIFY_DAMAGED_MANIFEST] = {"damaged-manifest",
                                 "run 'stillage verify --repair', then push the image again"},
    [VERIFY_INVALID_MANIFEST] = {"invalid-manifest",
                                 "remove it with 'stillage rm', then push the image again"},
    [VERIFY_UNREADABLE] = {"unreadable", "look at the disk and at the system's limits, then verify again"},
    [VERIFY_TAG] = {"tag", "push the image again, or remove the tag with 'stillage rm'"},
    [VERIFY_TAGS_LIST] = {"tags-list", run_repair},
    [VERIFY_CATALOG] = {"catalog", run_repair},
    [VERIFY_REFERRERS] = {"referrers", run_repair},
    [VERIFY_REFS] = {"refs", run_repair},
    [VERIFY_MISSING_BLOB] = {"missing-blob", push_again},
    [VERIFY_MISSING_CHILD] = {"missing-manifest", push_again},
    [VERIFY_SIZE] = {"size", "run 'stillage verify --full --repair', then push the image again"},
    [VERIFY_DAMAGED_BLOB] = {"damaged-blob",
                             "run 'stillage verify --repair', then push the images that contain it again"},
    [VERIFY_NOT_IN_STORE] = {"not-in-store", run_repair},
    [VERIFY_LINK_COUNT] = {"links", "gc cannot free it while they exist"},
    [VERIFY_BUSY] = {"busy", "verify again when there are fewer pushes to it"},
};

void stl_verify_add(struct verify_problems *problems, enum verify_kind kind, const char *path,
                    const char *what, ...)
{
    struct verify_problem problem = {kind, stl_strdup(path), NULL};
    va_list args;
    va_start(args, what);
    problem.what = stl_vsprintf(what, args);
    va_end(args);
    stl_grow(problems->items, problems->count);
    problems->items[problems->count++] = problem;
}

void stl_verify_problems_clear(struct verify_problems *problems)
{
    for (size_t i = 0; i < problems->count; i++) {
        free(problems->items[i].path);
        free(problems->items[i].what);
    }
    free(problems->items);
    *problems = (struct verify_problems){0};
}

void stl_verify_report(struct verify *verify, const struct verify_problem *problem, bool repaired)
{
    const struct stl_problem out = {.kind = kinds[problem->kind].name,
                                    .path = problem->path,
                                    .what = problem->what,
                                    .advice = kinds[problem->kind].advice,
                                    .repaired = repaired,
                                    .note = problem->kind == VERIFY_LINK_COUNT};
    if (repaired)
        verify->result->repaired++;
    else if (!out.note)
        verify->result->problems++;
    verify->options->problem(verify->options->context, &out);
}

static bool has(const struct verify_problems *problems, const struct verify_problem *wanted)
{
    for (size_t i = 0; i < problems->count; i++)
        if (problems->items[i].kind == wanted->kind && !strcmp(problems->items[i].path, wanted->path))
            return true;
    return false;
}

void stl_verify_report_all(struct verify *verify, const struct verify_problems *before,
                           const struct verify_problems *after)
{
    for (size_t i = 0; i < before->count; i++)
        if (!has(after, &before->items[i]))
            stl_verify_report(verify, &before->items[i], true);
    for (size_t i = 0; i < after->count; i++)
        stl_verify_report(verify, &after->items[i], false);
}

/* --- modes ---------------------------------------------------------------------------------------------- */

void stl_verify_modes(const struct verify *verify, const char *path, const struct stat *st,
                      struct verify_problems *problems)
{
    const struct stl_root *wanted = &verify->wanted;
    mode_t mode = S_ISDIR(st->st_mode) ? wanted->directory_mode : wanted->file_mode;
    if (st->st_uid != verify->owner)
        stl_verify_add(problems, VERIFY_OWNER, path, "belongs to user %u, the registry to user %u",
                       (unsigned)st->st_uid, (unsigned)verify->owner);
    if ((st->st_mode & 0777) != mode)
        stl_verify_add(problems, VERIFY_MODE, path, "has mode %04o, not %04o", (unsigned)st->st_mode & 0777,
                       (unsigned)mode);
    else if (wanted->group != (gid_t)-1 && st->st_gid != wanted->group)
        stl_verify_add(problems, VERIFY_MODE, path, "belongs to group %u, not %u", (unsigned)st->st_gid,
                       (unsigned)wanted->group);
}

int stl_verify_repair_mode(const struct verify *verify, const char *path, struct stl_error *err)
{
    const struct stl_root *wanted = &verify->wanted;
    struct stat st;
    STL_AUTO_CLOSE int fd = openat(verify->registry->root.fd, path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    STL_AUTO_FREE char *self = stl_sprintf("/proc/self/fd/%d", fd);
    if (fd < 0 || fstat(fd, &st))
        return stl_error_errno(err, "cannot open %s", path);
    if (S_ISLNK(st.st_mode))
        return 0;
    if ((wanted->group != (gid_t)-1 && chown(self, (uid_t)-1, wanted->group)) ||
        chmod(self, S_ISDIR(st.st_mode) ? wanted->directory_mode : wanted->file_mode))
        return stl_error_errno(err, "cannot set mode and group of %s", path);
    return 0;
}

int stl_verify_set_aside(const struct verify *verify, const char *path, const char *name,
                         struct stl_error *err)
{
    const struct stl_root *root = &verify->registry->root;
    STL_AUTO_CLOSE int damaged = stl_dir_make(root, root->fd, STL_TRASH_DAMAGED, err);
    if (damaged < 0)
        return -1;
    if (renameat(root->fd, path, damaged, name))
        return stl_error_errno(err, "cannot move %s to trash/damaged/%s", path, name);
    return stl_dir_sync(damaged, err);
}

/* --- repositories --------------------------------------------------------------------------------------- */

static void move_problems(struct verify_problems *to, struct verify_problems *from)
{
    *to = *from;
    *from = (struct verify_problems){0};
}

/* Problems whose repair failed remain, even if everything looks right now: it may not be durable. */
static void keep_failed(struct verify_problems *after, const struct verify_problems *failed)
{
    for (size_t i = 0; i < failed->count; i++)
        if (!has(after, &failed->items[i]))
            stl_verify_add(after, failed->items[i].kind, failed->items[i].path, "%s", failed->items[i].what);
}

/* Checks and repairs until nothing more can be repaired: one repair may uncover another problem. */
static int check_locked(struct verify *verify, const char *name, struct verify_problems *before,
                        struct verify_problems *after, struct stl_error *err)
{
    struct verify_problems failed = {0};
    int result, mended = 0;
    for (int round = 0; round == 0 || (result == 0 && mended > 0); round++) {
        struct verify_repo repo = VERIFY_REPO_INIT;
        result = stl_verify_repo_collect(verify, name, &repo, err);
        bool work = result == 0 && verify->options->repair && round < REPAIR_ROUNDS;
        mended = work ? stl_verify_repo_repair(&repo, &failed) : 0;
        stl_verify_problems_clear(after);
        move_problems(after, &repo.problems);
        if (round == 0 && mended > 0)
            move_problems(before, after);
        stl_verify_repo_clear(&repo);
    }
    keep_failed(after, &failed);
    stl_verify_problems_clear(&failed);
    return result < 0 ? -1 : 0;
}

static int check_again(struct verify *verify, const char *text, struct stl_error *err)
{
    struct verify_problems before = {0}, after = {0};
    struct stl_name name;
    if (stl_name_parse(text, &name, err))
        return -1;
    STL_AUTO_CLOSE int content =
        stl_registry_lock_within(verify->registry, STL_LOCK_CONTENT, &name, VERIFY_LOCK_MILLISECONDS, err);
    int result = 0;
    if (content < 0 && err->code == STL_UNAVAILABLE) {
        STL_AUTO_FREE char *path = stl_sprintf(STL_V2 "/%s", text);
        stl_verify_add(&after, VERIFY_BUSY, path, "something seems wrong, but it could not be locked");
        stl_error_clear(err);
    } else {
        STL_AUTO_CLOSE int lists =
            content < 0 ? -1 : stl_registry_lock(verify->registry, STL_LOCK_LISTS, &name, true, err);
        result = lists < 0 ? -1 : check_locked(verify, text, &before, &after, err);
    }
    stl_verify_report_all(verify, &before, &after);
    stl_verify_problems_clear(&before);
    stl_verify_problems_clear(&after);
    return result;
}

static void renew_details(struct verify *verify, const char *text)
{
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
    struct stl_error ignored = STL_ERROR_INIT;
    struct stl_name name;
    if (stl_name_parse(text, &name, &ignored) ||
        stl_repo_open_if_any(&repo, verify->registry, &name, &ignored) <= 0 || !stl_details_are_stale(&repo))
        return;
    STL_AUTO_CLOSE int lists =
        stl_registry_lock_within(verify->registry, STL_LOCK_LISTS, &name, VERIFY_LOCK_MILLISECONDS, &ignored);
    if (lists >= 0)
        stl_details_renew(&repo, &ignored);
}

static int check_repository(struct verify *verify, const char *name, struct stl_error *err)
{
    struct verify_repo repo = VERIFY_REPO_INIT;
    int result = stl_verify_repo_collect(verify, name, &repo, err);
    if (result == 0) {
        verify->result->repositories++;
        verify->result->tags += repo.contents.tag_count;
        verify->result->manifests += repo.contents.digests.count;
    }
    bool suspicious = repo.problems.count > 0;
    stl_verify_repo_clear(&repo);
    if (result < 0)
        return -1;
    if (suspicious && check_again(verify, name, err))
        return -1;
    if (verify->options->repair)
        renew_details(verify, name);
    return 0;
}

int stl_verify_begin(struct verify *verify, struct stl_error *err)
{
    struct stat st;
    if (stl_registry_wanted_modes(verify->registry, &verify->wanted, err))
        return -1;
    if (fstat(verify->registry->root.fd, &st))
        return stl_error_errno(err, "cannot look at %s", verify->registry->path);
    verify->owner = st.st_uid;
    return 0;
}

static int check_all(struct verify *verify, struct stl_error *err)
{
    if (stl_verify_begin(verify, err) || stl_verify_others(verify, err) ||
        stl_repos_list(verify->registry, &verify->names, err))
        return -1;
    stl_verify_files(verify);
    if (stl_verify_store(verify, err))
        return -1;
    for (size_t i = 0; i < verify->names.count; i++)
        if (check_repository(verify, verify->names.items[i], err))
            return stl_error_context(err, "%s", verify->names.items[i]);
    if (stl_verify_foreign(verify, err) || stl_verify_catalog(verify, err) || stl_verify_kept(verify, err))
        return -1;
    stl_verify_link_counts(verify);
    return 0;
}

int stl_verify(const struct stl_registry *registry, const struct stl_verify_options *options,
               struct stl_verify_result *result, struct stl_error *err)
{
    struct verify verify = {
        .registry = registry, .options = options, .result = result, .started = time(NULL)};
    int failed = check_all(&verify, err);
    stl_names_clear(&verify.names);
    stl_digestset_clear(&verify.store);
    stl_digestset_clear(&verify.damaged);
    free(verify.blobs);
    return failed;
}
