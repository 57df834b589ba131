/* Changes by upkeep: garbage collection, pruning, snapshots, getting things back, repairs, bundles. */
#include "crash.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "bundles.h"
#include "content.h"
#include "freeze.h"
#include "gc.h"
#include "import.h"
#include "prune.h"
#include "repo-make.h"
#include "restore.h"
#include "snapshot.h"
#include "upload.h"
#include "verify.h"

#define APP "lib/app"
enum { MONTHS = 100 * 86400 };

static int open_app(struct unit *unit, struct stl_repo *repo, struct stl_error *error)
{
    const struct stl_name name = {APP};
    return stl_repo_open(repo, &unit->registry, &name, error);
}

static void remove_tag(struct unit *unit, const char *text)
{
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
    const struct stl_tag tag = unit_tag(text);
    OK(open_app(unit, &repo, &err));
    OK(commit_tags_gone(&repo, &tag, 1, NULL, NULL, &err));
}

static void delete_image(struct unit *unit, const char *blob)
{
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
    const struct stl_digest digest = content_digest(blob);
    OK(open_app(unit, &repo, &err));
    OK(commit_manifest_gone(&repo, &digest, NULL, NULL, &err));
}

static void delete_app(struct unit *unit)
{
    const struct stl_name name = {APP};
    OK(stl_repo_delete(&unit->registry, &name, NULL, &err));
}

/* --- garbage collection and pruning --------------------------------------------------------------------- */

static void begin_upload(struct unit *unit)
{
    STL_AUTO_UPLOAD struct stl_upload upload = STL_UPLOAD_INIT;
    const struct stl_name name = {APP};
    char id[STL_UPLOAD_ID_LENGTH + 1];
    OK(stl_upload_begin(&unit->registry, &name, STL_SHA256, id, &err));
    OK(stl_upload_open(&upload, &unit->registry, &name, id, &err));
    OK(stl_upload_append(&upload, "begun", 5, &err));
    OK(stl_upload_save(&upload, &err));
}

/* Some of all that can be collected, beside what may not be. */
static void prepare_garbage(struct unit *unit)
{
    STL_AUTO_FREE char *gone = content_image("nowhere", NULL);
    const struct stl_name name = {"empty/one"};
    OK(content_push_index(&unit->registry, APP, "one", "two", "v1", &err));
    OK(content_push_image(&unit->registry, APP, "three", "old", &err));
    OK(content_push_blob(&unit->registry, APP, "unused", &err));
    OK(content_push_blob(&unit->registry, "other", "unused", &err));
    OK(content_push_referrer(&unit->registry, APP, "orphan", gone, &err));
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
    OK(stl_repo_make(&repo, &unit->registry, &name, &err));
    delete_image(unit, "three");
    begin_upload(unit);
}

static void note_problem(void *context, const char *path, const struct stl_error *why)
{
    (void)path;
    *(struct stl_error *)context = *why;
}

/* What goes to the trash in one run is deleted by another, if it is late enough: an orphan, then its blobs.
 */
static int collect_after(struct unit *unit, int64_t grace, struct stl_error *error)
{
    struct stl_error why = STL_ERROR_INIT;
    const struct stl_gc_options options = {.grace = grace, .problem = note_problem, .context = &why};
    struct stl_gc_result result;
    for (int runs = 0; runs < 3; runs++) {
        if (stl_gc(&unit->registry, &options, &result, error))
            return -1;
        if (result.problems) {
            *error = why;
            return -1;
        }
    }
    return 0;
}

static const char orphans[] = "gc:\n  orphaned-referrers: delete\n";

static int collect(struct unit *unit, struct stl_error *error)
{
    return collect_after(unit, 3600, error);
}

static int collect_at_once(struct unit *unit, struct stl_error *error)
{
    return collect_after(unit, 0, error);
}

static void prepare_tags(struct unit *unit)
{
    STL_AUTO_FREE char *subject = content_image("two", NULL);
    OK(content_push_index(&unit->registry, APP, "one", "two", "v1", &err));
    OK(content_push_referrer(&unit->registry, APP, "signature", subject, &err));
    OK(content_push_image(&unit->registry, APP, "three", "v2", &err));
    OK(content_push_image(&unit->registry, APP, "four", "v3", &err));
    OK(content_push_image(&unit->registry, "other", "one", "v1", &err));
}

static void ignore_item(void *context, const struct stl_prune_item *item)
{
    (void)context;
    (void)item;
}

