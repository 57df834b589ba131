/* A manifest and its names in the repository. */
#include "publication.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apache-file.h"
#include "manifest-files.h"
#include "publish-steps.h"
#include "references.h"
#include "referrers.h"
#include "sync-all.h"
#include "trash.h"

/* --- what it refers to ---------------------------------------------------------------------------------- */

/* The client may have seen the blob before garbage collection moved it to the trash: then it is brought
 * back. */
static int has_blob(const struct stl_repo *repo, const struct stl_digest *digest, int64_t *size,
                    struct stl_error *err)
{
    int found = stl_repo_has_blob(repo, digest, size, err);
    if (found == 0 && (found = stl_trash_recall_blob(repo, digest, err)) > 0)
        found = stl_repo_has_blob(repo, digest, size, err);
    return found;
}

/* Whether an index may list it: returns 1 and its size, 0, or -1. Build caches list blobs in an index. */
static int has_child(const struct stl_repo *repo, const struct stl_digest *digest, int64_t *size,
                     struct stl_error *err)
{
    char path[STL_PATH_MAX], text[STL_DIGEST_TEXT_MAX];
    struct stat st;
    if (fstatat(repo->fd, stl_path_reference(stl_digest_format(digest, text), path), &st, 0)) {
        if (errno == ENOENT)
            return has_blob(repo, digest, size, err);
        return stl_error_errno(err, "cannot look at %s", path);
    }
    *size = st.st_size;
    return 1;
}

static int check_descriptor(const struct stl_publication *publication,
                            const struct stl_descriptor *descriptor, struct stl_error *err)
{
    const struct stl_repo *repo = publication->repo;
    char text[STL_DIGEST_TEXT_MAX];
    int64_t size = 0;
    bool child = descriptor->role == STL_ROLE_MANIFEST;
    if (!descriptor->distributable || (child && publication->allow_missing_children))
        return 0;
    int found = child ? has_child(repo, &descriptor->digest, &size, err)
                      : has_blob(repo, &descriptor->digest, &size, err);
    if (found < 0)
        return -1;
    stl_digest_format(&descriptor->digest, text);
    if (!found && publication->allow_missing_blobs && !child)
        return 0;
    if (!found)
        return stl_error_set(err, STL_MANIFEST_BLOB_UNKNOWN,
                             "the manifest refers to %s %s, which is not in repository '%s': push it first",
                             child ? "manifest" : "blob", text, repo->name.text);
    if (size != descriptor->size)
        return stl_error_set(err, STL_MANIFEST_INVALID,
                             "the manifest says that %s has %lld bytes, it has %lld", text,
                             (long long)descriptor->size, (long long)size);
    return 0;
}

int stl_publish_check_content(const struct stl_publication *publication, const struct stl_manifest *manifest,
                              struct stl_error *err)
{
    for (size_t i = 0; i < manifest->count; i++)
        if (check_descriptor(publication, &manifest->descriptors[i], err))
            return -1;
    return 0;
}

int stl_publish_check_children(const struct stl_publication *publication, const struct stl_manifest *manifest,
                               struct stl_error *err)
{
    const struct stl_repo *repo = publication->repo;
    for (size_t i = 0; i < manifest->count; i++) {
        const struct stl_descriptor *descriptor = &manifest->descriptors[i];
        struct stl_error ignored = STL_ERROR_INIT;
        char target[STL_TARGET_MAX];
        if (descriptor->role != STL_ROLE_MANIFEST)
            continue;
        if (check_descriptor(publication, descriptor, err))
            return -1;
        if (stl_manifest_target(repo, &descriptor->digest, target, &ignored) == 0 &&
            stl_publish_settle(repo, target + strlen("../"), NULL, err) < 0)
            return -1;
    }
    return 0;
}

/* --- writing -------------------------------------------------------------------------------------------- */

