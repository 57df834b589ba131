/* What looks at a registry, or changes what is not in repositories, and meets an error (errors.h). */
#include "unit.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "access.h"
#include "bearer.h"
#include "bundles.h"
#include "content.h"
#include "errors.h"
#include "import.h"
#include "listing.h"
#include "project-quota.h"
#include "project-roles.h"
#include "quota.h"
#include "references.h"
#include "replica.h"
#include "repo-create.h"
#include "repos.h"
#include "robot.h"
#include "snapshot.h"
#include "trash.h"
#include "users.h"

static const char settings[] =
    "version: 1\n"
    "access:\n"
    "  - {repository: 'open/**', pull: [anonymous], push: [alice]}\n"
    "projects:\n"
    "  - {name: lib, admin: [boss], quota: {size: 1MB, tags: 9, repositories: 3}}\n"
    "quotas:\n"
    "  - {repository: other, size: 1MB, tags: 9}\n";

static void prepare(struct unit *unit)
{
    static const struct stl_tag gone = {"gone"};
    const struct stl_name name = {"lib/app"};
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
    struct stl_snapshot_size size;
    unit_settings(unit, settings);
    OK(content_push_image(&unit->registry, "lib/app", "one", "v1", &err));
    OK(content_push_image(&unit->registry, "lib/app", "one", "gone", &err));
    OK(content_push_image(&unit->registry, "other", "two", "v1", &err));
    OK(content_push_image(&unit->registry, "open/app", "two", "v1", &err));
    OK(stl_snapshot_create(&unit->registry, "monday", &size, NULL, NULL, &err));
    OK(stl_repo_open(&repo, &unit->registry, &name, &err));
    OK(commit_tags_gone(&repo, &gone, 1, NULL, NULL, &err));
    bundles_prepare(unit, BUNDLES_SMALLER);
    OK(bundles_import(unit, 1, false, &err));
}

/* --- what is done --------------------------------------------------------------------------------------- */

static int open_registry(struct unit *unit, struct stl_buf *told, struct stl_error *error)
{
    STL_AUTO_REGISTRY struct stl_registry registry = STL_REGISTRY_INIT;
    if (stl_registry_open(&registry, unit->registry.path, error))
        return -1;
    stl_buf_printf(told, "%s %zu", registry.path, registry.settings.projects.count);
    return 0;
}

static int make_registry(struct unit *unit, struct stl_buf *told, struct stl_error *error)
{
    STL_AUTO_FREE char *path = stl_sprintf("%s/new", unit->path);
    STL_AUTO_REGISTRY struct stl_registry registry = STL_REGISTRY_INIT;
    int result = stl_registry_make(path, "version: 1\n", "page", error);
    errors_calm();
    if (result == 0) {
        if (unit_exists(unit->fd, "new/reserve")) /* made if there is room */
            OK(stl_tree_remove(unit->fd, "new/reserve", &err));
        struct stl_digest digest = unit_fingerprint(unit->fd, "new");
        stl_buf_printf(told, "%s", unit_digest_text(&digest));
    }
    if (unit_exists(unit->fd, "new"))
        OK(stl_tree_remove(unit->fd, "new", &err));
    return result;
}

static int list_repositories(struct unit *unit, struct stl_buf *told, struct stl_error *error)
{
    STL_AUTO_NAMES struct stl_names names = {0};
    if (stl_repos_list(&unit->registry, &names, error))
        return -1;
    for (size_t i = 0; i < names.count; i++)
        stl_buf_printf(told, "%s ", names.items[i]);
    return 0;
}

