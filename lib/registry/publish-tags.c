/* Tags: what takes space first, then the links, then the lists. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "event.h"
#include "limits.h"
#include "publish-internal.h"

void stl_publish_touch(const struct stl_repo *repo, const char *reference)
{
    char path[STL_PATH_MAX];
    if (!strchr(reference, '/'))
        utimensat(repo->fd, stl_publish_link_path(reference, path), NULL, AT_SYMLINK_NOFOLLOW);
}

/* --- Apache's files ------------------------------------------------------------------------------------- */

/* A tag has the same line as its digest, so it is another name of that file, where that can be: it may have
 * too many, or belong to another account. */
int stl_publish_ref(const struct stl_repo *repo, const char *reference, const struct stl_media_type *type,
                    const struct stl_digest *digest, struct stl_error *err)
{
    char text[STL_DIGEST_TEXT_MAX];
    const struct stl_root *root = &repo->registry->root;
    if (!repo->registry->settings.apache)
        return 0;
    STL_AUTO_CLOSE int directory = stl_dir_make(root, repo->fd, "_refs", err);
    if (directory < 0)
        return -1;
    STL_AUTO_FREE char *line = stl_sprintf("%s %s\n", type->text, stl_digest_format(digest, text));
    STL_AUTO_BUF struct stl_buf old = {.ceiling = 1024};
    struct stl_error ignored = STL_ERROR_INIT;
    if (stl_file_read(directory, reference, false, &old, &ignored) == 0 && old.data &&
        !strcmp(old.data, line))
        return 0;
    if (!strcmp(reference, text))
        return stl_file_put(root, directory, reference, line, strlen(line), err);
    if (stl_publish_ref(repo, text, type, digest, err))
        return -1;
    if (stl_file_link(root, directory, text, reference, err) == 0)
        return 0;
    stl_error_clear(err);
    return stl_file_put(root, directory, reference, line, strlen(line), err);
}

int stl_publish_sync_refs(const struct stl_repo *repo, struct stl_error *err)
{
    return repo->registry->settings.apache ? stl_publish_sync_folder(repo, "_refs", err) : 0;
}

/* --- what may be ---------------------------------------------------------------------------------------- */

int stl_publish_check_tag(const struct stl_repo *repo, const struct stl_tag *tag,
                          const struct stl_digest *current, const struct stl_digest *wanted,
                          stl_tag_guard *guard, void *guard_context, size_t *added, struct stl_error *err)
{
    if (stl_limits_check_tag(repo, tag, current, wanted, added, err))
        return -1;
    return guard ? guard(guard_context, repo, tag, current, wanted, err) : 0;
}

int stl_publish_check_tags(const struct stl_repo *repo, const struct stl_tagging *set, size_t count,
                           stl_tag_guard *guard, void *guard_context, struct stl_error *err)
{
    size_t added = 0;
    for (size_t i = 0; i < count; i++) {
        struct stl_digest current;
        int exists = stl_tag_resolve_if_any(repo, &set[i].tag, &current, err);
        if (exists < 0 || stl_publish_check_tag(repo, &set[i].tag, exists ? &current : NULL, &set[i].digest,
                                                guard, guard_context, &added, err))
            return -1;
    }
    return 0;
}

struct stl_tagging *stl_publish_taggings(const struct stl_publish *how, const struct stl_digest *digest)
{
    struct stl_tagging *set = stl_alloc(how->tag_count * sizeof *set);
    for (size_t i = 0; i < how->tag_count; i++)
        set[i] = (struct stl_tagging){how->tags[i], *digest, how->repeated};
    return set;
}

/* --- links ---------------------------------------------------------------------------------------------- */

/* *old: what the tag pointed to before, for the caller to free; NULL: it did not exist. The time of the link
 * says when the tag was pushed; that of manifests/<digest>, when the manifest lost a tag. */
static int put_link(const struct stl_repo *repo, const char *tag, const char *digest, char **old,
                    struct stl_error *err)
{
    char path[STL_PATH_MAX], target[PUBLISH_TARGET_MAX];
    stl_publish_link_path(tag, path);
    if (stl_link_read(repo->fd, path, target, sizeof target))
        return symlinkat(digest, repo->fd, path) ? stl_error_errno(err, "cannot link %s", path) : 0;
    *old = stl_strdup(target);
    stl_publish_touch(repo, strcmp(target, digest) ? target : tag);
    return strcmp(target, digest) ? stl_link_put(&repo->registry->root, repo->fd, path, digest, err) : 0;
}

