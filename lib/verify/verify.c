#include "verify.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "details.h"
#include "verify-run.h"

enum { REPAIR_ROUNDS = 4 };

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
        if (!stl_verify_has(after, &failed->items[i]))
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
        stl_verify_add(&after, VERIFY_BUSY, path,
                       "something seems wrong, but the repository could not be locked");
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
    struct stl_name parsed;
    if (stl_name_parse(name, &parsed, err))
        return -1;
    if (verify->options->repair)
        stl_details_renew_stale(verify->registry, &parsed, VERIFY_LOCK_MILLISECONDS);
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
    if (stl_verify_foreign(verify, err))
        return -1;
    if (stl_verify_catalog(verify, err))
        return -1;
    if (stl_verify_kept(verify, err))
        return -1;
    if (stl_verify_projects(verify, err))
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
