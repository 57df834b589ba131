/* Restoring from the trash. */
#include "restore.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "publication.h"
#include "references.h"
#include "repo-make.h"
#include "trash.h"

/* A tag in the trash. */
struct candidate {
    struct stl_tag tag;
    struct stl_digest digest;
    char *path;
    bool restored;
};

struct trashed {
    const struct stl_reference *reference; /* or NULL */
    struct candidate *tags;
    size_t count;
    stl_tag_guard *guard; /* decides whether a tag may be set; or NULL */
    bool has_digest;      /* the requested manifest is there */
};

static void trashed_clear(struct trashed *trashed)
{
    for (size_t i = 0; i < trashed->count; i++)
        free(trashed->tags[i].path);
    free(trashed->tags);
}

static int visit(void *context, const struct stl_trash_item *item, struct stl_error *err)
{
    struct trashed *trashed = context;
    const struct stl_reference *reference = trashed->reference;
    (void)err;
    if (!item->tag.text[0]) {
        trashed->has_digest |=
            reference && reference->is_digest && stl_digest_equal(&reference->digest, &item->digest);
        return 0;
    }
    if (reference && (reference->is_digest || strcmp(reference->tag.text, item->tag.text)))
        return 0;
    stl_grow(trashed->tags, trashed->count);
    trashed->tags[trashed->count++] =
        (struct candidate){item->tag, item->digest, stl_strdup(item->path), false};
    return 0;
}

/* By tag, the newest first: the path ends with the time, whose number of digits will not change for
 * centuries. */
static int compare_trashed(const void *a, const void *b)
{
    const struct candidate *left = a, *right = b;
    int order = strcmp(left->tag.text, right->tag.text);
    return order ? order : strcmp(right->path, left->path);
}

static int refuse_to_move(void *context, const struct stl_repo *repo, const struct stl_tag *tag,
                          const struct stl_digest *current, const struct stl_digest *wanted,
                          struct stl_error *err)
{
    char text[STL_DIGEST_TEXT_MAX];
    (void)context;
    if (!current || stl_digest_equal(current, wanted))
        return 0;
    return stl_error_set(err, STL_CONFLICT, "%s:%s exists and is %s: --force moves it", repo->name.text,
                         tag->text, stl_digest_format(current, text));
}

/* Tags that the repository has again are removed from the trash. */
static int forget_item(void *context, const struct stl_trash_item *item, struct stl_error *err)
{
    const struct stl_repo *repo = context;
    struct stl_error ignored = STL_ERROR_INIT;
    struct stl_media_type type;
    if (item->tag.text[0])
        return 0;
    if (stl_manifest_type(repo, &item->digest, &type, &ignored))
        return ignored.sys_errno ? stl_error_set(err, ignored.code, "%s", ignored.message) : 0;
    if (unlinkat(repo->registry->root.fd, item->path, 0) && errno != ENOENT)
        return stl_error_errno(err, "cannot remove %s", item->path);
    return 0;
}

/* Whether the tag may be set: returns 1; 0 if it exists and points elsewhere, which is ignored if all tags
 * are restored; or -1. */
static int is_free(const struct stl_repo *repo, const struct trashed *trashed,
                   const struct candidate *candidate, struct stl_error *err)
{
    struct stl_digest current;
    int exists = stl_tag_resolve_if_any(repo, &candidate->tag, &current, err);
    if (exists <= 0 || !trashed->guard ||
        trashed->guard(NULL, repo, &candidate->tag, &current, &candidate->digest, err) == 0)
        return exists < 0 ? -1 : 1;
    if (trashed->reference)
        return -1;
    stl_error_clear(err);
    return 0;
}

/* Restores the newest of each tag, with everything that belongs to it. */
static int restore_manifests(struct stl_restore *restore, struct trashed *trashed, struct stl_error *err)
{
    for (size_t i = 0; i < trashed->count; i++) {
        struct candidate *candidate = &trashed->tags[i];
        bool older = i > 0 && !strcmp(trashed->tags[i - 1].tag.text, candidate->tag.text);
        int wanted = older ? 0 : is_free(restore->repo, trashed, candidate, err);
        if (wanted < 0 || (wanted && stl_restore_want(restore, &candidate->digest, err)))
            return -1;
        candidate->restored = wanted;
    }
    return stl_restore_publish(restore, err);
}

