/* Deleting: publication backwards. */
#include "publish.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "event.h"
#include "limits.h"
#include "listing.h"
#include "manifest-files.h"
#include "publish-internal.h"
#include "referrers.h"
#include "reserve.h"
#include "trash.h"

int stl_publish_remove_ref(const struct stl_repo *repo, const char *reference, struct stl_error *err)
{
    char path[STL_PATH_MAX];
    snprintf(path, sizeof path, "_refs/%s", reference);
    return unlinkat(repo->fd, path, 0) && errno != ENOENT ? stl_error_errno(err, "cannot remove %s", path)
                                                          : 0;
}

int stl_publish_unlink_tag(const struct stl_repo *repo, const char *tag, struct stl_error *err)
{
    char path[STL_PATH_MAX];
    if (stl_publish_remove_ref(repo, tag, err))
        return -1;
    return unlinkat(repo->fd, stl_publish_link_path(tag, path), 0) && errno != ENOENT
               ? stl_error_errno(err, "cannot remove %s", path)
               : 0;
}

/* Those of the tags that are there, with what they point to. The caller frees. */
static struct stl_tagging *find_tags(const struct stl_repo *repo, const char *const *tags, size_t count,
                                     size_t *found)
{
    struct stl_tagging *set = stl_alloc(count * sizeof *set);
    *found = 0;
    for (size_t i = 0; i < count; i++) {
        struct stl_error ignored = STL_ERROR_INIT;
        struct stl_tagging *tagging = &set[*found];
        *found += stl_tag_parse(tags[i], &tagging->tag, &ignored) == 0 &&
                  stl_tag_resolve(repo, &tagging->tag, &tagging->digest, &ignored) == 0;
    }
    return set;
}

/* Apache's files go before the links: who was killed in between can do it again as long as these are there.
 */
int stl_publish_remove_tags(const struct stl_repo *repo, const char *const *tags, size_t count,
                            struct stl_error *err)
{
    size_t found;
    STL_AUTO_FREE struct stl_tagging *set = find_tags(repo, tags, count, &found);
    STL_AUTO_CLOSE int directory = stl_dir_open(repo->fd, "tags", err);
    if (directory < 0 ||
        stl_listing_remove(&repo->registry->root, directory, &repo->name, tags, count, err) < 0 ||
        stl_trash_tags(repo, set, found, err))
        return -1;
    for (size_t i = 0; i < found; i++) {
        char text[STL_DIGEST_TEXT_MAX];
        stl_publish_touch(repo, stl_digest_format(&set[i].digest, text));
    }
    for (size_t i = 0; i < count; i++)
        if (stl_publish_remove_ref(repo, tags[i], err))
            return -1;
    if (count && stl_publish_sync_refs(repo, err))
        return -1;
    for (size_t i = 0; i < count; i++)
        if (stl_publish_unlink_tag(repo, tags[i], err))
            return -1;
    return count ? stl_publish_sync_folder(repo, "manifests", err) : 0;
}

static int delete_tags(const struct stl_repo *repo, const struct stl_tag *tags, size_t count,
                       stl_tag_guard *guard, void *guard_context, struct stl_error *err)
{
    STL_AUTO_FREE const char **names = stl_alloc(count * sizeof *names);
    STL_AUTO_FREE size_t *found = stl_alloc(count * sizeof *found);
    struct stl_error missing = STL_ERROR_INIT;
    size_t there = 0, added = 0;
    STL_AUTO_CLOSE int lists = stl_registry_lock(repo->registry, STL_LOCK_LISTS, &repo->name, true, err);
    for (size_t i = 0; i < count && lists >= 0; i++) {
        struct stl_digest digest;
        if (stl_tag_resolve(repo, &tags[i], &digest, err)) {
            if (err->code != STL_MANIFEST_UNKNOWN)
                return -1;
            missing = *err;
            continue;
        }
        if (stl_publish_check_tag(repo, &tags[i], &digest, NULL, guard, guard_context, &added, err))
            return -1;
        names[there] = tags[i].text;
        found[there++] = i;
    }
    if (lists < 0 || (there && stl_publish_remove_tags(repo, names, there, err)))
        return -1;
    for (size_t i = 0; i < there; i++)
        stl_event_delete(repo, &tags[found[i]], NULL);
    *err = missing;
    return missing.code ? -1 : 0;
}

