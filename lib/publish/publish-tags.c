/* Tags that are set: what takes space first, then the links, then the lists. */
#include "publication.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apache-file.h"
#include "details.h"
#include "nesting.h"
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

/* The time of the link says when the tag was pushed; that of manifests/<digest>, when the manifest lost a
 * tag. */
static int put_link(const struct stl_repo *repo, const struct stl_tagging *tagging, struct stl_error *err)
{
    char path[STL_PATH_MAX], digest[STL_DIGEST_TEXT_MAX], old[STL_DIGEST_TEXT_MAX];
    stl_path_reference(tagging->tag.text, path);
    stl_digest_format(&tagging->digest, digest);
    if (!tagging->existed)
        return symlinkat(digest, repo->fd, path) ? stl_error_errno(err, "cannot link %s", path) : 0;
    bool same = stl_digest_equal(&tagging->old, &tagging->digest);
    stl_publish_touch(repo, same ? tagging->tag.text : stl_digest_format(&tagging->old, old));
    return same ? 0 : stl_link_put(&repo->registry->root, repo->fd, path, digest, err);
}

/* Not durable yet. */
static int put_tag(const struct stl_repo *repo, const struct stl_tagging *tagging, struct stl_error *err)
{
    struct stl_media_type type;
    if (put_link(repo, tagging, err))
        return -1;
    if (!repo->registry->settings.apache)
        return 0;
    if (stl_manifest_type(repo, &tagging->digest, &type, err))
        return -1;
    return stl_apache_file_put(repo, tagging->tag.text, &type, &tagging->digest, err);
}

/* stl_may_set_tags() has found where the tags lead. But a tag may be named twice, in which case the last one
 * counts: only for the first of all is that still sure. */
static int look_again(const struct stl_repo *repo, struct stl_tagging *tagging, struct stl_error *err)
{
    int exists = stl_tag_resolve_if_any(repo, &tagging->tag, &tagging->old, err);
    tagging->existed = exists > 0;
    return exists < 0 ? -1 : 0;
}

static int put_all(struct publish_tags *tags, struct stl_error *err)
{
    while (tags->done < tags->count) {
        struct stl_tagging *tagging = &tags->set[tags->done];
        if (tags->done && look_again(tags->repo, tagging, err))
            return -1;
        tags->done++;
        if (put_tag(tags->repo, tagging, err))
            return -1;
    }
    return 0;
}

/* Removes a tag that has left the list, and its file for Apache. */
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
        struct stl_tagging back = tags->set[i];
        back.old = tags->set[i].digest;
        back.digest = tags->set[i].old;
        if (back.existed)
            put_tag(tags->repo, &back, &ignored);
        else
            unlink_tag(tags->repo, back.tag.text, &ignored);
    }
}

/* --- links and lists ------------------------------------------------------------------------------------ */

int stl_publish_tags_begin(struct publish_tags *tags, const struct stl_repo *repo, struct stl_tagging *set,
                           size_t count, struct stl_error *err)
{
    const struct stl_registry *registry = repo->registry;
    STL_AUTO_FREE const char **names = stl_alloc(count * sizeof *names);
    for (size_t i = 0; i < count; i++)
        names[i] = set[i].tag.text;
    tags->repo = repo;
    tags->set = set;
    tags->count = count;
    tags->folder = stl_dir_open(repo->fd, STL_REPO_TAGS, err);
    if (tags->folder < 0)
        return -1;
    tags->links = stl_dir_open(repo->fd, STL_REPO_LINKS, err);
    if (tags->links < 0)
        return -1;
    if (stl_listing_prepare(&registry->root, tags->folder, &repo->name, names, count, &tags->list, err) < 0) {
        stl_nesting_check_list(repo->fd, &repo->name, err); /* the usual reason */
        return -1;
    }
    return stl_catalog_prepare(registry, &repo->name, &tags->catalog, err);
}

/* For the tags that lead elsewhere than before. */
static void tell_details(const struct publish_tags *tags)
{
    STL_AUTO_FREE struct stl_tagging *changed = stl_alloc(tags->count * sizeof *changed);
    size_t count = 0;
    for (size_t i = 0; i < tags->count; i++)
        if (!tags->set[i].existed || !stl_digest_equal(&tags->set[i].old, &tags->set[i].digest))
            changed[count++] = tags->set[i];
    stl_details_tagged(tags->repo, changed, count, tags->list.names);
}

/* Makes the links durable, and a list that did not change: the process that wrote it may have died before it
 * was durable. */
static int sync_links(const struct publish_tags *tags, struct stl_error *err)
{
    const struct stl_repo *repo = tags->repo;
    struct stl_sync what[3];
    size_t count = 0;
    if (tags->count)
        what[count++] = (struct stl_sync){tags->links, NULL};
    if (tags->count && repo->registry->settings.apache)
        what[count++] = (struct stl_sync){repo->fd, STL_REPO_REFS};
    if (!stl_listing_changes(&tags->list))
        what[count++] = (struct stl_sync){tags->folder, NULL};
    return stl_sync_all(&repo->registry->root, what, count, err);
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
    stl_close_fd(&tags->links);
}
