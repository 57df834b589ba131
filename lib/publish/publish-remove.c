/* Removes tags, then manifests: the reverse order of publish-add.c. */
#include "publication.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "about.h"
#include "apache-file.h"
#include "consent.h"
#include "details.h"
#include "digestset.h"
#include "event.h"
#include "manifest-files.h"
#include "project-quota.h"
#include "publish-steps.h"
#include "recovery.h"
#include "references.h"
#include "referrers.h"
#include "trash.h"

/* What has to be known about a manifest that is removed. */
struct going_manifest {
    struct stl_media_type media_type;
    struct stl_digest subject;
    bool has_subject;
};

struct removal {
    const struct stl_publication *publication;
    const struct stl_repo *repo;
    struct stl_tagging *tags; /* those that the caller named and that exist, sorted; then others that point to
                                 the manifests */
    size_t tag_count, named;
    struct stl_digestset digests; /* of the manifests */
    struct going_manifest *manifests;
    size_t held;              /* how many manifests the repository has */
    struct stl_error missing; /* the last tag that does not exist */
};

static void removal_clear(struct removal *removal)
{
    free(removal->tags);
    free(removal->manifests);
    stl_digestset_clear(&removal->digests);
}

/* --- the files of a manifest ---------------------------------------------------------------------------- */

/* The files of a manifest: the one under its media type is kept or goes to the trash, others are deleted. */
struct remains {
    const struct stl_repo *repo;
    const struct stl_media_type *kept;
    bool trash; /* move the file of type `kept` to the trash; otherwise leave it */
};

static int remove_manifest_file(void *context, const struct stl_manifest_file *file, struct stl_error *err)
{
    const struct remains *remains = context;
    if (!strcmp(remains->kept->text, file->media_type.text))
        return remains->trash ? stl_trash_manifest(remains->repo, &file->media_type, &file->digest, err) : 0;
    return unlinkat(remains->repo->fd, file->path, 0) && errno != ENOENT
               ? stl_error_errno(err, "cannot remove %s", file->path)
               : 0;
}

static int remove_manifest(const struct stl_repo *repo, const struct stl_digest *digest,
                           const struct going_manifest *going, struct stl_error *err)
{
    char path[STL_PATH_MAX], target[STL_TARGET_MAX], text[STL_DIGEST_TEXT_MAX];
    struct remains remains = {repo, &going->media_type, true};
    stl_digest_format(digest, text);
    if (going->has_subject &&
        stl_referrers_remove(&repo->registry->root, repo->fd, &going->subject, digest, err))
        return -1;
    if (stl_manifest_target(repo, digest, target, err))
        return -1;
    if (stl_apache_file_remove(repo, text, err))
        return -1;
    if (stl_apache_files_sync(repo, err))
        return -1;
    if (stl_trash_doom_manifest(repo, &going->media_type, digest, err))
        return -1;
    if (unlinkat(repo->fd, stl_path_reference(text, path), 0))
        return stl_error_errno(err, "cannot remove %s", path);
    if (stl_repo_sync_folder(repo, STL_REPO_LINKS, err))
        return -1;
    /* Without its link the manifest is unknown, and the deletion could not be repeated. */
    while (stl_manifest_files_of(repo->fd, STL_REPO_MANIFESTS, digest, remove_manifest_file, &remains, err))
        if (!stl_reserve_use(repo->registry, err))
            return -1;
    *strrchr(target, '/') = '\0';
    return stl_repo_sync_folder(repo, target + strlen("../"), err);
}

/* --- tags ----------------------------------------------------------------------------------------------- */

/* Apache's files go before the links: if the process is killed in between, it can be repeated as long as
 * these exist. */
static int remove_links(const struct removal *removal, struct stl_error *err)
{
    const struct stl_repo *repo = removal->repo;
    for (size_t i = 0; i < removal->tag_count; i++) {
        char text[STL_DIGEST_TEXT_MAX];
        stl_publish_touch(repo, stl_digest_format(&removal->tags[i].digest, text));
    }
    for (size_t i = 0; i < removal->tag_count; i++)
        if (stl_apache_file_remove(repo, removal->tags[i].tag.text, err))
            return -1;
    if (stl_apache_files_sync(repo, err) || stl_trash_tags(repo, removal->tags, removal->tag_count, err))
        return -1;
    return stl_repo_sync_folder(repo, STL_REPO_LINKS, err);
}

