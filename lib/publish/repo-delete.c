/* Deleting a whole repository. */
#include "publication.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "access.h"
#include "consent.h"
#include "details.h"
#include "event.h"
#include "listing.h"
#include "nesting.h"
#include "project-quota.h"
#include "references.h"
#include "trash.h"

/* Called for each link in manifests/: checks that a tag may be deleted with its repository. */
static int check_tag_may_go(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    const struct stl_repo *repo = context;
    struct stl_error ignored = STL_ERROR_INIT;
    struct stl_digest digest;
    struct stl_tag tag;
    size_t added = 0;
    (void)type;
    if (stl_tag_parse(name, &tag, &ignored) || stl_tag_resolve(repo, &tag, &digest, &ignored))
        return 0;
    return stl_may_change_tag(repo, &tag, &digest, NULL, NULL, NULL, &added, err);
}

/* A killed deletion may have removed manifests/ already. */
static int check_tags_may_go(const struct stl_repo *repo, struct stl_error *err)
{
    return stl_dir_each_file_if_any(repo->fd, STL_REPO_LINKS, check_tag_may_go, (void *)repo, err);
}

/* Whether the folder has anything that only a repository has; otherwise it only leads to nested ones. */
static bool has_own(const struct stl_repo *repo)
{
    for (const struct stl_repo_folder *folder = stl_repo_folders;
         folder < stl_repo_folders + STL_REPO_FOLDERS; folder++)
        if (folder->own ? faccessat(repo->fd, folder->name, F_OK, AT_SYMLINK_NOFOLLOW) == 0
                        : !stl_dir_has_no_file(repo->fd, folder->name))
            return true;
    return false;
}

/* Like stl_repo_open(), but also opens what a killed deletion has left behind. */
static int open_remains(struct stl_repo *repo, const struct stl_registry *registry,
                        const struct stl_name *name, struct stl_error *err)
{
    struct stl_error ignored = STL_ERROR_INIT;
    if (stl_repo_open(repo, registry, name, err) == 0)
        return 0;
    if (err->code != STL_NAME_UNKNOWN || stl_repo_open_folder(repo, registry, name, &ignored) <= 0 ||
        !has_own(repo))
        return -1;
    stl_error_clear(err);
    return 0;
}

struct unlinking {
    const struct stl_repo *repo;
    bool digests; /* otherwise tags */
};

static int unlink_reference(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    const struct unlinking *unlinking = context;
    char path[STL_PATH_MAX];
    (void)type;
    if (unlinking->digests != (strchr(name, ':') != NULL))
        return 0;
    return unlinkat(unlinking->repo->fd, stl_path_reference(name, path), 0) && errno != ENOENT
               ? stl_error_errno(err, "cannot remove %s", path)
               : 0;
}

/* For nested repositories in manifests/. The tags are removed first: none may lead to a digest that is
 * gone. */
static int unlink_all(const struct stl_repo *repo, struct stl_error *err)
{
    struct unlinking tags = {repo, false}, digests = {repo, true};
    if (stl_dir_each_file(repo->fd, STL_REPO_LINKS, unlink_reference, &tags, err))
        return -1;
    if (stl_repo_sync_folder(repo, STL_REPO_LINKS, err))
        return -1;
    if (stl_dir_each_file(repo->fd, STL_REPO_LINKS, unlink_reference, &digests, err))
        return -1;
    if (stl_repo_sync_folder(repo, STL_REPO_LINKS, err))
        return -1;
    return 0;
}

/* All at once: if links went one by one, readers could find a tag whose manifest, or a part of it, has lost
 * its link. */
static int remove_links(const struct stl_repo *repo, struct stl_error *err)
{
    __attribute__((cleanup(stl_stage_end))) struct stl_stage stage = STL_STAGE_INIT;
    if (stl_nesting_has_nested(repo->fd, STL_REPO_LINKS))
        return unlink_all(repo, err);
    if (stl_stage_take_away(&repo->registry->root, repo->fd, STL_REPO_LINKS, &stage, err)) {
        if (err->sys_errno != ENOENT)
            return stl_error_context(err, "%s", repo->name.text);
        stl_error_clear(err);
    }
    return stl_dir_sync(repo->fd, err);
}

/* Before tags/ goes, so that nothing is public that is pushed under this name later. */
static int forget_about(const struct stl_repo *repo, struct stl_error *err)
{
    if (!stl_about_exists(repo->fd))
        return 0;
    if (stl_access_set_about(repo, NULL, err))
        return -1;
    stl_details_described(repo);
    return 0;
}

/* Deleting tag by tag would show readers a shrinking repository. So tags/, without which it is not a
 * repository, is removed first, then the links, then what they led to. Folders in which other repositories
 * nest are kept. */
static int delete_repository(const struct stl_registry *registry, const struct stl_name *name,
                             const struct stl_actor *actor, struct stl_error *err)
{
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
    struct stl_error ignored = STL_ERROR_INIT;
    if (open_remains(&repo, registry, name, err)) {
        if (err->code == STL_NAME_UNKNOWN)
            stl_repo_remove_folders(registry, name, &ignored);
        return -1;
    }
    repo.actor = actor;
    STL_AUTO_CLOSE int content = stl_registry_lock(registry, STL_LOCK_CONTENT, name, true, err);
    STL_AUTO_CLOSE int lists =
        content < 0 ? -1 : stl_registry_lock(registry, STL_LOCK_LISTS, name, true, err);
    if (lists >= 0 && !has_own(&repo))
        return stl_error_set(err, STL_NAME_UNKNOWN, "repository '%s' was deleted meanwhile", name->text);
    if (lists < 0 || check_tags_may_go(&repo, err))
        return -1;
    if (stl_catalog_remove(registry, name, err))
        return -1;
    if (stl_trash_all_tags(&repo, err))
        return -1;
    if (forget_about(&repo, err))
        return -1;
    static const char *const visible[] = {STL_REPO_TAGS, STL_REPO_REFS, STL_REPO_REFERRERS};
    for (size_t i = 0; i < sizeof visible / sizeof *visible; i++)
        if (stl_repo_remove_folder(&repo, visible[i], err) || stl_dir_sync(repo.fd, err))
            return -1;
    if (remove_links(&repo, err) || stl_trash_content(&repo, err))
        return -1;
    /* A push that begins now waits in stl_repo_make(), and then finds all folders gone, not just some. One
     * that has already begun may be waiting for us, so this does not wait for it. */
    STL_AUTO_CLOSE int pushes = stl_registry_lock_within(registry, STL_LOCK_REPOSITORY, name, 0, &ignored);
    if (stl_repo_unmake(&repo, err))
        return -1;
    stl_event_delete(&repo, NULL, NULL);
    stl_project_note_less(registry, name);
    return 0;
}

int stl_repo_delete(const struct stl_registry *registry, const struct stl_name *name,
                    const struct stl_actor *actor, struct stl_error *err)
{
    STL_AUTO_LOAN struct stl_reserve_loan loan = stl_reserve_borrow(registry);
    while (delete_repository(registry, name, actor, err))
        if (!stl_reserve_use(registry, err))
            return -1;
    return 0;
}