int stl_tags_delete(const struct stl_repo *repo, const struct stl_tag *tags, size_t count,
                    stl_tag_guard *guard, void *guard_context, struct stl_error *err)
{
    while (delete_tags(repo, tags, count, guard, guard_context, err))
        if (!stl_reserve_use(repo->registry, err))
            return -1;
    return 0;
}

int stl_tag_delete(const struct stl_repo *repo, const struct stl_tag *tag, stl_tag_guard *guard,
                   void *guard_context, struct stl_error *err)
{
    return stl_tags_delete(repo, tag, 1, guard, guard_context, err);
}

/* The tags that point to a manifest, and how many manifests the repository has. */
struct tag_search {
    const struct stl_repo *repo;
    const char *digest;
    char **tags;
    size_t count, manifests;
};

static void tag_search_clear(struct tag_search *search)
{
    for (size_t i = 0; i < search->count; i++)
        free(search->tags[i]);
    free(search->tags);
}

static int collect_tag(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    struct tag_search *search = context;
    char path[STL_PATH_MAX], target[PUBLISH_TARGET_MAX];
    (void)type;
    (void)err;
    if (strchr(name, ':')) {
        search->manifests++;
        return 0;
    }
    if (stl_link_read(search->repo->fd, stl_publish_link_path(name, path), target, sizeof target) ||
        strcmp(target, search->digest))
        return 0;
    stl_grow(search->tags, search->count);
    search->tags[search->count++] = stl_strdup(name);
    return 0;
}

/* The file of a manifest goes to the trash; what else has its bytes is gone. */
struct remains {
    const struct stl_repo *repo;
    const struct stl_media_type *kept; /* NULL: all go to the trash */
    bool trash;                        /* else the one of that type stays */
};

static int remove_file(void *context, const struct stl_manifest_file *file, struct stl_error *err)
{
    const struct remains *remains = context;
    bool kept = !remains->kept || !strcmp(remains->kept->text, file->media_type.text);
    if (kept)
        return remains->trash ? stl_trash_manifest(remains->repo, &file->media_type, &file->digest, err) : 0;
    return unlinkat(remains->repo->fd, file->path, 0) && errno != ENOENT
               ? stl_error_errno(err, "cannot remove %s", file->path)
               : 0;
}

static int remove_manifest(const struct stl_repo *repo, const struct stl_manifest *manifest,
                           struct stl_error *err)
{
    char path[STL_PATH_MAX], target[PUBLISH_TARGET_MAX], text[STL_DIGEST_TEXT_MAX];
    struct remains remains = {repo, &manifest->media_type, true};
    stl_digest_format(&manifest->digest, text);
    if (manifest->has_subject &&
        stl_referrers_remove(&repo->registry->root, repo->fd, &manifest->subject, &manifest->digest, err))
        return -1;
    if (stl_publish_read_target(repo, &manifest->digest, target, err) ||
        stl_publish_remove_ref(repo, text, err) || stl_publish_sync_refs(repo, err) ||
        stl_trash_doom_manifest(repo, &manifest->media_type, &manifest->digest, err))
        return -1;
    if (unlinkat(repo->fd, stl_publish_link_path(text, path), 0))
        return stl_error_errno(err, "cannot remove %s", path);
    if (stl_publish_sync_folder(repo, "manifests", err))
        return -1;
    /* Without its link the manifest is unknown: nobody could try again. */
    while (stl_manifest_files_of(repo->fd, "_manifests", &manifest->digest, remove_file, &remains, err))
        if (!stl_reserve_use(repo->registry, err))
            return -1;
    *strrchr(target, '/') = '\0';
    return stl_publish_sync_folder(repo, target + strlen("../"), err);
}

