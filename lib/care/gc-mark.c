/* Which blobs a repository needs. */
#include "gc-internal.h"

#include <dirent.h>
#include <string.h>

#include "trash.h"

/* Folders, each of which has a folder of manifests: <parent>/<entry>/<folder>. */
struct holders {
    int root;
    struct stl_marks *marks;
    const char *parent, *folder;
};

static int mark_holder(void *context, const char *entry, unsigned char type, struct stl_error *err)
{
    const struct holders *holders = context;
    if (type != DT_DIR && type != DT_UNKNOWN)
        return 0;
    STL_AUTO_FREE char *folder = stl_sprintf("%s/%s/%s", holders->parent, entry, holders->folder);
    return stl_marks_add(holders->marks, holders->root, folder, NULL, err);
}

static int mark_holders(const struct holders *holders, struct stl_error *err)
{
    return stl_dir_each_if_any(holders->root, holders->parent, mark_holder, (void *)holders, err);
}

/* In the order in which a manifest travels when it is deleted, so that it is met in one place at least; then
 * what holds on to manifests wherever they are: snapshots, and pictures (lib/care/picture.h). */
int stl_gc_mark(const struct gc *gc, const struct stl_name *name, struct gc_marks *marks,
                struct stl_error *err)
{
    char trash[STL_PATH_MAX];
    int root = gc->registry->root.fd;
    STL_AUTO_FREE char *own = stl_sprintf("www/v2/%s/_manifests", name->text);
    if (stl_marks_add(&marks->all, root, own, &marks->own, err))
        return -1;
    if (!marks->own_blobs)
        marks->own_blobs = marks->all.blobs.count;
    if (stl_marks_add(&marks->all, root, stl_trash_path("manifests", name, trash), NULL, err))
        return -1;
    STL_AUTO_FREE char *kept = stl_sprintf("%s/_manifests", strrchr(trash, '/') + 1);
    const struct holders snapshots = {root, &marks->all, "snapshots", kept};
    const struct holders pictures = {root, &marks->all, "tmp", own};
    return mark_holders(&snapshots, err) || mark_holders(&pictures, err) ? -1 : 0;
}