static int load_manifest(struct unit *unit, struct stl_buf *told, struct stl_error *error)
{
    const struct stl_name name = {"lib/app"};
    const struct stl_reference v1 = {.tag = {"v1"}};
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
    STL_AUTO_BUF struct stl_buf bytes = STL_BUF_INIT;
    STL_AUTO_MANIFEST struct stl_manifest manifest = {0};
    struct stl_digest digest;
    if (stl_repo_open(&repo, &unit->registry, &name, error) ||
        stl_reference_resolve(&repo, &v1, &digest, error) ||
        stl_manifest_load(&repo, &digest, &bytes, &manifest, error))
        return -1;
    stl_buf_printf(told, "%s %zu", unit_digest_text(&digest), manifest.count);
    return 0;
}

static int look_for_blobs(struct unit *unit, struct stl_buf *told, struct stl_error *error)
{
    const struct stl_name name = {"lib/app"};
    const struct stl_digest blobs[] = {unit_digest("one"), unit_digest("two"), unit_digest("none")};
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
    if (stl_repo_open(&repo, &unit->registry, &name, error))
        return -1;
    for (size_t i = 0; i < 3; i++) {
        int64_t size = 0;
        int in_store = stl_store_has(&unit->registry, &blobs[i], &size, error),
            in_repo = in_store < 0 ? -1 : stl_repo_has_blob(&repo, &blobs[i], &size, error);
        if (in_repo < 0)
            return -1;
        stl_buf_printf(told, "%d %d %d ", in_store, in_repo, (int)size);
    }
    return 0;
}

static int look_at_project(struct unit *unit, struct stl_buf *told, struct stl_error *error)
{
    const struct stl_project *project = stl_projects_find(&unit->registry.settings.projects, "lib");
    struct stl_project_use use;
    struct stl_project_comparison found;
    if (stl_project_look(&unit->registry, project, &use, error) ||
        stl_project_compare(&unit->registry, project, &found, error))
        return -1;
    for (size_t i = 0; i < STL_PROJECT_AMOUNTS; i++)
        stl_buf_printf(told, "%d %d ", (int)use.amounts[i], (int)found.least.amounts[i]);
    return 0; /* a count that cannot be read is none */
}

static int count_project(struct unit *unit, struct stl_buf *told, struct stl_error *error)
{
    const struct stl_project *project = stl_projects_find(&unit->registry.settings.projects, "lib");
    struct stl_project_comparison found;
    if (stl_project_has_room(&unit->registry, project, STL_PROJECT_TAGS, 8, error) ||
        stl_project_recount(&unit->registry, project, error))
        return -1;
    errors_calm();
    OK(stl_project_compare(&unit->registry, project, &found, &err));
    for (size_t i = 0; i < STL_PROJECT_AMOUNTS; i++)
        stl_buf_printf(told, "%d ", (int)found.count.amounts[i]);
    return 0;
}

static int look_at_quota(struct unit *unit, struct stl_buf *told, struct stl_error *error)
{
    const struct stl_name name = {"other"};
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
    int64_t left, tags, bytes;
    if (stl_repo_open(&repo, &unit->registry, &name, error) ||
        stl_quota_left(&unit->registry, &name, &left, error) || stl_quota_used(&repo, &tags, &bytes, error))
        return -1;
    stl_buf_printf(told, "%d %d %d", (int)left, (int)tags, (int)bytes);
    return 0;
}

static int tell_trashed(void *context, const struct stl_trash_item *item, struct stl_error *error)
{
    (void)error;
    stl_buf_printf(context, "%s:%s ", item->name.text, item->tag.text);
    return 0;
}

static int list_trash(struct unit *unit, struct stl_buf *told, struct stl_error *error)
{
    return stl_trash_each(&unit->registry, NULL, tell_trashed, told, error);
}

static int tell_tag(void *context, const struct stl_name *name, const struct stl_tag *tag,
                    const struct stl_digest *digest, struct stl_error *error)
{
    (void)error;
    stl_buf_printf(context, "%s:%s@%s ", name->text, tag->text, unit_digest_text(digest));
    return 0;
}

