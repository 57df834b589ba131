#include "counts.h"

#include <string.h>
#include <sys/stat.h>

#include "project-quota.h"

/* "BYTES TAGS REPOSITORIES SECONDS STAMP" */
static void wait_for(const struct unit *unit, const struct stl_project *project)
{
    struct stl_name name = stl_project_lock_name(project);
    char path[STL_PATH_MAX];
    STL_AUTO_FREE char *file = stl_sprintf("%s/count", stl_path_flat(STL_LOG_QUOTA, &name, path)),
                       *text = unit_read(unit->registry.root.fd, file);
    char *stamp = text ? strrchr(text, ' ') : NULL;
    if (!stamp)
        return;
    *stamp = '\0';
    char *seconds = strrchr(text, ' ');
    assert_non_null(seconds);
    *seconds = '\0';
    STL_AUTO_FREE char *changed = stl_sprintf("%s 1 %s\n", text, unit->registry.stamp);
    unit_remove(unit->registry.root.fd, file);
    unit_write(unit->registry.root.fd, file, changed);
    assert_int_equal(fchmodat(unit->registry.root.fd, file, 0640, 0), 0);
}

void counts_wait(const struct unit *unit)
{
    const struct stl_projects *projects = &unit->registry.settings.projects;
    for (size_t i = 0; i < projects->count; i++)
        wait_for(unit, &projects->items[i]);
}

void counts_check(const struct unit *unit, const char *where)
{
    const struct stl_projects *projects = &unit->registry.settings.projects;
    for (size_t i = 0; i < projects->count; i++) {
        struct stl_project_comparison found;
        OK(stl_project_compare(&unit->registry, &projects->items[i], &found, &err));
        for (enum stl_project_amount k = 0; k < STL_PROJECT_AMOUNTS && found.counted; k++)
            if (found.count.amounts[k] < found.least.amounts[k])
                fail_msg("%s: project %s has %lld %s, and %lld are counted", where, projects->items[i].name,
                         (long long)found.least.amounts[k], stl_project_amount_name(k),
                         (long long)found.count.amounts[k]);
    }
}

void counts_renew(const struct unit *unit, const char *where)
{
    const struct stl_projects *projects = &unit->registry.settings.projects;
    for (size_t i = 0; i < projects->count; i++) {
        struct stl_project_comparison found;
        OK(stl_project_recount(&unit->registry, &projects->items[i], &err));
        OK(stl_project_compare(&unit->registry, &projects->items[i], &found, &err));
        if (!found.counted || found.outdated)
            fail_msg("%s: project %s is not counted", where, projects->items[i].name);
        for (enum stl_project_amount k = 0; k < STL_PROJECT_AMOUNTS; k++)
            assert_int_equal(found.count.amounts[k], found.least.amounts[k]);
    }
}