int stl_publish_remove_manifest(const struct stl_repo *repo, const struct stl_digest *digest,
                                struct stl_error *err)
{
    STL_AUTO_BUF struct stl_buf bytes = STL_BUF_INIT;
    STL_AUTO_MANIFEST struct stl_manifest manifest = {0};
    if (stl_manifest_load(repo, digest, &bytes, &manifest, err))
        return -1;
    return remove_manifest(repo, &manifest, err);
}

static int check_deletion(const struct tag_search *search, const struct stl_digest *digest,
                          stl_tag_guard *guard, void *guard_context, struct stl_error *err)
{
    size_t added = 0;
    for (size_t i = 0; i < search->count; i++) {
        struct stl_tag tag;
        if (stl_tag_parse(search->tags[i], &tag, err) ||
            stl_publish_check_tag(search->repo, &tag, digest, NULL, guard, guard_context, &added, err))
            return -1;
    }
    return 0;
}

/* A deletion that was killed may have left the bytes without the link, which a repair would put back. */
static void finish_deletion(const struct stl_repo *repo, const struct stl_digest *digest)
{
    struct remains remains = {repo, NULL, true};
    struct stl_error ignored = STL_ERROR_INIT;
    char target[PUBLISH_TARGET_MAX];
    if (stl_publish_read_target(repo, digest, target, &ignored) && ignored.code == STL_MANIFEST_UNKNOWN)
        stl_manifest_files_of(repo->fd, "_manifests", digest, remove_file, &remains, &ignored);
}

int stl_publish_drop_other_types(const struct stl_repo *repo, const struct stl_manifest *manifest,
                                 struct stl_error *err)
{
    char text[STL_DIGEST_TEXT_MAX];
    const struct remains remains = {repo, &manifest->media_type, false};
    __attribute__((cleanup(tag_search_clear))) struct tag_search search = {
        .repo = repo, .digest = stl_digest_format(&manifest->digest, text)};
    if (repo->registry->settings.apache && stl_dir_each(repo->fd, "manifests", collect_tag, &search, err))
        return -1;
    for (size_t i = 0; i < search.count; i++)
        if (stl_publish_ref(repo, search.tags[i], &manifest->media_type, &manifest->digest, err))
            return -1;
    if (search.count && stl_publish_sync_folder(repo, "_refs", err))
        return -1;
    return stl_manifest_files_of(repo->fd, "_manifests", &manifest->digest, remove_file, (void *)&remains,
                                 err);
}

static int delete_manifest(const struct stl_repo *repo, const struct stl_digest *digest, stl_tag_guard *guard,
                           void *guard_context, struct stl_error *err)
{
    char text[STL_DIGEST_TEXT_MAX];
    STL_AUTO_BUF struct stl_buf bytes = STL_BUF_INIT;
    STL_AUTO_MANIFEST struct stl_manifest manifest = {0};
    __attribute__((cleanup(tag_search_clear))) struct tag_search search = {
        .repo = repo, .digest = stl_digest_format(digest, text)};
    STL_AUTO_CLOSE int lists = stl_registry_lock(repo->registry, STL_LOCK_LISTS, &repo->name, true, err);
    if (lists < 0)
        return -1;
    if (stl_manifest_load(repo, digest, &bytes, &manifest, err)) {
        if (err->code == STL_MANIFEST_UNKNOWN)
            finish_deletion(repo, digest);
        return -1;
    }
    if (stl_dir_each(repo->fd, "manifests", collect_tag, &search, err) ||
        check_deletion(&search, digest, guard, guard_context, err))
        return -1;
    if ((search.manifests == 1 && stl_catalog_remove(repo->registry, &repo->name, err)) ||
        (search.count && stl_publish_remove_tags(repo, (const char *const *)search.tags, search.count, err)))
        return -1;
    if (remove_manifest(repo, &manifest, err))
        return -1;
    stl_event_delete(repo, NULL, digest);
    return 0;
}

