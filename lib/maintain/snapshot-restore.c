/* Sets the tags of a repository to what a snapshot says. */
#include "snapshot.h"

#include <errno.h>
#include <stdlib.h>

#include "publication.h"
#include "repo-make.h"
#include "restore.h"

struct wanted {
    struct stl_tagging *tags;
    size_t count;
};

static void wanted_clear(struct wanted *wanted)
{
    free(wanted->tags);
}

static int add_wanted(void *context, const struct stl_name *name, const struct stl_tag *tag,
                      const struct stl_digest *digest, struct stl_error *err)
{
    struct wanted *wanted = context;
    (void)name;
    (void)err;
    stl_grow(wanted->tags, wanted->count);
    wanted->tags[wanted->count++] = (struct stl_tagging){.tag = *tag, .digest = *digest};
    return 0;
}

/* The manifests come first, in any order: nobody sees them before a tag leads there. */
static int bring_manifests(const struct wanted *wanted, const struct stl_repo *repo, const char *folder,
                           struct stl_snapshot_restored *restored, struct stl_error *err)
{
    STL_AUTO_RESTORE struct stl_restore restore = {0};
    if (stl_restore_begin(&restore, repo, folder, err))
        return -1;
    for (size_t i = 0; i < wanted->count; i++)
        if (stl_restore_want(&restore, &wanted->tags[i].digest, err))
            return stl_error_context(err, "%s:%s", repo->name.text, wanted->tags[i].tag.text);
    if (stl_restore_publish(&restore, err))
        return -1;
    restored->manifests += restore.restored.manifests;
    return 0;
}

static int set_snapshot_tags(const struct wanted *wanted, const struct stl_repo *repo, bool keep,
                             struct stl_snapshot_restored *restored, struct stl_error *err)
{
    STL_AUTO_PUBLICATION struct stl_publication publication = STL_PUBLICATION_INIT;
    struct stl_publication_replaced replaced;
    stl_publication_begin(&publication, repo);
    for (size_t i = 0; i < wanted->count; i++)
        stl_publication_set_tag(&publication, &wanted->tags[i].tag, &wanted->tags[i].digest, false);
    if (stl_publication_replace(&publication, keep, &replaced, err))
        return -1;
    restored->set += replaced.set;
    restored->removed += replaced.removed;
    return 0;
}

int stl_snapshot_restore(const struct stl_registry *registry, const char *snapshot,
                         const struct stl_name *name, bool keep, struct stl_snapshot_restored *restored,
                         struct stl_error *err)
{
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
    __attribute__((cleanup(wanted_clear))) struct wanted wanted = {0};
    STL_AUTO_FREE char *flat = stl_path_flatten(stl_strdup(name->text));
    STL_AUTO_FREE char *folder = stl_sprintf(STL_SNAPSHOTS "/%s/%s/" STL_REPO_MANIFESTS, snapshot, flat);
    if (stl_snapshot_tags(registry, snapshot, name, add_wanted, &wanted, err)) {
        if (err->sys_errno == ENOENT)
            stl_error_set(err, STL_NAME_UNKNOWN, "snapshot '%s' has no repository '%s'", snapshot,
                          name->text);
        return -1;
    }
    if (stl_repo_make(&repo, registry, name, err) || bring_manifests(&wanted, &repo, folder, restored, err) ||
        set_snapshot_tags(&wanted, &repo, keep, restored, err))
        return -1;
    return 0;
}
