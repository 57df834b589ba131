#include "publish.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "event.h"
#include "hook.h"
#include "limits.h"
#include "listing.h"
#include "publish-internal.h"
#include "referrers.h"
#include "trash.h"

static const char target_head[] = "../_manifests/";

char *stl_publish_link_path(const char *reference, char path[STL_PATH_MAX])
{
    snprintf(path, STL_PATH_MAX, "manifests/%s", reference);
    return path;
}

static int unknown_manifest(const struct stl_repo *repo, const char *reference, struct stl_error *err)
{
    return stl_error_set(err, STL_MANIFEST_UNKNOWN, "repository '%s' has no manifest '%s'", repo->name.text,
                         reference);
}

int stl_publish_read_target(const struct stl_repo *repo, const struct stl_digest *digest,
                            char target[PUBLISH_TARGET_MAX], struct stl_error *err)
{
    char path[STL_PATH_MAX], text[STL_DIGEST_TEXT_MAX];
    stl_digest_format(digest, text);
    if (stl_link_read(repo->fd, stl_publish_link_path(text, path), target, PUBLISH_TARGET_MAX)) {
        if (errno == ENOENT)
            return unknown_manifest(repo, text, err);
        return stl_error_errno(err, "cannot read %s", path);
    }
    return 0;
}

int stl_manifest_type(const struct stl_repo *repo, const struct stl_digest *digest,
                      struct stl_media_type *type, struct stl_error *err)
{
    char target[PUBLISH_TARGET_MAX];
    if (stl_publish_read_target(repo, digest, target, err))
        return -1;
    char *end = strrchr(target, '/');
    if (strncmp(target, target_head, strlen(target_head)) || end < target + strlen(target_head))
        return stl_error_set(err, STL_DAMAGED,
                             "%s: the link of a manifest is damaged: run 'stillage verify --repair'",
                             repo->name.text);
    /* A power cut may have left the link without the file. */
    if (faccessat(repo->fd, target + strlen("../"), F_OK, AT_SYMLINK_NOFOLLOW))
        return unknown_manifest(repo, end + 1, err);
    *end = '\0';
    return stl_media_type_parse(target + strlen(target_head), type, err);
}

int stl_tag_resolve(const struct stl_repo *repo, const struct stl_tag *tag, struct stl_digest *digest,
                    struct stl_error *err)
{
    char path[STL_PATH_MAX], target[PUBLISH_TARGET_MAX];
    if (stl_link_read(repo->fd, stl_publish_link_path(tag->text, path), target, sizeof target) == 0) {
        if (stl_digest_parse(target, digest, err) == 0)
            return 0;
        return stl_error_set(err, STL_DAMAGED,
                             "%s:%s: the link of the tag is damaged: run 'stillage verify --repair'",
                             repo->name.text, tag->text);
    }
    if (errno == ENOENT)
        return unknown_manifest(repo, tag->text, err);
    return stl_error_errno(err, "cannot read %s", path);
}

int stl_tag_resolve_if_any(const struct stl_repo *repo, const struct stl_tag *tag, struct stl_digest *digest,
                           struct stl_error *err)
{
    if (stl_tag_resolve(repo, tag, digest, err) == 0)
        return 1;
    if (err->code != STL_MANIFEST_UNKNOWN)
        return -1;
    stl_error_clear(err);
    return 0;
}

int stl_reference_resolve(const struct stl_repo *repo, const struct stl_reference *reference,
                          struct stl_digest *digest, struct stl_error *err)
{
    if (!reference->is_digest)
        return stl_tag_resolve(repo, &reference->tag, digest, err);
    *digest = reference->digest;
    return 0;
}

int stl_manifest_load(const struct stl_repo *repo, const struct stl_digest *digest, struct stl_buf *bytes,
                      struct stl_manifest *manifest, struct stl_error *err)
{
    char path[STL_PATH_MAX], text[STL_DIGEST_TEXT_MAX];
    struct stl_media_type type;
    stl_digest_format(digest, text);
    if (stl_manifest_type(repo, digest, &type, err))
        return -1;
    if (stl_file_read(repo->fd, stl_publish_link_path(text, path), true, bytes, err))
        return err->sys_errno == ENOENT ? unknown_manifest(repo, text, err) : -1;
    return stl_manifest_parse(manifest, bytes->data ? bytes->data : "", bytes->length, type.text,
                              digest->algorithm, err);
}

/* --- publishing ----------------------------------------------------------------------------------------- */

/* The client may have seen the blob before garbage collection took it: then it comes back. */
static int has_blob(const struct stl_repo *repo, const struct stl_digest *digest, int64_t *size,
                    struct stl_error *err)
{
    int found = stl_repo_has_blob(repo, digest, size, err);
    if (found == 0 && (found = stl_trash_recall_blob(repo, digest, err)) > 0)
        found = stl_repo_has_blob(repo, digest, size, err);
    return found;
}