/* Not durable yet. */
static int put_tag(const struct stl_repo *repo, const struct stl_tagging *tagging, char **old,
                   struct stl_error *err)
{
    char text[STL_DIGEST_TEXT_MAX];
    struct stl_media_type type;
    return stl_manifest_type(repo, &tagging->digest, &type, err) ||
                   put_link(repo, tagging->tag.text, stl_digest_format(&tagging->digest, text), old, err) ||
                   stl_publish_ref(repo, tagging->tag.text, &type, &tagging->digest, err)
               ? -1
               : 0;
}

static int put_all(struct publish_tags *tags, struct stl_error *err)
{
    while (tags->done < tags->count) {
        size_t i = tags->done++;
        if (put_tag(tags->repo, &tags->set[i], &tags->old[i], err))
            return -1;
    }
    return 0;
}

/* As far as that can be. What did not exist before can go in any case. */
static void take_back(const struct publish_tags *tags)
{
    struct stl_error ignored = STL_ERROR_INIT;
    for (size_t i = tags->done; i-- > 0;) {
        struct stl_tagging tagging = tags->set[i];
        STL_AUTO_FREE char *now = NULL;
        if (!tags->old[i])
            stl_publish_unlink_tag(tags->repo, tagging.tag.text, &ignored);
        else if (stl_digest_parse(tags->old[i], &tagging.digest, &ignored) == 0)
            put_tag(tags->repo, &tagging, &now, &ignored);
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
    tags->folder = stl_dir_open(repo->fd, "tags", err);
    tags->v2 = tags->folder < 0 ? -1 : stl_dir_open(registry->root.fd, "www/v2", err);
    return tags->v2 < 0 ||
                   stl_listing_prepare(&registry->root, tags->folder, &repo->name, names, count, &tags->list,
                                       err) < 0 ||
                   stl_catalog_prepare(registry, &repo->name, tags->v2, &tags->catalog, err)
               ? -1
               : 0;
}

int stl_publish_tags_finish(struct publish_tags *tags, struct stl_error *err)
{
    const struct stl_repo *repo = tags->repo;
    if (put_all(tags, err) || (tags->count && stl_publish_sync_refs(repo, err)) ||
        stl_publish_sync_folder(repo, "manifests", err) || stl_listing_place(&tags->list, err)) {
        take_back(tags);
        return -1;
    }
    return stl_listing_commit(&tags->list, err) || stl_listing_commit(&tags->catalog, err) ? -1 : 0;
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

static int check_manifests(const struct stl_repo *repo, const struct stl_tagging *set, size_t count,
                           struct stl_error *err)
{
    struct stl_media_type type;
    for (size_t i = 0; i < count; i++)
        if ((i == 0 || !stl_digest_equal(&set[i].digest, &set[i - 1].digest)) &&
            stl_manifest_type(repo, &set[i].digest, &type, err))
            return -1;
    return 0;
}

static void write_event(const struct stl_repo *repo, const struct stl_tagging *tagging)
{
    char path[STL_PATH_MAX], text[STL_DIGEST_TEXT_MAX];
    struct stl_error ignored = STL_ERROR_INIT;
    struct stl_media_type type;
    struct stat st;
    stl_publish_link_path(stl_digest_format(&tagging->digest, text), path);
    if (!tagging->repeated && stl_manifest_type(repo, &tagging->digest, &type, &ignored) == 0)
        stl_event_push(repo, &tagging->digest, type.text, fstatat(repo->fd, path, &st, 0) ? -1 : st.st_size,
                       &tagging->tag, 1);
}

int stl_publish_tag_set(const struct stl_repo *repo, const struct stl_tagging *set, size_t count,
                        stl_tag_guard *guard, void *guard_context, struct stl_error *err)
{
    STL_AUTO_PUBLISH_TAGS struct publish_tags tags = PUBLISH_TAGS_INIT;
    STL_AUTO_CLOSE int lists = stl_registry_lock(repo->registry, STL_LOCK_LISTS, &repo->name, true, err);
    if (lists < 0 || check_manifests(repo, set, count, err) ||
        stl_publish_check_tags(repo, set, count, guard, guard_context, err) ||
        stl_publish_tags_begin(&tags, repo, set, count, err) || stl_publish_tags_finish(&tags, err))
        return -1;
    for (size_t i = 0; i < count; i++)
        write_event(repo, &set[i]);
    return 0;
}

int stl_publish_tags(const struct stl_repo *repo, const struct stl_digest *digest,
                     const struct stl_publish *how, struct stl_error *err)
{
    STL_AUTO_FREE struct stl_tagging *set = stl_publish_taggings(how, digest);
    return stl_publish_tag_set(repo, set, how->tag_count, how->guard, how->guard_context, err);
}
