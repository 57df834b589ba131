/* Finds out which blobs a repository needs. */
#include "gc-run.h"

#include <dirent.h>
#include <string.h>

#include "gc.h"
#include "trash.h"

/* Folders, each of which has a folder of manifests: <parent>/<entry>/<folder>. */
struct holders {
    int root;
    struct stl_reachable *reachable;
    const char *parent, *folder;
};

static int mark_holder(void *context, const char *entry, unsigned char type, struct stl_error *err)
{
    const struct holders *holders = context;
    if (type != DT_DIR && type != DT_UNKNOWN)
        return 0;
    STL_AUTO_FREE char *folder = stl_sprintf("%s/%s/%s", holders->parent, entry, holders->folder);
    return stl_reachable_add(holders->reachable, holders->root, folder, NULL, err);
}

static int mark_holders(const struct holders *holders, struct stl_error *err)
{
    return stl_dir_each_if_any(holders->root, holders->parent, mark_holder, (void *)holders, err);
}

/* In the order in which a manifest moves when it is deleted, so that it is found in at least one place; then
 * everything that keeps manifests wherever they are: snapshots and replicas (lib/replica/replica.h). */
int stl_gc_mark(const struct gc *gc, const struct stl_name *name, struct gc_marks *reachable,
                struct stl_error *err)
{
    char trash[STL_PATH_MAX];
    int root = gc->registry->root.fd;
    STL_AUTO_FREE char *own = stl_sprintf(STL_V2 "/%s/" STL_REPO_MANIFESTS, name->text);
    if (stl_reachable_add(&reachable->all, root, own, &reachable->own, err))
        return -1;
    if (!reachable->own_blobs)
        reachable->own_blobs = reachable->all.blobs.count;
    if (stl_reachable_add(&reachable->all, root, stl_path_flat(STL_TRASH_MANIFESTS, name, trash), NULL, err))
        return -1;
    STL_AUTO_FREE char *kept = stl_sprintf("%s/" STL_REPO_MANIFESTS, strrchr(trash, '/') + 1);
    const struct holders snapshots = {root, &reachable->all, STL_SNAPSHOTS, kept};
    const struct holders replicas = {root, &reachable->all, STL_TMP, own};
    if (mark_holders(&snapshots, err))
        return -1;
    return mark_holders(&replicas, err);
}