/* Whether an index may list it: 1 and its size, 0, or -1. Build caches list blobs in an index. */
static int has_child(const struct stl_repo *repo, const struct stl_digest *digest, int64_t *size,
                     struct stl_error *err)
{
    char path[STL_PATH_MAX], text[STL_DIGEST_TEXT_MAX];
    struct stat st;
    if (fstatat(repo->fd, stl_publish_link_path(stl_digest_format(digest, text), path), &st, 0)) {
        if (errno == ENOENT)
            return has_blob(repo, digest, size, err);
        return stl_error_errno(err, "cannot look at %s", path);
    }
    *size = st.st_size;
    return 1;
}

static int check_descriptor(const struct stl_repo *repo, const struct stl_descriptor *descriptor,
                            const struct stl_publish *how, struct stl_error *err)
{
    char text[STL_DIGEST_TEXT_MAX];
    int64_t size = 0;
    bool child = descriptor->role == STL_ROLE_MANIFEST;
    if (!descriptor->distributable || (child && how->allow_missing_children))
        return 0;
    int found = child ? has_child(repo, &descriptor->digest, &size, err)
                      : has_blob(repo, &descriptor->digest, &size, err);
    if (found < 0)
        return -1;
    stl_digest_format(&descriptor->digest, text);
    if (!found && how->allow_missing_blobs && !child)
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

int stl_publish_sync_folder(const struct stl_repo *repo, const char *folder, struct stl_error *err)
{
    STL_AUTO_CLOSE int directory = stl_dir_open(repo->fd, folder, err);
    return directory < 0 ? -1 : stl_dir_sync(directory, err);
}

static int put_bytes(const struct stl_root *root, int directory, const char *name, const char *bytes,
                     size_t length, struct stl_error *err)
{
    STL_AUTO_TEMP struct stl_temp temp = STL_TEMP_INIT;
    if (faccessat(directory, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        return 0;
    if (stl_temp_begin(root, &temp, err) || stl_write_all(temp.fd, bytes, length, err) ||
        stl_temp_sync(&temp, err))
        return -1;
    return stl_temp_link(&temp, directory, name, err) < 0 ? -1 : 0;
}

static void format_target(const struct stl_manifest *manifest, char target[PUBLISH_TARGET_MAX])
{
    char name[STL_DIGEST_TEXT_MAX];
    snprintf(target, PUBLISH_TARGET_MAX, "%s%s/%s", target_head, manifest->media_type.text,
             stl_digest_format(&manifest->digest, name));
}

/* manifests/<digest>. Where the same bytes were pushed before under another type, the new type counts. */
static int put_digest_link(const struct stl_repo *repo, const struct stl_manifest *manifest, const char *name,
                           bool *retyped, struct stl_error *err)
{
    char path[STL_PATH_MAX], target[PUBLISH_TARGET_MAX], old[PUBLISH_TARGET_MAX];
    format_target(manifest, target);
    stl_publish_link_path(name, path);
    if (symlinkat(target, repo->fd, path) == 0)
        return 0;
    if (errno != EEXIST)
        return stl_error_errno(err, "cannot link %s", path);
    if (stl_link_read(repo->fd, path, old, sizeof old) == 0 && !strcmp(old, target)) {
        stl_publish_touch(repo, name);
        return 0;
    }
    *retyped = true;
    return stl_link_put(&repo->registry->root, repo->fd, path, target, err);
}

/* The bytes are durable before any name, the names are not yet: until the caller's tag points here, nobody
 * was told of either. */
static int put_manifest(const struct stl_repo *repo, const struct stl_manifest *manifest, const char *bytes,
                        bool *retyped, struct stl_error *err)
{
    const struct stl_root *root = &repo->registry->root;
    char path[STL_PATH_MAX], name[STL_DIGEST_TEXT_MAX];
    snprintf(path, sizeof path, "_manifests/%s", manifest->media_type.text);
    stl_digest_format(&manifest->digest, name);
    STL_AUTO_CLOSE int directory = stl_dir_make(root, repo->fd, path, err);
    return directory < 0 || put_bytes(root, directory, name, bytes, (size_t)manifest->size, err) ||
                   put_digest_link(repo, manifest, name, retyped, err) ||
                   stl_publish_ref(repo, name, &manifest->media_type, &manifest->digest, err)
               ? -1
               : 0;
}

static int sync_names(const struct stl_repo *repo, const struct stl_manifest *manifest, struct stl_error *err)
{
    char path[STL_PATH_MAX];
    snprintf(path, sizeof path, "_manifests/%s", manifest->media_type.text);
    return stl_publish_sync_folder(repo, path, err) || stl_publish_sync_folder(repo, "manifests", err) ||
                   stl_publish_sync_refs(repo, err)
               ? -1
               : 0;
}

/* While we did not have the lock, somebody may have deleted the manifest, or pushed it under another type:
 * the last one counts. */
static int put_manifest_again(const struct stl_repo *repo, const struct stl_manifest *manifest,
                              const char *bytes, bool *retyped, bool *synced, struct stl_error *err)
{
    char wanted[PUBLISH_TARGET_MAX], target[PUBLISH_TARGET_MAX];
    format_target(manifest, wanted);
    if (stl_publish_read_target(repo, &manifest->digest, target, err) == 0 && !strcmp(target, wanted) &&
        faccessat(repo->fd, wanted + strlen("../"), F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        return 0;
    stl_error_clear(err);
    *synced = false;
    return put_manifest(repo, manifest, bytes, retyped, err);
}

/* The step that makes it visible. What takes space comes first, then the tags. `synced`: its names are
 * durable by now. */
static int show(const struct stl_repo *repo, const struct stl_manifest *manifest,
                const struct stl_tagging *set, size_t count, bool retyped, bool synced, struct stl_error *err)
{
    STL_AUTO_PUBLISH_TAGS struct publish_tags tags = PUBLISH_TAGS_INIT;
    if (manifest->has_subject && ((!synced && sync_names(repo, manifest, err)) ||
                                  stl_referrers_add(&repo->registry->root, repo->fd, manifest, err)))
        return -1;
    synced |= manifest->has_subject;
    return stl_publish_tags_begin(&tags, repo, set, count, err) ||
                   (!synced && sync_names(repo, manifest, err)) ||
                   (retyped && stl_publish_drop_other_types(repo, manifest, err)) ||
                   stl_publish_tags_finish(&tags, err)
               ? -1
               : 0;
}

int stl_publish_manifest(const struct stl_repo *repo, const struct stl_manifest *manifest, const char *bytes,
                         const struct stl_publish *how, struct stl_error *err)
{
    bool retyped = false, synced = false;
    STL_AUTO_FREE struct stl_tagging *set = stl_publish_taggings(how, &manifest->digest);
    STL_AUTO_CLOSE int content = stl_registry_lock(repo->registry, STL_LOCK_CONTENT, &repo->name, false, err);
    if (content < 0)
        return -1;
    for (size_t i = 0; i < manifest->count; i++)
        if (check_descriptor(repo, &manifest->descriptors[i], how, err))
            return -1;
    /* Asked here, a refusal leaves nothing behind; asked below, it counts. */
    if (stl_publish_check_tags(repo, set, how->tag_count, how->guard, how->guard_context, err) ||
        stl_referrers_check(repo->fd, manifest, err) ||
        (!how->repeated && stl_hook_before(repo, manifest, how->tags, how->tag_count, err)) ||
        put_manifest(repo, manifest, bytes, &retyped, err))
        return -1;
    /* A journal writes the names together with the list that a tag needs: no need to write them twice. */
    size_t now = how->tags_later ? 0 : how->tag_count;
    if (now == 0 && sync_names(repo, manifest, err))
        return -1;
    synced = now == 0;
    STL_AUTO_CLOSE int lists = stl_registry_lock(repo->registry, STL_LOCK_LISTS, &repo->name, true, err);
    if (lists < 0 || stl_publish_check_tags(repo, set, now, how->guard, how->guard_context, err) ||
        put_manifest_again(repo, manifest, bytes, &retyped, &synced, err) ||
        show(repo, manifest, set, now, retyped, synced, err))
        return -1;
    if (how->repeated || how->tags_later)
        return 0;
    stl_event_push(repo, &manifest->digest, manifest->media_type.text, manifest->size, how->tags,
                   how->tag_count);
    stl_hook_after(repo, manifest, how->tags, how->tag_count);
    return 0;
}

/* In the order in which things come, but for the manifest, without which nothing of it is done. */
int stl_publish_is_done(const struct stl_repo *repo, const struct stl_manifest *manifest,
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
    snprintf(path, sizeof path, "_refs/%s", stl_digest_format(&manifest->digest, text));
    if ((repo->registry->settings.apache && faccessat(repo->fd, path, F_OK, AT_SYMLINK_NOFOLLOW)) ||
        faccessat(repo->fd, "tags/list", F_OK, AT_SYMLINK_NOFOLLOW) ||
        !stl_catalog_has(repo->registry, &repo->name))
        return 0;
    return stl_referrers_has(repo->fd, manifest, err);
}