/* Keeps v3, and of the other repository everything. */
static int prune(struct unit *unit, struct stl_error *error)
{
    struct stl_error why = STL_ERROR_INIT;
    struct stl_prune_rule rule = STL_PRUNE_RULE_INIT;
    rule.keep_newest = 1;
    rule.untagged_older = 0;
    const struct stl_prune_rules rules = {&rule, 1};
    const struct stl_prune_options options = {
        .rules = &rules, .apply = true, .item = ignore_item, .problem = note_problem, .context = &why};
    struct stl_prune_result result;
    if (stl_prune(&unit->registry, &options, &result, error))
        return -1;
    if (result.problems)
        *error = why;
    return result.problems ? -1 : 0;
}

/* --- getting things back -------------------------------------------------------------------------------- */

static void prepare_trash(struct unit *unit)
{
    prepare_tags(unit);
    remove_tag(unit, "v1");
    delete_image(unit, "three");
}

static int restore(struct unit *unit, const struct stl_reference *reference, struct stl_error *error)
{
    const struct stl_name name = {APP};
    struct stl_restored restored;
    return stl_restore_from_trash(&unit->registry, &name, reference, false, NULL, &restored, error);
}

static int restore_tag(struct unit *unit, struct stl_error *error)
{
    const struct stl_reference reference = {.tag = {"v2"}};
    return restore(unit, &reference, error);
}

static int restore_manifest(struct unit *unit, struct stl_error *error)
{
    const struct stl_reference reference = {.is_digest = true, .digest = content_digest("three")};
    return restore(unit, &reference, error);
}

static int restore_all(struct unit *unit, struct stl_error *error)
{
    return restore(unit, NULL, error);
}

static void prepare_deleted(struct unit *unit)
{
    OK(content_push_index(&unit->registry, APP, "one", "two", "v1", &err));
    delete_app(unit);
}

/* --- snapshots ------------------------------------------------------------------------------------------ */

static int create_snapshot(struct unit *unit, struct stl_error *error)
{
    struct stl_snapshot_size size;
    return stl_snapshot_create(&unit->registry, "monday", &size, NULL, NULL, error);
}

static int remove_snapshot(struct unit *unit, struct stl_error *error)
{
    return stl_snapshot_remove(&unit->registry, "monday", error);
}

static void prepare_snapshot(struct unit *unit)
{
    prepare_tags(unit);
    OK(create_snapshot(unit, &err));
}

/* A tag has moved, one is gone with its manifest, one is new. */
static void prepare_changed(struct unit *unit)
{
    prepare_snapshot(unit);
    delete_image(unit, "three");
    OK(content_push_image(&unit->registry, APP, "five", "v3", &err));
    OK(content_push_image(&unit->registry, APP, "five", "new", &err));
}

static void prepare_gone(struct unit *unit)
{
    OK(content_push_index(&unit->registry, APP, "one", "two", "v1", &err));
    OK(create_snapshot(unit, &err));
    delete_app(unit);
}

static int restore_snapshot(struct unit *unit, struct stl_error *error)
{
    const struct stl_name name = {APP};
    struct stl_snapshot_restored restored = {0};
    return stl_snapshot_restore(&unit->registry, "monday", &name, false, &restored, error);
}

/* --- repairs -------------------------------------------------------------------------------------------- */

static void overwrite(struct unit *unit, const char *path, const char *text)
{
    STL_AUTO_FREE char *full = stl_sprintf("www/v2/" APP "/%s", path);
    unit_remove(unit->registry.root.fd, full);
    if (text)
        unit_write(unit->registry.root.fd, full, text);
}

static void prepare_damage(struct unit *unit)
{
    prepare_tags(unit);
    const struct stl_digest digest = content_digest("three"), blob = unit_digest("one"),
                            only = unit_digest("four");
    char path[STL_PATH_MAX];
    STL_AUTO_FREE char *link = stl_sprintf("manifests/%s", unit_digest_text(&digest)),
                       *copy = stl_sprintf("blobs/%s", unit_digest_text(&blob));
    overwrite(unit, "tags/list", "torn");
    overwrite(unit, link, NULL);
    overwrite(unit, "_refs/v2", "torn");
    overwrite(unit, copy, NULL);
    overwrite(unit, "../../_catalog", "");
    overwrite(unit, "../../_ping", "");
    unit_remove(unit->registry.root.fd, stl_path_store(&only, path));
}