/* Puts tags that still exist back on the list. Errors are ignored. */
static void list_again(const struct removal *removal, int directory)
{
    const struct stl_repo *repo = removal->repo;
    size_t left = 0;
    STL_AUTO_FREE const char **names = stl_alloc(removal->tag_count * sizeof *names);
    struct stl_error ignored = STL_ERROR_INIT;
    for (size_t i = 0; i < removal->tag_count; i++) {
        struct stl_digest digest;
        if (stl_tag_resolve(repo, &removal->tags[i].tag, &digest, &ignored) == 0)
            names[left++] = removal->tags[i].tag.text;
    }
    stl_listing_add(&repo->registry->root, directory, &repo->name, names, left, &ignored);
}

/* Only the list takes space, so it comes first. */
static int remove_tags(const struct removal *removal, struct stl_error *err)
{
    const struct stl_repo *repo = removal->repo;
    STL_AUTO_FREE const char **names = stl_alloc(removal->tag_count * sizeof *names);
    STL_AUTO_CLOSE int directory = stl_dir_open(repo->fd, STL_REPO_TAGS, err);
    int64_t left;
    if (directory < 0)
        return -1;
    for (size_t i = 0; i < removal->tag_count; i++)
        names[i] = removal->tags[i].tag.text;
    while (stl_listing_remove(&repo->registry->root, directory, &repo->name, names, removal->tag_count, &left,
                              err) < 0)
        if (!stl_reserve_use(repo->registry, err))
            return -1;
    if (remove_links(removal, err) == 0) {
        stl_details_untagged(repo, names, removal->tag_count, left);
        return 0;
    }
    list_again(removal, directory);
    return -1;
}

static int compare_tags(const void *a, const void *b)
{
    const struct stl_tagging *left = a, *right = b;
    return strcmp(left->tag.text, right->tag.text);
}

/* For stl_dir_each_file() over manifests/: looks for tags that point to one of the manifests. */
static int find_pointing_tag(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    struct removal *removal = context;
    struct stl_error ignored = STL_ERROR_INIT;
    char path[STL_PATH_MAX], target[STL_TARGET_MAX];
    struct stl_tagging tagging = {0};
    size_t number;
    (void)type;
    if (strchr(name, ':')) {
        removal->held++;
        return 0;
    }
    if (stl_link_read(removal->repo->fd, stl_path_reference(name, path), target, sizeof target))
        return errno == ENOENT || errno == EINVAL ? 0 : stl_error_errno(err, "cannot read %s", path);
    if (stl_digest_parse(target, &tagging.digest, &ignored) ||
        !stl_digestset_find(&removal->digests, &tagging.digest, &number))
        return 0;
    if (stl_tag_parse(name, &tagging.tag, err))
        return -1;
    if (removal->named && bsearch(&tagging, removal->tags, removal->named, sizeof tagging, compare_tags))
        return 0;
    stl_grow(removal->tags, removal->tag_count);
    removal->tags[removal->tag_count++] = tagging;
    return 0;
}

int stl_publish_drop_other_types(const struct stl_repo *repo, const struct stl_manifest *manifest,
                                 struct stl_error *err)
{
    const struct remains remains = {repo, &manifest->media_type, false};
    __attribute__((cleanup(removal_clear))) struct removal search = {.repo = repo};
    size_t number;
    stl_digestset_add(&search.digests, &manifest->digest, &number);
    if (repo->registry->settings.apache &&
        stl_dir_each_file(repo->fd, STL_REPO_LINKS, find_pointing_tag, &search, err))
        return -1;
    for (size_t i = 0; i < search.tag_count; i++)
        if (stl_apache_file_put(repo, search.tags[i].tag.text, &manifest->media_type, &manifest->digest, err))
            return -1;
    if (search.tag_count && stl_apache_files_sync(repo, err))
        return -1;
    return stl_manifest_files_of(repo->fd, STL_REPO_MANIFESTS, &manifest->digest, remove_manifest_file,
                                 (void *)&remains, err);
}

/* --- the steps ------------------------------------------------------------------------------------------ */

