/* Tags that are set: what takes space first, then the links, then the lists. */
#include "publication.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apache-file.h"
#include "details.h"
#include "publish-steps.h"
#include "references.h"
#include "sync-all.h"

void stl_publish_touch(const struct stl_repo *repo, const char *reference)
{
    char path[STL_PATH_MAX];
    if (!strchr(reference, '/'))
        utimensat(repo->fd, stl_path_reference(reference, path), NULL, AT_SYMLINK_NOFOLLOW);
}

/* --- links ---------------------------------------------------------------------------------------------- */

/* *old: what the tag points to, for the caller to free; NULL: it does not exist. */
static int read_old(const struct stl_repo *repo, const char *tag, char **old, struct stl_error *err)
{
    char path[STL_PATH_MAX], target[STL_TARGET_MAX];
    if (stl_link_read(repo->fd, stl_path_reference(tag, path), target, sizeof target))
        return errno == ENOENT ? 0 : stl_error_errno(err, "cannot read %s", path);
    *old = stl_strdup(target);
    return 0;
}

/* The time of the link says when the tag was pushed; that of manifests/<digest>, when the manifest lost a
 * tag. */
static int put_link(const struct stl_repo *repo, const char *tag, const char *digest, const char *old,
                    struct stl_error *err)
{
    char path[STL_PATH_MAX];
    stl_path_reference(tag, path);
    if (!old)
        return symlinkat(digest, repo->fd, path) ? stl_error_errno(err, "cannot link %s", path) : 0;
    stl_publish_touch(repo, strcmp(old, digest) ? old : tag);
    return strcmp(old, digest) ? stl_link_put(&repo->registry->root, repo->fd, path, digest, err) : 0;
}

/* Not durable yet. */
static int put_tag(const struct stl_repo *repo, const struct stl_tagging *tagging,
                   const struct stl_media_type *type, const char *old, struct stl_error *err)
{
    char text[STL_DIGEST_TEXT_MAX];
    if (put_link(repo, tagging->tag.text, stl_digest_format(&tagging->digest, text), old, err))
        return -1;
    if (stl_apache_file_put(repo, tagging->tag.text, type, &tagging->digest, err))
        return -1;
    return 0;
}

static int put_all(struct publish_tags *tags, struct stl_error *err)
{
    while (tags->done < tags->count) {
        const struct stl_tagging *tagging = &tags->set[tags->done];
        char **old = &tags->old[tags->done];
        struct stl_media_type type;
        if (stl_manifest_type(tags->repo, &tagging->digest, &type, err) ||
            read_old(tags->repo, tagging->tag.text, old, err))
            return -1;
        tags->done++;
        if (put_tag(tags->repo, tagging, &type, *old, err))
            return -1;
    }
    return 0;
}

/* A tag that has been taken off the list, and its file for Apache. */
static int unlink_tag(const struct stl_repo *repo, const char *tag, struct stl_error *err)
{
    char path[STL_PATH_MAX];
    if (stl_apache_file_remove(repo, tag, err))
        return -1;
    return unlinkat(repo->fd, stl_path_reference(tag, path), 0) && errno != ENOENT
               ? stl_error_errno(err, "cannot remove %s", path)
               : 0;
}

/* Sets tags back as far as possible. Tags that did not exist before can always be removed. */
static void take_back(const struct publish_tags *tags)
{
    struct stl_error ignored = STL_ERROR_INIT;
    for (size_t i = tags->done; i-- > 0;) {
        struct stl_tagging tagging = tags->set[i];
        struct stl_media_type type;
        if (!tags->old[i])
            unlink_tag(tags->repo, tagging.tag.text, &ignored);
        else if (stl_digest_parse(tags->old[i], &tagging.digest, &ignored) == 0 &&
                 stl_manifest_type(tags->repo, &tagging.digest, &type, &ignored) == 0)
            put_tag(tags->repo, &tagging, &type, "", &ignored);
    }
}

/* --- links and lists ------------------------------------------------------------------------------------ */

int stl_publish_tags_begin(struct publish_tags *tags, const struct stl_repo *repo,
                           const struct stl_tagging *set, size_t count, struct stl_error *err)
{
    const struct stl_registry *registry = repo->registry;
    STL_AUTO_FREE const char **names = stl_alloc(count * sizeof *names);
    for (size_t i = 0; i < count; i++)
        names[i] = set[i].tag.text;
    tags->repo = repo;
    tags->set = set;
    tags->count = count;
    tags->old = stl_alloc(count * sizeof *tags->old);
    tags->folder = stl_dir_open(repo->fd, STL_REPO_TAGS, err);
    tags->v2 = tags->folder < 0 ? -1 : stl_dir_open(registry->root.fd, STL_V2, err);
    if (tags->v2 < 0)
        return -1;
    if (stl_listing_prepare(&registry->root, tags->folder, &repo->name, names, count, &tags->list, err) < 0)
        return -1;
    if (stl_catalog_prepare(registry, &repo->name, tags->v2, &tags->catalog, err))
        return -1;
    return 0;
}

/* Of tags that lead to something else than before. */
static void tell_details(const struct publish_tags *tags)
{
    STL_AUTO_FREE struct stl_tagging *changed = stl_alloc(tags->count * sizeof *changed);
    size_t count = 0;
    for (size_t i = 0; i < tags->count; i++) {
        char text[STL_DIGEST_TEXT_MAX];
        if (!tags->old[i] || strcmp(tags->old[i], stl_digest_format(&tags->set[i].digest, text)))
            changed[count++] = tags->set[i];
    }
    stl_details_tagged(tags->repo, changed, count);
}

/* The links; and a list that stays as it is: whoever put it there may have died before it was durable. */
static int sync_links(const struct publish_tags *tags, struct stl_error *err)
{
    const struct stl_repo *repo = tags->repo;
    struct stl_sync what[3];
    size_t count = 0;
    if (tags->count)
        what[count++] = (struct stl_sync){repo->fd, STL_REPO_LINKS};
    if (tags->count && repo->registry->settings.apache)
        what[count++] = (struct stl_sync){repo->fd, STL_REPO_REFS};
    if (!stl_listing_changes(&tags->list))
        what[count++] = (struct stl_sync){tags->folder, NULL};
    return stl_sync_all(what, count, err);
}

int stl_publish_tags_finish(struct publish_tags *tags, struct stl_error *err)
{
    bool listed = !stl_listing_changes(&tags->list);
    if (put_all(tags, err) || sync_links(tags, err) || stl_listing_place(&tags->list, err)) {
        take_back(tags);
        return -1;
    }
    if ((!listed && stl_listing_commit(&tags->list, err)) || stl_listing_commit(&tags->catalog, err))
        return -1;
    tell_details(tags);
    return 0;
}

void stl_publish_tags_end(struct publish_tags *tags)
{
    stl_listing_change_end(&tags->list);
    stl_listing_change_end(&tags->catalog);
    stl_close_fd(&tags->folder);
    stl_close_fd(&tags->v2);
    for (size_t i = 0; i < tags->done; i++)
        free(tags->old[i]);
    free(tags->old);
}