static void ignore_problem(void *context, const struct stl_problem *problem)
{
    (void)context;
    (void)problem;
}

static int repair(struct unit *unit, struct stl_error *error)
{
    const struct stl_verify_options options = {.full = true, .repair = true, .problem = ignore_problem};
    struct stl_verify_result result = {0};
    if (stl_verify(&unit->registry, &options, &result, error))
        return -1;
    return result.problems == 0 ? 0 : stl_error_set(error, STL_DAMAGED, "not all could be repaired");
}

/* --- bundles -------------------------------------------------------------------------------------------- */

static void prepare_bundle(struct unit *unit)
{
    bundles_prepare(unit, 0);
}

/* The large blob does not fit into either. */
static void prepare_volumes(struct unit *unit)
{
    bundles_prepare(unit, BUNDLES_SMALLER);
}

/* What an older bundle has left. */
static void prepare_mirror(struct unit *unit)
{
    bundles_prepare(unit, 0);
    OK(content_push_image(&unit->registry, APP, "three", "v1", &err));
    OK(content_push_image(&unit->registry, APP, "three", "v2", &err));
    OK(content_push_image(&unit->registry, "gone", "three", "v1", &err));
}

static int import_bundle(struct unit *unit, struct stl_error *error)
{
    return bundles_import(unit, 1, false, error);
}

static int import_mirror(struct unit *unit, struct stl_error *error)
{
    return bundles_import(unit, 1, true, error);
}

static int import_one_by_one(struct unit *unit, struct stl_error *error)
{
    return bundles_import(unit, 2, false, error) || bundles_import(unit, 1, false, error) ? -1 : 0;
}

static void prepare_pending(struct unit *unit)
{
    prepare_volumes(unit);
    OK(bundles_import(unit, 1, false, &err));
}

static int forget_bundle(struct unit *unit, struct stl_error *error)
{
    STL_AUTO_VOLUME struct stl_volume volume = STL_VOLUME_INIT;
    return bundles_open(unit, 1, &volume, error) ||
                   stl_import_forget(&unit->registry, &volume.bundle.id, error)
               ? -1
               : 0;
}

/* --- freezing ------------------------------------------------------------------------------------------- */

static int freeze(struct unit *unit, struct stl_error *error)
{
    return stl_freeze(&unit->registry, "moving", error);
}

static void prepare_frozen(struct unit *unit)
{
    OK(content_push_image(&unit->registry, APP, "one", "v1", &err));
    OK(freeze(unit, &err));
}

static int thaw(struct unit *unit, struct stl_error *error)
{
    return stl_thaw(&unit->registry, error) < 0 ? -1 : 0;
}

const struct change changes_of_upkeep[] = {
    {"collecting garbage", prepare_garbage, collect, .later = MONTHS, .lazy = true},
    {"collecting garbage and orphans", prepare_garbage, collect, .later = MONTHS, .lazy = true,
     .settings = orphans},
    {"collecting garbage at once", prepare_garbage, collect_at_once, .later = 60, .lazy = true},
    {"pruning", prepare_tags, prune, .later = MONTHS},
    {"restoring a tag", prepare_trash, restore_tag, .ends = 404},
    {"restoring a manifest", prepare_trash, restore_manifest, .ends = 404},
    {"restoring a repository", prepare_deleted, restore_all, .ends = 404},
    {"a snapshot", prepare_tags, create_snapshot, .ends = 409},
    {"removing a snapshot", prepare_snapshot, remove_snapshot, .ends = 400, .lazy = true},
    {"restoring a snapshot", prepare_changed, restore_snapshot, .settings = NULL},
    {"restoring a repository from a snapshot", prepare_gone, restore_snapshot, .settings = NULL},
    {"repairing", prepare_damage, repair, .damaged = true},
    {"importing a bundle", prepare_bundle, import_bundle, .settings = NULL},
    {"importing a mirror", prepare_mirror, import_mirror, .settings = NULL},
    {"importing volume by volume", prepare_volumes, import_one_by_one, .settings = NULL},
    {"the last volume", prepare_pending, bundles_import_together, .settings = NULL},
    {"giving up an import", prepare_pending, forget_bundle, .ends = 404},
    {"freezing", prepare_tags, freeze, .settings = NULL},
    {"thawing", prepare_frozen, thaw, .settings = NULL},
    {.name = NULL},
};