static int find_tags(struct removal *removal, struct stl_error *err)
{
    const struct stl_publication *publication = removal->publication;
    for (size_t i = 0; i < publication->gone_count; i++) {
        struct stl_tagging tagging = {.tag = publication->gone[i]};
        if (stl_tag_resolve(removal->repo, &tagging.tag, &tagging.digest, err)) {
            if (err->code != STL_MANIFEST_UNKNOWN)
                return -1;
            removal->missing = *err;
            stl_error_clear(err);
            continue;
        }
        stl_grow(removal->tags, removal->tag_count);
        removal->tags[removal->tag_count++] = tagging;
    }
    removal->named = removal->tag_count;
    if (removal->named)
        qsort(removal->tags, removal->named, sizeof *removal->tags, compare_tags);
    return 0;
}

static int find_manifests(struct removal *removal, struct stl_error *err)
{
    const struct stl_publication *publication = removal->publication;
    removal->manifests = stl_alloc(publication->doomed_count * sizeof *removal->manifests);
    for (size_t i = 0, number; i < publication->doomed_count; i++) {
        STL_AUTO_BUF struct stl_buf bytes = STL_BUF_INIT;
        STL_AUTO_MANIFEST struct stl_manifest manifest = {0};
        if (!stl_digestset_add(&removal->digests, &publication->doomed[i], &number))
            continue;
        if (stl_manifest_load(removal->repo, &publication->doomed[i], &bytes, &manifest, err)) {
            if (err->code == STL_MANIFEST_UNKNOWN)
                stl_recover_manifest(removal->repo,
                                     &publication->doomed[i]); /* otherwise verify would restore the link */
            return -1;
        }
        removal->manifests[number] =
            (struct going_manifest){manifest.media_type, manifest.subject, manifest.has_subject};
    }
    return publication->doomed_count
               ? stl_dir_each_file(removal->repo->fd, STL_REPO_LINKS, find_pointing_tag, removal, err)
               : 0;
}

static int ask(const struct removal *removal, struct stl_error *err)
{
    const struct stl_publication *publication = removal->publication;
    size_t added = 0;
    for (size_t i = 0; i < removal->tag_count; i++)
        if (stl_may_change_tag(removal->repo, &removal->tags[i].tag, &removal->tags[i].digest, NULL,
                               publication->guard, publication->guard_context, &added, err))
            return -1;
    return stl_may_lose(removal->repo, removal->digests.items, removal->digests.count, err);
}

/* A repository without manifests is not in the catalog, unless it was created as such. */
static int remove_from_catalog(const struct removal *removal, struct stl_error *err)
{
    const struct stl_repo *repo = removal->repo;
    while (stl_catalog_remove(repo->registry, &repo->name, err))
        if (!stl_reserve_use(repo->registry, err))
            return -1;
    return 0;
}

static int remove_all(const struct removal *removal, struct stl_error *err)
{
    const struct stl_repo *repo = removal->repo;
    bool emptied = removal->digests.count && removal->digests.count == removal->held;
    int about = emptied ? stl_about_find(repo->fd, err) : 1;
    if (about < 0 || (!about && remove_from_catalog(removal, err)))
        return -1;
    while (removal->tag_count && remove_tags(removal, err))
        if (!stl_reserve_use(repo->registry, err))
            return -1;
    for (size_t i = 0; i < removal->named; i++)
        stl_event_delete(repo, &removal->tags[i].tag, NULL);
    for (size_t i = 0; i < removal->digests.count; i++) {
        const struct stl_digest *digest = &removal->digests.items[i];
        while (remove_manifest(repo, digest, &removal->manifests[i], err))
            if (!stl_reserve_use(repo->registry, err))
                return -1;
        if (removal->manifests[i].has_subject)
            stl_details_referrer_gone(repo, digest);
        stl_event_delete(repo, NULL, digest);
    }
    stl_project_note_less(repo->registry, &repo->name);
    return 0;
}

int stl_publish_remove(struct stl_publication *publication, struct stl_error *err)
{
    __attribute__((cleanup(removal_clear))) struct removal removal = {
        .publication = publication, .repo = publication->repo, .missing = STL_ERROR_INIT};
    if (find_tags(&removal, err))
        return -1;
    if (find_manifests(&removal, err))
        return -1;
    if (ask(&removal, err))
        return -1;
    if (remove_all(&removal, err))
        return -1;
    *err = removal.missing;
    return removal.missing.code ? -1 : 0;
}
