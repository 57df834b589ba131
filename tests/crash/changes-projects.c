/* Changes in a project with quotas: what is counted. */
#include "crash.h"

#include <string.h>

#include "blobs.h"
#include "content.h"
#include "project-quota.h"
#include "publication.h"
#include "repo-make.h"

#define APP "lib/app"
/* Room for all that the changes need; and for no more than what the first of two images has. */
static const char wide[] = "projects:\n"
                           "  - {name: lib, developer: [anonymous],\n"
                           "     quota: {size: 10MB, tags: 100, repositories: 10}}\n",
                  narrow[] = "projects:\n"
                             "  - {name: lib, developer: [anonymous],\n"
                             "     quota: {size: 100, tags: 1, repositories: 1}}\n";

static int open_repository(struct unit *unit, const char *text, struct stl_repo *repo,
                           struct stl_error *error)
{
    const struct stl_name name = unit_name(text);
    return stl_repo_open(repo, &unit->registry, &name, error);
}

static void prepare_nothing(struct unit *unit)
{
    (void)unit;
}

static void prepare_one(struct unit *unit)
{
    OK(content_push_image(&unit->registry, APP, "one", "v1", &err));
}

static void prepare_two(struct unit *unit)
{
    prepare_one(unit);
    OK(content_push_image(&unit->registry, APP, "two", "v2", &err));
}

static void prepare_blob(struct unit *unit)
{
    prepare_one(unit);
    OK(content_push_blob(&unit->registry, APP, "a blob without an image", &err));
}

static int push_two(struct unit *unit, struct stl_error *error)
{
    return content_push_image(&unit->registry, APP, "two", "v2", error);
}

static int push_elsewhere(struct unit *unit, struct stl_error *error)
{
    return content_push_image(&unit->registry, "lib/more", "one", "v1", error);
}

static int delete_blob(struct unit *unit, struct stl_error *error)
{
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
    const struct stl_digest digest = unit_digest("a blob without an image");
    return open_repository(unit, APP, &repo, error) || stl_repo_delete_blob(&repo, &digest, error) ? -1 : 0;
}

static int delete_tag(struct unit *unit, struct stl_error *error)
{
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
    const struct stl_tag tag = unit_tag("v1");
    return open_repository(unit, APP, &repo, error) || commit_tags_gone(&repo, &tag, 1, NULL, NULL, error)
               ? -1
               : 0;
}

static int delete_repository(struct unit *unit, struct stl_error *error)
{
    const struct stl_name name = {APP};
    return stl_repo_delete(&unit->registry, &name, NULL, error);
}

/* What was removed is still counted. */
static void prepare_less(struct unit *unit)
{
    prepare_blob(unit);
    OK(delete_blob(unit, &err));
    OK(delete_tag(unit, &err));
}

static int count_anew(struct unit *unit, struct stl_error *error)
{
    return stl_project_recount(&unit->registry, &unit->registry.settings.projects.items[0], error);
}

/* The only repository makes room for another. */
static void prepare_full(struct unit *unit)
{
    prepare_one(unit);
    OK(delete_repository(unit, &err));
}

static int replace_tags(struct unit *unit, struct stl_error *error)
{
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
    STL_AUTO_PUBLICATION struct stl_publication publication = STL_PUBLICATION_INIT;
    const struct stl_tag tags[] = {unit_tag("v2"), unit_tag("v3"), unit_tag("v4")};
    const struct stl_digest digest = content_digest("one");
    struct stl_publication_replaced replaced;
    if (open_repository(unit, APP, &repo, error))
        return -1;
    stl_publication_begin(&publication, &repo);
    for (size_t i = 0; i < sizeof tags / sizeof *tags; i++)
        stl_publication_set_tag(&publication, &tags[i], &digest, false);
    return stl_publication_replace(&publication, false, &replaced, error);
}

const struct change changes_in_projects[] = {
    {"the first push into a project", prepare_nothing, push_two, .settings = wide},
    {"a push into a project", prepare_one, push_two, .settings = wide, .sets_tags = true},
    {"a push into a second repository of a project", prepare_one, push_elsewhere, .settings = wide},
    {"a push into a project that has become empty", prepare_full, push_elsewhere, .settings = narrow},
    {"deleting a blob of a project", prepare_blob, delete_blob, .ends = 404, .settings = wide},
    {"deleting a tag of a project", prepare_one, delete_tag, .ends = 404, .settings = wide},
    {"deleting a repository of a project", prepare_one, delete_repository, .ends = 404, .settings = wide},
    {"counting a project anew", prepare_less, count_anew, .settings = wide},
    {"other tags in a project", prepare_two, replace_tags, .settings = wide},
    {.name = NULL},
};
