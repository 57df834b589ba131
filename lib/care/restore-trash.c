/* Restoring from the trash. */
#include "restore.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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
    bool has_digest; /* the manifest that is asked for is there */
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

/* By tag, the newest first: the path ends with the time, whose digits are as many for centuries. */
static int compare(const void *a, const void *b)
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

/* What the repository has again needs no place in the trash. */
static int forget(void *context, const struct stl_trash_item *item, struct stl_error *err)
{
    const struct stl_repo *repo = context;
    struct stl_error ignored = STL_ERROR_INIT;
    struct stl_media_type type;
    if (!item->tag.text[0] && stl_manifest_type(repo, &item->digest, &type, &ignored) == 0 &&
        unlinkat(repo->registry->root.fd, item->path, 0) && errno != ENOENT)
        return stl_error_errno(err, "cannot remove %s", item->path);
    return 0;
}

static int restore_tags(struct stl_restore *restore, struct trashed *trashed, struct stl_error *err)
{
    for (size_t i = 0; i < trashed->count; i++) {
        struct candidate *candidate = &trashed->tags[i];
        bool older = i > 0 && !strcmp(trashed->tags[i - 1].tag.text, candidate->tag.text);
        if (older)
            continue;
        if (stl_restore_publish(restore, &candidate->digest, &candidate->tag, err)) {
            if (trashed->reference || err->code != STL_CONFLICT)
                return -1;
            stl_error_clear(err); /* of all tags, those whose name is free */
            continue;
        }
        candidate->restored = true;
    }
    return 0;
}

/* The tags come last: as long as they are there, whoever was killed is able to do all of it again. */
static int empty_trash(const struct stl_repo *repo, const struct trashed *trashed, struct stl_error *err)
{
    if (stl_trash_each(repo->registry, &repo->name, forget, (void *)repo, err))
        return -1;
    for (size_t i = 0; i < trashed->count; i++)
        if (trashed->tags[i].restored && unlinkat(repo->registry->root.fd, trashed->tags[i].path, 0) &&
            errno != ENOENT)
            return stl_error_errno(err, "cannot remove %s", trashed->tags[i].path);
    return 0;
}

static int restore_all(const struct stl_registry *registry, const struct stl_name *name,
                       struct trashed *trashed, bool force, struct stl_restored *restored,
                       struct stl_error *err)
{
    char folder[STL_PATH_MAX];
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
    STL_AUTO_RESTORE struct stl_restore restore = {0};
    if (stl_repo_make(&repo, registry, name, err) ||
        stl_restore_begin(&restore, &repo, stl_trash_path("manifests", name, folder), err))
        return -1;
    restore.guard = force ? NULL : refuse_to_move;
    int result = trashed->has_digest ? stl_restore_publish(&restore, &trashed->reference->digest, NULL, err)
                                     : restore_tags(&restore, trashed, err);
    *restored = restore.restored;
    return result || stl_restore_sync(&restore, err) || empty_trash(&repo, trashed, err) ? -1 : 0;
}

int stl_restore_from_trash(const struct stl_registry *registry, const struct stl_name *name,
                           const struct stl_reference *reference, bool force, struct stl_restored *restored,
                           struct stl_error *err)
{
    __attribute__((cleanup(trashed_clear))) struct trashed trashed = {.reference = reference};
    *restored = (struct stl_restored){0, 0};
    if (stl_trash_each(registry, name, visit, &trashed, err))
        return -1;
    if (trashed.count)
        qsort(trashed.tags, trashed.count, sizeof *trashed.tags, compare);
    if (trashed.count || trashed.has_digest)
        return restore_all(registry, name, &trashed, force, restored, err);
    return stl_error_set(err, STL_MANIFEST_UNKNOWN,
                         "the trash has nothing of that kind of %s: see 'stillage trash ls'", name->text);
}
