#include "consent.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "digestset.h"
#include "hook.h"
#include "nesting.h"
#include "project-quota.h"
#include "quota.h"
#include "references.h"

/* --- tags ----------------------------------------------------------------------------------------------- */

static bool is_immutable(const struct stl_repo *repo, const struct stl_tag *tag)
{
    return stl_limits_is_immutable(&repo->registry->settings.limits, repo->name.text, tag->text);
}

static int check_project_tags(const struct stl_repo *repo, size_t added, struct stl_error *err)
{
    const struct stl_project *project = stl_project_with_quota(repo->registry, &repo->name, STL_PROJECT_TAGS);
    return project ? stl_project_has_room(repo->registry, project, STL_PROJECT_TAGS, (int64_t)added, err) : 0;
}

int stl_may_change_tag(const struct stl_repo *repo, const struct stl_tag *tag,
                       const struct stl_digest *current, const struct stl_digest *wanted,
                       stl_tag_guard *guard, void *guard_context, size_t *added, struct stl_error *err)
{
    char text[STL_DIGEST_TEXT_MAX];
    if (!current && wanted &&
        (stl_quota_check_tag(repo, tag, added, err) || check_project_tags(repo, *added, err)))
        return -1;
    if (current && !(wanted && stl_digest_equal(current, wanted)) && is_immutable(repo, tag))
        return stl_error_set(err, STL_DENIED, "tag '%s' of repository '%s' is immutable: it stays at %s",
                             tag->text, repo->name.text, stl_digest_format(current, text));
    return guard ? guard(guard_context, repo, tag, current, wanted, err) : 0;
}

int stl_may_set_tags(const struct stl_repo *repo, struct stl_tagging *set, size_t count, stl_tag_guard *guard,
                     void *guard_context, size_t *added, struct stl_error *err)
{
    *added = 0;
    for (size_t i = 0; i < count; i++) {
        int exists = stl_tag_look(repo, &set[i].tag, &set[i].old, err);
        set[i].existed = exists > 0;
        if (exists < 0 || stl_may_change_tag(repo, &set[i].tag, exists ? &set[i].old : NULL, &set[i].digest,
                                             guard, guard_context, added, err))
            return -1;
    }
    return 0;
}

/* A project has one lock for all its repositories. */
static int lock_project(const struct stl_registry *registry, const struct stl_project *project,
                        struct stl_error *err)
{
    const struct stl_name locked = stl_project_lock_name(project);
    return stl_registry_lock(registry, STL_LOCK_QUOTA, &locked, true, err);
}

int stl_may_add_tags(const struct stl_repo *repo, size_t added, int *lock, struct stl_error *err)
{
    const struct stl_registry *registry = repo->registry;
    const struct stl_project *project = stl_project_with_quota(registry, &repo->name, STL_PROJECT_TAGS);
    *lock = -1;
    if (!added || !project)
        return 0;
    *lock = lock_project(registry, project, err);
    return *lock < 0 ? -1 : stl_project_count(registry, project, STL_PROJECT_TAGS, (int64_t)added, err);
}

/* --- repositories --------------------------------------------------------------------------------------- */

/* An incomplete repository has been counted already (stl_repos_list() lists it, too), and another process may
 * have made it while we waited. */