static int look_at_snapshot(struct unit *unit, struct stl_buf *told, struct stl_error *error)
{
    STL_AUTO_NAMES struct stl_names names = {0}, inner = {0};
    struct stl_snapshot_size size;
    const struct stl_name name = {"lib/app"};
    time_t made;
    if (stl_snapshot_list(&unit->registry, &names, error) ||
        stl_snapshot_look(&unit->registry, "monday", &made, &size, error) ||
        stl_snapshot_names(&unit->registry, "monday", &inner, error) ||
        stl_snapshot_tags(&unit->registry, "monday", &name, tell_tag, told, error))
        return -1;
    stl_buf_printf(told, "%zu %zu %d %d %d", names.count, inner.count, (int)size.repositories, (int)size.tags,
                   (int)size.manifests);
    return 0;
}

static int use_tokens(struct unit *unit, struct stl_buf *told, struct stl_error *error)
{
    struct stl_identity who = STL_IDENTITY_ANONYMOUS, found;
    struct stl_grant grant = {"lib/app", 1u << STL_PULL};
    char token[STL_BEARER_TEXT];
    int64_t expires;
    snprintf(who.user, sizeof who.user, "alice");
    if (stl_bearer_issue(&unit->registry, &who, &grant, 1, true, token, &expires, error))
        return -1;
    int result = stl_bearer_find(&unit->registry, token, &found, error);
    if (result > 0) {
        stl_buf_printf(told, "%s %zu", found.user, found.grant_count);
        result = stl_bearer_open(&unit->registry, token, &found, "lib/app", error);
        stl_identity_clear(&found);
    } else if (result == 0)
        stl_buf_printf(told, "none");
    if (result < 0 || stl_bearer_use_once(&unit->registry, token, time(NULL) + 100, error) < 0 ||
        stl_bearer_revoke(&unit->registry, "alice", error))
        return -1;
    errors_calm();
    stl_buf_printf(told, " %d", stl_bearer_find(&unit->registry, token, &found, &err));
    return 0;
}

static int tell_robot(void *context, const struct stl_robot *robot, struct stl_error *error)
{
    (void)error;
    stl_buf_printf(context, "%s of %s ", robot->name, robot->user);
    return 0;
}

static int use_robots(struct unit *unit, struct stl_buf *told, struct stl_error *error)
{
    struct stl_robot robot = {.user = "alice", .name = "ci", .repository = "**", .actions = 1}, found;
    char token[STL_ROBOT_TOKEN];
    size_t removed = 0;
    if (stl_robot_create(&unit->registry, &robot, token, error))
        return -1;
    int there = stl_robot_find(&unit->registry, token, &found, error);
    int result = there < 0 ? -1 : stl_robot_each(&unit->registry, tell_robot, told, error);
    if (result || stl_robot_remove_user(&unit->registry, "alice", &removed, error)) {
        errors_calm();
        OK(stl_robot_remove_user(&unit->registry, "alice", &removed, &err));
        return -1;
    }
    stl_buf_printf(told, "%d %zu", there, removed);
    return 0;
}

static int use_roles(struct unit *unit, struct stl_buf *told, struct stl_error *error)
{
    const struct stl_project *project = stl_projects_find(&unit->registry.settings.projects, "lib");
    if (stl_project_members_set(&unit->registry, project, "carol", "guest", error))
        return -1;
    STL_AUTO_JSON struct json_object *members = stl_project_members_read(&unit->registry, project, error);
    if (!members || stl_project_members_set(&unit->registry, project, "carol", NULL, error))
        return -1;
    stl_buf_printf(told, "%s", stl_json_text(members));
    return 0;
}

static int mark_public(struct unit *unit, struct stl_buf *told, struct stl_error *error)
{
    if (stl_access_apply(&unit->registry, error))
        return -1;
    errors_calm();
    stl_buf_printf(told, "%d %d", unit_exists(unit->registry.root.fd, "auth/public/open/app/_ok"),
                   unit_exists(unit->registry.root.fd, "auth/public/other/_ok"));
    return 0;
}

static size_t trashed_before; /* tags of the repository "doomed" */

