#include "repo-create.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "access.h"
#include "details.h"
#include "event.h"
#include "listing.h"
#include "nesting.h"
#include "repo-make.h"

static int check_new_repository(const struct stl_registry *registry, const struct stl_name *name,
                                const struct stl_about_change *change, struct stl_error *err)
{
    if (change->description && stl_description_check(change->description, err))
        return -1;
    return change->visibility == STL_VISIBILITY_KEEP
               ? 0
               : stl_access_check_visibility(registry, name, change->visibility == STL_VISIBILITY_PUBLIC,
                                             err);
}

static void tell_event(const struct stl_repo *repo, const char *action)
{
    struct stl_event event = {.action = action, .repository = repo->name.text, .size = -1};
    stl_event_write(repo->registry, &event, repo->actor);
}

/* A damaged document is replaced. The caller holds STL_LOCK_LISTS. */
static int apply(const struct stl_repo *repo, const struct stl_about_change *change, struct stl_error *err)
{
    struct stl_about about;
    if (stl_about_read(repo->fd, &about, err) < 0 && err->code != STL_DAMAGED)
        return -1;
    stl_error_clear(err);
    bool was_public = about.is_public;
    if (!about.created)
        about.created = time(NULL);
    if (change->visibility != STL_VISIBILITY_KEEP)
        about.is_public = change->visibility == STL_VISIBILITY_PUBLIC;
    if (change->description)
        snprintf(about.description, sizeof about.description, "%s", change->description);
    if (stl_access_set_about(repo, &about, err))
        return -1;
    if (about.is_public != was_public)
        tell_event(repo, about.is_public ? "make-public" : "make-private");
    if (change->description)
        tell_event(repo, "describe");
    return 0;
}

/* Makes the lists that name it, unless they exist. */
static int list_repository(const struct stl_repo *repo, struct stl_error *err)
{
    STL_AUTO_LISTING_CHANGE struct stl_listing_change tags = STL_LISTING_CHANGE_INIT;
    STL_AUTO_LISTING_CHANGE struct stl_listing_change catalog = STL_LISTING_CHANGE_INIT;
    const struct stl_registry *registry = repo->registry;
    STL_AUTO_CLOSE int folder = stl_dir_open(repo->fd, STL_REPO_TAGS, err);
    if (folder < 0 || stl_listing_prepare(&registry->root, folder, &repo->name, NULL, 0, &tags, err) < 0 ||
        stl_listing_commit(&tags, err) || stl_catalog_prepare(registry, &repo->name, &catalog, err))
        return -1;
    return stl_listing_commit(&catalog, err);
}

int stl_repo_create(const struct stl_registry *registry, const struct stl_name *name,
                    const struct stl_about_change *change, const struct stl_actor *actor,
                    struct stl_error *err)
{
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
    if (check_new_repository(registry, name, change, err) || stl_repo_make(&repo, registry, name, err))
        return -1;
    repo.actor = actor;
    STL_AUTO_CLOSE int lists = stl_registry_lock(registry, STL_LOCK_LISTS, name, true, err);
    if (lists < 0 || stl_nesting_check_list(repo.fd, name, err))
        return -1;
    if (stl_catalog_has(registry, name))
        return stl_error_set(err, STL_CONFLICT,
                             "repository '%s' exists: 'stillage repo set' changes its description and "
                             "visibility",
                             name->text);
    if (apply(&repo, change, err) || list_repository(&repo, err))
        return -1;
    stl_details_described(&repo);
    tell_event(&repo, "create");
    return 0;
}

int stl_repo_set_about(const struct stl_registry *registry, const struct stl_name *name,
                       const struct stl_about_change *change, const struct stl_actor *actor,
                       struct stl_error *err)
{
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
    if (check_new_repository(registry, name, change, err) || stl_repo_open(&repo, registry, name, err))
        return -1;
    repo.actor = actor;
    STL_AUTO_CLOSE int lists = stl_registry_lock(registry, STL_LOCK_LISTS, name, true, err);
    if (lists < 0 || apply(&repo, change, err) || list_repository(&repo, err))
        return -1;
    stl_details_described(&repo);
    return 0;
}