int stl_may_make_repository(const struct stl_registry *registry, const struct stl_name *name, int *lock,
                            struct stl_error *err)
{
    STL_AUTO_REPO struct stl_repo made = STL_REPO_INIT;
    const struct stl_project *project = stl_project_with_quota(registry, name, STL_PROJECT_REPOSITORIES);
    *lock = -1;
    if (!project)
        return 0;
    *lock = lock_project(registry, project, err);
    int found = *lock < 0 ? -1 : stl_repo_open_folder(&made, registry, name, err);
    if (found > 0 && faccessat(made.fd, STL_REPO_MANIFESTS, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        return 0;
    return found < 0 ? -1 : stl_project_count(registry, project, STL_PROJECT_REPOSITORIES, 1, err);
}

/* --- the hook ------------------------------------------------------------------------------------------- */

int stl_may_publish(const struct stl_repo *repo, const struct stl_manifest *manifest,
                    const struct stl_tag *tags, size_t tag_count, struct stl_error *err)
{
    return stl_hook_before(repo, manifest, tags, tag_count, err);
}

static int ask_about(const struct stl_repo *repo, const struct stl_digest *digest, const struct stl_tag *tags,
                     size_t count, struct stl_error *err)
{
    STL_AUTO_BUF struct stl_buf bytes = STL_BUF_INIT;
    STL_AUTO_MANIFEST struct stl_manifest manifest = {0};
    return stl_manifest_load(repo, digest, &bytes, &manifest, err) ||
                   stl_may_publish(repo, &manifest, tags, count, err)
               ? -1
               : 0;
}

int stl_may_tag(const struct stl_repo *repo, struct stl_tagging *set, size_t count, struct stl_error *err)
{
    if (!stl_hook_has_before(repo))
        return 0;
    STL_AUTO_FREE struct stl_tag *tags = stl_alloc(count * sizeof *tags);
    for (size_t i = 0; i < count; i++) {
        size_t found = 0;
        if (set[i].asked || set[i].repeated)
            continue;
        for (size_t k = i; k < count; k++)
            if (!set[k].asked && !set[k].repeated && stl_digest_equal(&set[k].digest, &set[i].digest)) {
                tags[found++] = set[k].tag;
                set[k].asked = true;
            }
        if (ask_about(repo, &set[i].digest, tags, found, err))
            return -1;
    }
    return 0;
}

/* --- blobs ---------------------------------------------------------------------------------------------- */

/* The result is exact, because blobs are added one at a time where there is a quota. */
int stl_may_hold_blob(const struct stl_repo *repo, const struct stl_digest *digest, int64_t size, int *lock,
                      struct stl_error *err)
{
    int64_t left;
    *lock = -1;
    const struct stl_project *project = stl_project_with_quota(repo->registry, &repo->name, STL_PROJECT_SIZE);
    if (stl_quota_left(repo->registry, &repo->name, &left, err))
        return -1;
    if (left == INT64_MAX && !project)
        return 0;
    *lock = project ? lock_project(repo->registry, project, err)
                    : stl_registry_lock(repo->registry, STL_LOCK_QUOTA, &repo->name, true, err);
    int known = *lock < 0 ? -1 : stl_repo_has_blob(repo, digest, NULL, err);
    if (known < 0 || (!known && stl_quota_left(repo->registry, &repo->name, &left, err)))
        return -1;
    if (!known && size > left)
        return stl_quota_exceeded(&repo->name, size, left, err);
    return !known && project ? stl_project_count_blob(repo->registry, project, digest, size, err) : 0;
}

/* --- deleting ------------------------------------------------------------------------------------------- */

/* A walk from immutable tags to everything they lead to, each once. */
struct reference_search {
    const struct stl_repo *repo;
    struct stl_digestset wanted, seen;
    struct stl_digest *open; /* not yet visited */
    size_t open_count;
    bool found;
    struct stl_digest which; /* the wanted one that was found */
};

static void search_clear(struct reference_search *search)
{
    stl_digestset_clear(&search->wanted);
    stl_digestset_clear(&search->seen);
    free(search->open);
}

static void reach(struct reference_search *search, const struct stl_digest *digest, bool is_manifest)
{
    size_t number;
    if (!stl_digestset_add(&search->seen, digest, &number))
        return;
    if (stl_digestset_find(&search->wanted, digest, &number)) {
        search->found = true;
        search->which = *digest;
    }
    if (!is_manifest)
        return;
    stl_grow(search->open, search->open_count);
    search->open[search->open_count++] = *digest;
}

/* A missing manifest leads nowhere: a child that was never pushed, or a blob in a build cache's index. */
static int look_into(struct reference_search *search, const struct stl_digest *digest, struct stl_error *err)
{
    STL_AUTO_BUF struct stl_buf bytes = STL_BUF_INIT;
    STL_AUTO_MANIFEST struct stl_manifest manifest = {0};
    if (stl_manifest_load(search->repo, digest, &bytes, &manifest, err)) {
        if (err->code != STL_MANIFEST_UNKNOWN)
            return -1;
        stl_error_clear(err);
        return 0;
    }
    for (size_t i = 0; i < manifest.count; i++)
        reach(search, &manifest.descriptors[i].digest, manifest.descriptors[i].role == STL_ROLE_MANIFEST);
    return 0;
}

/* For stl_dir_each() over manifests/: stops where the digest is found. */
static int search_tag(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    struct reference_search *search = context;
    struct stl_error ignored = STL_ERROR_INIT;
    struct stl_digest digest;
    struct stl_tag tag;
    (void)type;
    if (stl_tag_parse(name, &tag, &ignored) || !is_immutable(search->repo, &tag) ||
        stl_tag_resolve(search->repo, &tag, &digest, &ignored))
        return 0;
    reach(search, &digest, true);
    while (search->open_count && !search->found) {
        digest = search->open[--search->open_count];
        if (look_into(search, &digest, err))
            return -1;
    }
    char text[STL_DIGEST_TEXT_MAX];
    return search->found
               ? stl_error_set(err, STL_DENIED,
                               "tag '%s' of repository '%s' is immutable and needs %s: it stays", tag.text,
                               search->repo->name.text, stl_digest_format(&search->which, text))
               : 0;
}

int stl_may_lose(const struct stl_repo *repo, const struct stl_digest *digests, size_t count,
                 struct stl_error *err)
{
    __attribute__((cleanup(search_clear))) struct reference_search search = {.repo = repo};
    if (repo->registry->settings.limits.immutable_count == 0)
        return 0;
    for (size_t i = 0, number; i < count; i++)
        stl_digestset_add(&search.wanted, &digests[i], &number);
    return stl_dir_each_file_if_any(repo->fd, STL_REPO_LINKS, search_tag, &search, err);
}