/* That repository with an image that has two tags. */
static void push_doomed(struct unit *unit)
{
    bool has_trash = unit_exists(unit->registry.root.fd, "trash/tags/doomed");
    trashed_before = has_trash ? unit_count(unit->registry.root.fd, "trash/tags/doomed") : 0;
    OK(content_push_image(&unit->registry, "doomed", "doomed", "v1", &err));
    OK(content_push_image(&unit->registry, "doomed", "doomed", "v2", &err));
}

static int delete_manifest(struct unit *unit, struct stl_buf *told, struct stl_error *error)
{
    const struct stl_name name = {"doomed"};
    const struct stl_digest digest = content_digest("doomed");
    static const struct stl_tag tags[] = {{"v1"}, {"v2"}};
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
    struct stl_media_type type;
    if (stl_repo_open(&repo, &unit->registry, &name, error))
        return -1;
    int result = commit_manifest_gone(&repo, &digest, NULL, NULL, error);
    errors_calm();
    bool is_there = stl_manifest_type(&repo, &digest, &type, &err) == 0;
    for (size_t i = 0; i < 2; i++) {
        struct stl_digest found;
        if (!is_there && stl_tag_resolve(&repo, &tags[i], &found, &err) == 0)
            fail_msg("a tag leads nowhere: %s", tags[i].text);
    }
    stl_error_clear(&err);
    stl_buf_printf(told, "%d %d", is_there, stl_catalog_has(&unit->registry, &name));
    return result;
}

static int delete_repository(struct unit *unit, struct stl_buf *told, struct stl_error *error)
{
    const struct stl_name name = {"doomed"};
    int result = stl_repo_delete(&unit->registry, &name, NULL, error);
    errors_calm();
    size_t trashed = unit_count(unit->registry.root.fd, "trash/tags/doomed");
    stl_buf_printf(told, "%d", trashed >= trashed_before + 2); /* more, where it was tried again */
    return result;
}

static int report(struct unit *unit, const struct stl_name *name, struct stl_buf *told,
                  struct stl_error *error)
{
    STL_AUTO_JSON struct json_object *object = stl_repo_report(&unit->registry, name, true, error);
    if (!object)
        return -1;
    json_object_object_del(object, "created");
    stl_buf_printf(told, "%s\n", stl_json_text(object));
    return 0;
}

static int create_repository(struct unit *unit, struct stl_buf *told, struct stl_error *error)
{
    const struct stl_name name = {"made"};
    const struct stl_about_change first = {"What it is for", STL_VISIBILITY_PRIVATE},
                                  second = {"What else", STL_VISIBILITY_PRIVATE};
    int result = stl_repo_create(&unit->registry, &name, &first, NULL, error);
    bool is_made = result == 0;
    if (result || report(unit, &name, told, error) ||
        stl_repo_set_about(&unit->registry, &name, &second, NULL, error) || report(unit, &name, told, error))
        result = -1;
    errors_calm();
    if (!is_made) /* the same call completes it */
        stl_repo_create(&unit->registry, &name, &first, NULL, &err);
    stl_error_clear(&err);
    OK(stl_repo_delete(&unit->registry, &name, NULL, &err));
    return result;
}

static int push_image(struct unit *unit, struct stl_buf *told, struct stl_error *error)
{
    const struct stl_name name = {"pushed"};
    const struct stl_digest digest = content_digest("pushed");
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
    struct stl_tag v1 = {"v1"};
    struct stl_digest found = {0};
    int result = content_push_image(&unit->registry, "pushed", "pushed", "v1", error);
    errors_calm();
    if (result) /* once more is enough */
        OK(content_push_image(&unit->registry, "pushed", "pushed", "v1", &err));
    OK(stl_repo_open(&repo, &unit->registry, &name, &err));
    OK(stl_tag_resolve(&repo, &v1, &found, &err));
    STL_AUTO_FREE char *list = unit_read(repo.fd, "tags/list"), *bytes = unit_read(repo.fd, "manifests/v1");
    stl_buf_printf(told, "%d %s %s", stl_digest_equal(&found, &digest), list,
                   bytes ? bytes : "without bytes");
    OK(stl_repo_delete(&unit->registry, &name, NULL, &err));
    return result;
}

