/* Checks that the counts of projects (project-quota.h) are not too small. */
#include <inttypes.h>

#include "project-quota.h"
#include "verify-run.h"
#include "verify.h"

static int check_project(struct verify *verify, const struct stl_project *project,
                         struct verify_problems *problems, struct stl_error *err)
{
    struct stl_project_comparison found;
    if (stl_project_compare(verify->registry, project, &found, err))
        return -1;
    for (enum stl_project_amount i = 0; i < STL_PROJECT_AMOUNTS && found.counted && !found.outdated; i++)
        if (found.count.amounts[i] < found.least.amounts[i])
            stl_verify_add(problems, VERIFY_FILE, STL_LOG_QUOTA,
                           "the count of project %s is %" PRId64 " %s, but it has %" PRId64, project->name,
                           found.count.amounts[i],
                           i == STL_PROJECT_SIZE ? "bytes" : stl_project_amount_name(i),
                           found.least.amounts[i]);
    return 0;
}

int stl_verify_projects(struct verify *verify, struct stl_error *err)
{
    const struct stl_projects *projects = &verify->registry->settings.projects;
    struct verify_problems before = {0}, after = {0};
    int result = 0;
    for (size_t i = 0; i < projects->count && result == 0; i++) {
        const struct stl_project *project = &projects->items[i];
        size_t known = before.count;
        result = !stl_project_has_quota(project) ? 0 : check_project(verify, project, &before, err);
        if (result == 0 && before.count > known &&
            (!verify->options->repair || stl_project_recount(verify->registry, project, err)))
            result = check_project(verify, project, &after, err);
    }
    if (result == 0)
        stl_verify_report_all(verify, &before, &after);
    stl_verify_problems_clear(&before);
    stl_verify_problems_clear(&after);
    return result;
}