static int put_bytes(const struct stl_root *root, int directory, const char *name,
                     struct stl_publication_manifest *item, struct stl_error *err)
{
    STL_AUTO_TEMP struct stl_temp temp = STL_TEMP_INIT;
    struct stat st;
    if (faccessat(directory, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        return 0;
    if (stl_temp_begin(root, &temp, err) ||
        stl_write_all(temp.fd, item->bytes, (size_t)item->manifest->size, err) || stl_temp_sync(&temp, err))
        return -1;
    if (fstat(temp.fd, &st))
        return stl_error_errno(err, "cannot look at a file in tmp/");
    int placed = stl_temp_link(&temp, directory, name, err);
    if (placed == 0) {
        stl_close_fd(&item->file);
        item->file = temp.fd;
        item->written = st;
        temp.fd = -1;
    }
    return placed < 0 ? -1 : 0;
}

static int is_other(void *context, const struct stl_manifest_file *file, struct stl_error *err)
{
    (void)err;
    return strcmp(file->media_type.text, context) != 0;
}

/* Whether the bytes also have files under other media types: returns 1, 0 or -1. */
static int has_other_types(const struct stl_repo *repo, const struct stl_manifest *manifest,
                           struct stl_error *err)
{
    return stl_manifest_files_of(repo->fd, STL_REPO_MANIFESTS, &manifest->digest, is_other,
                                 (void *)manifest->media_type.text, err);
}

/* manifests/<digest>. If the same bytes were pushed before under another type, the new type replaces it;
 * and an earlier push that did the same may have been killed before the old file was gone. */
static int put_digest_link(const struct stl_repo *repo, const struct stl_manifest *manifest, const char *name,
                           bool *retyped, struct stl_error *err)
{
    char path[STL_PATH_MAX], target[STL_TARGET_MAX], old[STL_TARGET_MAX];
    stl_manifest_format_target(&manifest->media_type, &manifest->digest, target);
    stl_path_reference(name, path);
    if (symlinkat(target, repo->fd, path) == 0)
        return 0;
    if (errno != EEXIST)
        return stl_error_errno(err, "cannot link %s", path);
    if (stl_link_read(repo->fd, path, old, sizeof old) == 0 && !strcmp(old, target)) {
        stl_publish_touch(repo, name);
        int others = has_other_types(repo, manifest, err);
        *retyped = others > 0;
        return others < 0 ? -1 : 0;
    }
    *retyped = true;
    return stl_link_put(&repo->registry->root, repo->fd, path, target, err);
}

int stl_publish_put_manifest(const struct stl_repo *repo, struct stl_publication_manifest *item,
                             struct stl_error *err)
{
    const struct stl_root *root = &repo->registry->root;
    const struct stl_manifest *manifest = item->manifest;
    char path[STL_PATH_MAX], name[STL_DIGEST_TEXT_MAX];
    snprintf(path, sizeof path, STL_REPO_MANIFESTS "/%s", manifest->media_type.text);
    stl_digest_format(&manifest->digest, name);
    STL_AUTO_CLOSE int directory = stl_dir_make(root, repo->fd, path, err);
    if (directory < 0)
        return -1;
    if (put_bytes(root, directory, name, item, err))
        return -1;
    if (put_digest_link(repo, manifest, name, &item->retyped, err))
        return -1;
    return stl_apache_file_put(repo, name, &manifest->media_type, &manifest->digest, err);
}

/* --- making durable ------------------------------------------------------------------------------------- */

/* What is synced together. The paths in `types` are on the heap. */
struct syncs {
    struct stl_sync *all;
    size_t count;
    char **types;
    size_t type_count;
};

static void syncs_clear(struct syncs *syncs)
{
    for (size_t i = 0; i < syncs->type_count; i++)
        free(syncs->types[i]);
    free(syncs->types);
    free(syncs->all);
}

static void add_sync(struct syncs *syncs, int at, const char *path)
{
    stl_grow(syncs->all, syncs->count);
    syncs->all[syncs->count++] = (struct stl_sync){at, path};
}

static void add_type(struct syncs *syncs, const struct stl_repo *repo, const struct stl_manifest *manifest)
{
    char *path = stl_sprintf(STL_REPO_MANIFESTS "/%s", manifest->media_type.text);
    for (size_t i = 0; i < syncs->type_count; i++)
        if (!strcmp(syncs->types[i], path)) {
            free(path);
            return;
        }
    stl_grow(syncs->types, syncs->type_count);
    syncs->types[syncs->type_count++] = path;
    add_sync(syncs, repo->fd, path);
}

static void add_list(struct syncs *syncs, struct stl_listing_change *list)
{
    if (stl_listing_changes(list) && !list->synced)
        add_sync(syncs, list->temp.fd, NULL);
}

int stl_publish_sync(const struct stl_repo *repo, const struct stl_publication_manifest *manifests,
                     size_t count, struct publish_tags *tags, struct stl_error *err)
{
    __attribute__((cleanup(syncs_clear))) struct syncs syncs = {0};
    if (tags) {
        add_list(&syncs, &tags->list);
        add_list(&syncs, &tags->catalog);
    }
    if (count) {
        /* The processes that put the blobs there may have died before they synced them. */
        add_sync(&syncs, repo->fd, STL_REPO_BLOBS);
        if (tags)
            add_sync(&syncs, tags->links, NULL);
        else
            add_sync(&syncs, repo->fd, STL_REPO_LINKS);
        if (repo->registry->settings.apache)
            add_sync(&syncs, repo->fd, STL_REPO_REFS);
    }
    for (size_t i = 0; i < count; i++)
        add_type(&syncs, repo, manifests[i].manifest);
    if (stl_sync_all(&repo->registry->root, syncs.all, syncs.count, err))
        return -1;
    if (tags)
        tags->list.synced = tags->catalog.synced = true;
    return 0;
}

int stl_publish_put_manifest_again(const struct stl_repo *repo, struct stl_publication_manifest *item,
                                   bool *synced, struct stl_error *err)
{
    const struct stl_manifest *manifest = item->manifest;
    char wanted[STL_TARGET_MAX], target[STL_TARGET_MAX];
    stl_manifest_format_target(&manifest->media_type, &manifest->digest, wanted);
    bool led = stl_manifest_target(repo, &manifest->digest, target, err) == 0 && !strcmp(target, wanted);
    stl_error_clear(err);
    int there = led ? stl_publish_settle(repo, wanted + strlen("../"), item, err) : 0;
    if (there)
        return there < 0 ? -1 : 0;
    *synced = false;
    return stl_publish_put_manifest(repo, item, err);
}

/* Checks the result of each step of a publication. If the manifest is missing, nothing has been done. */
int stl_publication_is_done(const struct stl_repo *repo, const struct stl_manifest *manifest,
                            struct stl_error *err)
{
    char path[STL_PATH_MAX], text[STL_DIGEST_TEXT_MAX];
    struct stl_media_type type;
    if (stl_manifest_type(repo, &manifest->digest, &type, err)) {
        if (err->code != STL_MANIFEST_UNKNOWN)
            return -1;
        stl_error_clear(err);
        return 0;
    }
    snprintf(path, sizeof path, STL_REPO_REFS "/%s", stl_digest_format(&manifest->digest, text));
    if ((repo->registry->settings.apache && faccessat(repo->fd, path, F_OK, AT_SYMLINK_NOFOLLOW)) ||
        faccessat(repo->fd, STL_REPO_TAG_LIST, F_OK, AT_SYMLINK_NOFOLLOW) ||
        !stl_catalog_is_settled(repo->registry, &repo->name) ||
        !stl_publish_is_settled(repo, &manifest->digest))
        return 0;
    int others = has_other_types(repo, manifest, err);
    return others ? (others < 0 ? -1 : 0) : stl_referrers_has(repo->fd, manifest, err);
}
