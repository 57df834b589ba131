#include "manifest-files.h"

#include <errno.h>
#include <string.h>

struct walk {
    int at;
    const char *path;
    size_t folder_length;
    int depth;
    stl_manifest_file_visit *visit;
    void *context;
};

static int visit_entry(void *context, const char *name, unsigned char type, struct stl_error *err);

/* What vanishes while we look, or is no folder, is passed over. */
static int walk_into(const struct walk *walk, struct stl_error *err)
{
    return stl_dir_each_if_any(walk->at, walk->path, visit_entry, (void *)walk, err);
}

static int visit_file(const struct walk *walk, const char *name, struct stl_error *err)
{
    struct stl_error ignored = STL_ERROR_INIT;
    struct stl_manifest_file file;
    STL_AUTO_FREE char *path = stl_sprintf("%s/%s", walk->path, name);
    if (stl_digest_parse(name, &file.digest, &ignored) ||
        stl_media_type_parse(walk->path + walk->folder_length + 1, &file.media_type, &ignored))
        return 0;
    file.path = path;
    return walk->visit(walk->context, &file, err);
}

static int visit_entry(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    const struct walk *walk = context;
    (void)type;
    if (walk->depth == 2)
        return visit_file(walk, name, err);
    STL_AUTO_FREE char *path = stl_sprintf("%s/%s", walk->path, name);
    struct walk inner = *walk;
    inner.path = path;
    inner.depth++;
    return walk_into(&inner, err);
}

int stl_manifest_files_each(int at, const char *folder, stl_manifest_file_visit *visit, void *context,
                            struct stl_error *err)
{
    const struct walk walk = {at, folder, strlen(folder), 0, visit, context};
    return walk_into(&walk, err);
}