static int set_restored_tags(struct stl_restore *restore, struct trashed *trashed, struct stl_error *err)
{
    STL_AUTO_PUBLICATION struct stl_publication publication = STL_PUBLICATION_INIT;
    stl_publication_begin(&publication, restore->repo);
    publication.guard = trashed->guard;
    restore->restored.tags = 0;
    for (size_t i = 0; i < trashed->count; i++) {
        struct candidate *candidate = &trashed->tags[i];
        int wanted = candidate->restored ? is_free(restore->repo, trashed, candidate, err) : 0;
        if (wanted < 0)
            return -1;
        candidate->restored = wanted;
        restore->restored.tags += (size_t)wanted;
        if (wanted)
            stl_publication_set_tag(&publication, &candidate->tag, &candidate->digest, false);
    }
    return stl_publication_commit(&publication, err);
}

static int restore_manifest(struct stl_restore *restore, const struct stl_digest *digest,
                            struct stl_error *err)
{
    if (stl_restore_want(restore, digest, err))
        return -1;
    return stl_restore_publish(restore, err);
}

static int restore_tags(struct stl_restore *restore, struct trashed *trashed, struct stl_error *err)
{
    if (restore_manifests(restore, trashed, err))
        return -1;
    while (set_restored_tags(restore, trashed, err)) {
        if (trashed->reference || err->code != STL_CONFLICT)
            return -1;
        stl_error_clear(err); /* one of them has just been pushed */
    }
    return 0;
}

/* The tags are removed last: as long as they are in the trash, a restore that was killed can be repeated. */
static int empty_trash(const struct stl_repo *repo, const struct trashed *trashed, struct stl_error *err)
{
    if (stl_trash_each(repo->registry, &repo->name, forget_item, (void *)repo, err))
        return -1;
    for (size_t i = 0; i < trashed->count; i++)
        if (trashed->tags[i].restored && unlinkat(repo->registry->root.fd, trashed->tags[i].path, 0) &&
            errno != ENOENT)
            return stl_error_errno(err, "cannot remove %s", trashed->tags[i].path);
    return 0;
}

static int restore_all(const struct stl_registry *registry, const struct stl_name *name,
                       struct trashed *trashed, const struct stl_actor *actor, struct stl_restored *restored,
                       struct stl_error *err)
{
    char folder[STL_PATH_MAX];
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
    STL_AUTO_RESTORE struct stl_restore restore = {0};
    if (stl_repo_make(&repo, registry, name, err))
        return -1;
    repo.actor = actor;
    if (stl_restore_begin(&restore, &repo, stl_path_flat(STL_TRASH_MANIFESTS, name, folder), err))
        return -1;
    int result = trashed->has_digest ? restore_manifest(&restore, &trashed->reference->digest, err)
                                     : restore_tags(&restore, trashed, err);
    *restored = restore.restored;
    return result || empty_trash(&repo, trashed, err) ? -1 : 0;
}

int stl_restore_from_trash(const struct stl_registry *registry, const struct stl_name *name,
                           const struct stl_reference *reference, bool force, const struct stl_actor *actor,
                           struct stl_restored *restored, struct stl_error *err)
{
    __attribute__((cleanup(trashed_clear))) struct trashed trashed = {.reference = reference,
                                                                      .guard = force ? NULL : refuse_to_move};
    *restored = (struct stl_restored){0, 0};
    if (stl_trash_each(registry, name, visit, &trashed, err))
        return -1;
    if (trashed.count)
        qsort(trashed.tags, trashed.count, sizeof *trashed.tags, compare_trashed);
    if (trashed.count || trashed.has_digest)
        return restore_all(registry, name, &trashed, actor, restored, err);
    return stl_error_set(
        err, STL_MANIFEST_UNKNOWN,
        "the trash has no such tag or manifest of repository '%s': 'stillage trash ls' lists what it has",
        name->text);
}
