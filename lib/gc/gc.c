#include "gc.h"

#include <stdlib.h>

#include "bearer.h"
#include "throttle.h"
#include "details.h"
#include "gc-run.h"
#include "project-quota.h"
#include "recovery.h"
#include "reserve.h"
#include "trash.h"
#include "upload.h"

/* Lists the repositories of which a folder of the trash has something. */
static int list_trashed(const struct gc *gc, const char *folder, struct stl_names *names,
                        struct stl_error *err)
{
    return stl_dir_each_if_any(gc->registry->root.fd, folder, stl_names_add_flat, names, err);
}

/* Lists the repositories, and those of which only the trash has something. */
static int list_names(const struct gc *gc, struct stl_names *names, struct stl_error *err)
{
    if (stl_repos_list(gc->registry, names, err) || list_trashed(gc, STL_TRASH_BLOBS, names, err))
        return -1;
    stl_names_sort(names);
    return 0;
}

static int finish_deletions(struct gc *gc, const struct stl_name *name, struct stl_error *err)
{
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
    int found = stl_repo_open_if_any(&repo, gc->registry, name, err);
    if (found > 0)
        found = stl_recover_manifests(&repo, true, err);
    if (found <= 0)
        return found;
    STL_AUTO_CLOSE int lists =
        stl_reserve_lock(gc->registry, STL_LOCK_LISTS, name, GC_LOCK_MILLISECONDS, err);
    return lists < 0 || stl_recover_manifests(&repo, false, err) < 0 ? -1 : 0;
}

/* Leftovers of killed deletions are recognised by what is in the trash, so this comes before the trash is
 * emptied. */
static int finish_all(struct gc *gc, struct stl_error *err)
{
    STL_AUTO_NAMES struct stl_names names = {0};
    if (gc->options->dry_run || list_trashed(gc, STL_TRASH_MANIFESTS, &names, err))
        return gc->options->dry_run ? 0 : -1;
    for (size_t i = 0; i < names.count; i++) {
        struct stl_name name;
        if (stl_name_parse(names.items[i], &name, err))
            return -1;
        if (finish_deletions(gc, &name, err)) {
            STL_AUTO_FREE char *path = stl_sprintf(STL_V2 "/%s", name.text);
            stl_gc_report(gc, path, err);
        }
    }
    return 0;
}

/* Busy repositories are left for later, or reported if there is no later. */
static int collect_repositories(struct gc *gc, const struct stl_names *names, struct stl_names *later,
                                struct stl_error *err)
{
    for (size_t i = 0; i < names->count; i++) {
        struct stl_name name;
        if (stl_name_parse(names->items[i], &name, err))
            return -1;
        if (later && gc->options->progress)
            gc->options->progress(gc->options->progress_context, i, names->count);
        if (stl_gc_repository(gc, &name, err) == 0)
            continue;
        STL_AUTO_FREE char *path = stl_sprintf(STL_V2 "/%s", name.text);
        if (later && err->code == STL_UNAVAILABLE)
            stl_names_add(later, name.text);
        else
            stl_gc_report(gc, path, err);
        stl_error_clear(err);
    }
    return 0;
}

/* Corrects the counts of projects. If a count cannot be written now, the next push that needs it counts
 * again. */
static void count_projects(const struct stl_registry *registry)
{
    const struct stl_projects *projects = &registry->settings.projects;
    for (size_t i = 0; i < projects->count; i++) {
        struct stl_error ignored = STL_ERROR_INIT;
        if (stl_project_has_quota(&projects->items[i]))
            stl_project_recount(registry, &projects->items[i], &ignored);
    }
}

static int collect_all(struct gc *gc, struct stl_error *err)
{
    STL_AUTO_NAMES struct stl_names names = {0}, later = {0}, left = {0};
    struct stl_gc_result *result = gc->result;
    struct stl_error ignored = STL_ERROR_INIT;
    STL_AUTO_LOAN struct stl_reserve_loan loan = stl_reserve_borrow(gc->registry);
    if (stl_temp_sweep_counted(&gc->registry->root, &result->temporary, err))
        return -1;
    if (stl_upload_sweep(gc->registry, &result->uploads, err))
        return -1;
    if (finish_all(gc, err))
        return -1;
    if (stl_trash_empty(gc->registry, gc->registry->settings.retention.trash, &result->expired, err))
        return -1;
    if (list_names(gc, &names, err))
        return -1;
    gc->patience = GC_LOCK_MILLISECONDS;
    if (collect_repositories(gc, &names, &later, err))
        return -1;
    gc->patience = GC_LAST_LOCK_MILLISECONDS;
    if (collect_repositories(gc, &later, NULL, err))
        return -1;
    if (!gc->options->dry_run &&
        (stl_bearer_sweep(gc->registry, SIZE_MAX, err) || stl_throttle_sweep(gc->registry, SIZE_MAX, err)))
        return -1;
    if (stl_gc_store(gc, err))
        return -1;
    if (!gc->options->dry_run) {
        if (stl_repos_sweep(gc->registry, gc->now - gc->options->grace, &left, err))
            return -1;
        stl_details_renew_registry(gc->registry, &left, &ignored);
        count_projects(gc->registry);
        stl_reserve_fill(gc->registry);
    }
    return 0;
}

int stl_gc(const struct stl_registry *registry, const struct stl_gc_options *options,
           struct stl_gc_result *result, struct stl_error *err)
{
    struct gc gc = {.registry = registry, .options = options, .result = result, .now = time(NULL)};
    *result = (struct stl_gc_result){0};
    result->temporary.dry_run = result->uploads.dry_run = result->expired.dry_run = options->dry_run;
    result->temporary.spared = options->grace < STL_TEMP_KEPT ? options->grace : STL_TEMP_KEPT;
    int failed = collect_all(&gc, err);
    stl_digestset_clear(&gc.touched);
    free(gc.touches);
    return failed;
}