static int take_replica(struct unit *unit, struct stl_buf *told, struct stl_error *error)
{
    STL_AUTO_REPLICA struct stl_replica replica = STL_REPLICA_INIT;
    int result = stl_replica_take(&replica, &unit->registry, error);
    errors_calm(); /* whoever sweeps tmp/ finishes what cannot be removed */
    stl_buf_printf(told, "%d %d %d %d", (int)replica.repositories, (int)replica.manifests, (int)replica.tags,
                   (int)replica.blobs);
    return result;
}

static int note_pending(void *context, const struct stl_import_report *status, struct stl_error *error)
{
    (void)error;
    stl_buf_printf(context, "%zu wait for", status->image_count);
    for (size_t i = 0; i < status->missing_count; i++)
        stl_buf_printf(context, " %u: %llu", status->missing[i].volume,
                       (unsigned long long)status->missing[i].blobs);
    return 0;
}

static int look_at_import(struct unit *unit, struct stl_buf *told, struct stl_error *error)
{
    return stl_import_status(&unit->registry, note_pending, told, error);
}

/* --- each call fails ------------------------------------------------------------------------------------ */

static const struct stl_name listed = {"listed"};

static int list_it(struct unit *unit, struct stl_error *error)
{
    STL_AUTO_LISTING_CHANGE struct stl_listing_change change = STL_LISTING_CHANGE_INIT;
    return stl_catalog_prepare(&unit->registry, &listed, &change, error) || stl_listing_commit(&change, error)
               ? -1
               : 0;
}

/* Its writer died before it was durable. */
static void leave_catalog(struct unit *unit)
{
    OK(list_it(unit, &err));
    assert_int_equal(fchmodat(unit->registry.root.fd, "www/v2/_catalog", 0644 | S_ISVTX, 0), 0);
}

static int rely_on_catalog(struct unit *unit, struct stl_buf *told, struct stl_error *error)
{
    int result = list_it(unit, error);
    errors_calm();
    stl_buf_printf(told, "%d", stl_catalog_is_settled(&unit->registry, &listed));
    OK(stl_catalog_remove(&unit->registry, &listed, &err));
    return result;
}

static const struct errors_op ops[] = {
    {.name = "opening a registry", .operate = open_registry},
    {.name = "making a registry", .operate = make_registry},
    {.name = "listing repositories", .operate = list_repositories},
    {.name = "loading a manifest", .operate = load_manifest},
    {.name = "looking for blobs", .operate = look_for_blobs},
    {.name = "looking at a project", .operate = look_at_project},
    {.name = "counting a project", .operate = count_project},
    {.name = "looking at a quota", .operate = look_at_quota},
    {.name = "listing the trash", .operate = list_trash},
    {.name = "looking at a snapshot", .operate = look_at_snapshot},
    {.name = "tokens", .operate = use_tokens},
    {.name = "robots", .operate = use_robots},
    {.name = "roles", .operate = use_roles},
    {.name = "marking what is public", .operate = mark_public},
    {.name = "deleting a manifest", .operate = delete_manifest, .prepare = push_doomed},
    {.name = "deleting a repository", .operate = delete_repository, .prepare = push_doomed},
    {.name = "creating a repository", .operate = create_repository},
    {.name = "pushing an image", .operate = push_image},
    {.name = "relying on a catalog", .operate = rely_on_catalog, .prepare = leave_catalog},
    {.name = "taking a replica", .operate = take_replica},
    {.name = "looking at an import", .operate = look_at_import}};

int main(void)
{
    return errors_run(prepare, ops, sizeof ops / sizeof *ops);
}
