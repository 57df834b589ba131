/* What looks after a registry, and carries images, and meets an error (errors.h). */
#include "unit.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "bundles.h"
#include "content.h"
#include "errors.h"
#include "export.h"
#include "faults.h"
#include "gc.h"
#include "import.h"
#include "prune.h"
#include "verify.h"

enum { LATER = 90 * 86400 }; /* seconds: garbage is old enough to go */

static void prepare(struct unit *unit)
{
    STL_AUTO_FREE char *subject = content_image("two", NULL);
    OK(content_push_index(&unit->registry, "lib/app", "one", "two", "v1", &err));
    OK(content_push_referrer(&unit->registry, "lib/app", "signature", subject, &err));
    OK(content_push_image(&unit->registry, "lib/app", "three", "v2", &err));
    bundles_prepare(unit, BUNDLES_SMALLER);
}

static void note_problem(void *context, const char *path, const struct stl_error *why)
{
    (void)path;
    *(struct stl_error *)context = *why;
}

static int collect_once(struct unit *unit, struct stl_gc_result *result, struct stl_error *error)
{
    struct stl_error why = STL_ERROR_INIT;
    const struct stl_gc_options options = {.grace = 3600, .problem = note_problem, .context = &why};
    fault_set_clock(LATER);
    int ended = stl_gc(&unit->registry, &options, result, error);
    fault_set_clock(0);
    if (ended)
        return -1;
    if (result->problems)
        *error = why;
    return result->problems ? -1 : 0;
}

static void push_garbage(struct unit *unit)
{
    OK(content_push_blob(&unit->registry, "lib/app", "unused", &err));
    OK(content_push_blob(&unit->registry, "lib/app", "unused, too", &err));
}

/* What one run puts into the trash goes in another. */
static void collect_all(struct unit *unit)
{
    struct stl_gc_result rest;
    for (int runs = 0; runs < 2; runs++)
        OK(collect_once(unit, &rest, &err));
}

static int collect(struct unit *unit, struct stl_buf *told, struct stl_error *error)
{
    struct stl_gc_result found = {0};
    int result = collect_once(unit, &found, error);
    errors_calm();
    stl_buf_printf(told, "%ju blobs, %ju bytes set aside, %ju freed, %ju removed, %ju busy",
                   (uintmax_t)found.set_aside.count, (uintmax_t)found.set_aside.bytes,
                   (uintmax_t)found.freed.count, (uintmax_t)found.removed, (uintmax_t)found.busy);
    collect_all(unit);
    return result;
}

static void note_finding(void *context, const struct stl_problem *problem)
{
    stl_error_set(context, STL_DAMAGED, "%s: %s", problem->path, problem->what);
}

/* What cannot be read, each time it is looked at, counts as a problem. */
static int verify(struct unit *unit, struct stl_buf *told, struct stl_error *error)
{
    struct stl_error why = STL_ERROR_INIT;
    const struct stl_verify_options options = {.full = true, .problem = note_finding, .context = &why};
    struct stl_verify_result found = {0};
    int result = stl_verify(&unit->registry, &options, &found, error);
    errors_calm();
    if (result == 0 && found.problems)
        *error = why;
    stl_buf_printf(told, "%ju repositories", (uintmax_t)found.repositories);
    return result || found.problems ? -1 : 0;
}

static int export(struct unit *unit, struct stl_buf *told, struct stl_error *error)
{
    STL_AUTO_EXPORT struct stl_export export = STL_EXPORT_INIT;
    STL_AUTO_SELECTION struct stl_selection selection = STL_SELECTION_INIT;
    const struct stl_export_options options = {
        .selection = &selection, .host = "host", .compression = STL_COMPRESS_NONE, .mirror = true};
    OK(stl_selection_add(&selection, "lib/**", &err));
    STL_AUTO_CLOSE int fd = openat(unit->fd, "export.tar", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    int result =
        stl_export_plan(&export, &unit->registry, &options, error) || stl_export_volume(&export, 1, fd, error)
            ? -1
            : 0;
    errors_calm();
    stl_buf_printf(told, "%zu images, %lld bytes", export.image_count, (long long)lseek(fd, 0, SEEK_END));
    return result;
}

static int import(struct unit *unit, struct stl_buf *told, struct stl_error *error)
{
    const struct stl_name other = {"other"};
    int result = bundles_import(unit, 1, false, error) || bundles_import(unit, 2, false, error) ? -1 : 0;
    errors_calm();
    if (result) { /* the same again completes it */
        OK(bundles_import(unit, 1, false, &err));
        OK(bundles_import(unit, 2, false, &err));
    }
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
    OK(stl_repo_open(&repo, &unit->registry, &other, &err));
    STL_AUTO_FREE char *list = unit_read(repo.fd, "tags/list");
    stl_buf_printf(told, "%zu %zu %s", unit_count(unit->registry.root.fd, "imports"),
                   unit_count(repo.fd, "blobs"), list);
    OK(stl_repo_delete(&unit->registry, &other, NULL, &err));
    collect_all(unit);
    return result;
}

struct plan {
    size_t kept, removed;
    struct stl_error why;
};

static void count_item(void *context, const struct stl_prune_item *item)
{
    struct plan *plan = context;
    ++*(item->remove ? &plan->removed : &plan->kept);
}

static void note_unpruned(void *context, const char *name, const struct stl_error *why)
{
    struct plan *plan = context;
    (void)name;
    plan->why = *why;
}

static int plan_prune(struct unit *unit, struct stl_buf *told, struct stl_error *error)
{
    struct plan plan = {0};
    struct stl_prune_rule rule = STL_PRUNE_RULE_INIT;
    rule.keep_newest = 1;
    rule.untagged_older = 0;
    const struct stl_prune_rules rules = {&rule, 1};
    const struct stl_prune_options options = {
        .rules = &rules, .item = count_item, .problem = note_unpruned, .context = &plan};
    struct stl_prune_result planned = {0};
    int result = stl_prune(&unit->registry, &options, &planned, error);
    stl_buf_printf(told, "%zu %zu", plan.kept, plan.removed);
    if (result || planned.problems == 0)
        return result;
    *error = plan.why;
    return -1;
}

static const struct errors_op ops[] = {
    {.name = "collecting garbage",
     .operate = collect,
     .prepare = push_garbage,
     .tells = "2 blobs, 17 bytes set aside, 0 freed, 0 removed, 0 busy"},
    {.name = "verifying", .operate = verify, .tells = "1 repositories"},
    {.name = "exporting", .operate = export, .tells = "3 images, 32768 bytes"},
    {.name = "importing", .operate = import, .tells = "0 2 {\"name\":\"other\",\"tags\":[\"v1\"]}\n"},
    {.name = "planning a prune", .operate = plan_prune}};

int main(void)
{
    return errors_run(prepare, ops, sizeof ops / sizeof *ops);
}