int stl_manifest_delete(const struct stl_repo *repo, const struct stl_digest *digest, stl_tag_guard *guard,
                        void *guard_context, struct stl_error *err)
{
    while (delete_manifest(repo, digest, guard, guard_context, err))
        if (!stl_reserve_use(repo->registry, err))
            return -1;
    return 0;
}

/* For stl_dir_each() over manifests/: whether each tag may go with its repository. */
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
    return stl_limits_check_tag(repo, &tag, &digest, NULL, &added, err);
}

/* A deletion that was killed may have removed manifests/ already. */
static int check_tags_may_go(const struct stl_repo *repo, struct stl_error *err)
{
    return stl_dir_each_if_any(repo->fd, "manifests", check_tag_may_go, (void *)repo, err);
}

static const char *const repository_folders[] = {"tags",      "_refs",      "referrers",
                                                 "manifests", "_manifests", "blobs"};
enum { REPOSITORY_FOLDERS = sizeof repository_folders / sizeof *repository_folders };

/* Like stl_repo_open(), and opens what a killed deletion has left. */
static int open_remains(struct stl_repo *repo, const struct stl_registry *registry,
                        const struct stl_name *name, struct stl_error *err)
{
    char path[STL_PATH_MAX];
    if (stl_repo_open(repo, registry, name, err) == 0)
        return 0;
    if (err->code != STL_NAME_UNKNOWN)
        return -1;
    repo->fd = openat(registry->root.fd, stl_path_repository(name, path),
                      O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    for (size_t i = 0; i < REPOSITORY_FOLDERS && repo->fd >= 0; i++) {
        if (faccessat(repo->fd, repository_folders[i], F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
            stl_error_clear(err);
            return 0;
        }
    }
    return -1;
}

/* All at once: link by link, readers could find a tag whose manifest, or a part of it, has no link any more.
 */
static int remove_links(const struct stl_repo *repo, struct stl_error *err)
{
    __attribute__((cleanup(stl_stage_end))) struct stl_stage stage = STL_STAGE_INIT;
    if (stl_stage_begin(&repo->registry->root, &stage, err))
        return -1;
    if (renameat(repo->fd, "manifests", stage.fd, "manifests") && errno != ENOENT)
        return stl_error_errno(err, "cannot remove the manifests of %s", repo->name.text);
    return stl_dir_sync(repo->fd, err);
}

/* Tag by tag would show readers a shrinking repository: tags/ goes first, without which it is no repository,
 * then the links, then what they led to. A nested repository keeps its folder and ours. */
static int delete_repository(const struct stl_registry *registry, const struct stl_name *name,
                             struct stl_error *err)
{
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
    struct stl_error ignored = STL_ERROR_INIT;
    if (open_remains(&repo, registry, name, err)) {
        if (err->code == STL_NAME_UNKNOWN)
            stl_repo_remove_folders(registry, name, &ignored);
        return -1;
    }
    STL_AUTO_CLOSE int content = stl_registry_lock(registry, STL_LOCK_CONTENT, name, true, err);
    STL_AUTO_CLOSE int lists =
        content < 0 ? -1 : stl_registry_lock(registry, STL_LOCK_LISTS, name, true, err);
    if (lists < 0 || check_tags_may_go(&repo, err) || stl_catalog_remove(registry, name, err) ||
        stl_trash_all_tags(&repo, err))
        return -1;
    static const char *const visible[] = {"tags", "_refs", "referrers"};
    for (size_t i = 0; i < sizeof visible / sizeof *visible; i++)
        if (stl_tree_remove(repo.fd, visible[i], err) || stl_dir_sync(repo.fd, err))
            return -1;
    if (remove_links(&repo, err) || stl_trash_content(&repo, err) || stl_repo_unmake(&repo, err))
        return -1;
    stl_event_delete(&repo, NULL, NULL);
    return 0;
}

int stl_repo_delete(const struct stl_registry *registry, const struct stl_name *name, struct stl_error *err)
{
    while (delete_repository(registry, name, err))
        if (!stl_reserve_use(registry, err))
            return -1;
    return 0;
}
