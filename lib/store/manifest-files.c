#include "manifest-files.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

struct manifest_walk {
    int at;
    const char *path;
    size_t folder_length;
    int depth;
    const char *only; /* the only file wanted in each folder, or NULL */
    stl_manifest_file_visit *visit;
    void *context;
};

static int visit_entry(void *context, const char *name, unsigned char type, struct stl_error *err);

static int visit_manifest_file(const struct manifest_walk *walk, const char *name, struct stl_error *err);

/* Folders that vanish meanwhile, and entries that are not folders, are skipped. */
static int walk_into(const struct manifest_walk *walk, struct stl_error *err)
{
    if (walk->depth == 2 && walk->only) {
        STL_AUTO_FREE char *path = stl_sprintf("%s/%s", walk->path, walk->only);
        if (faccessat(walk->at, path, F_OK, AT_SYMLINK_NOFOLLOW))
            return errno == ENOENT || errno == ENOTDIR ? 0 : stl_error_errno(err, "cannot look for %s", path);
        return visit_manifest_file(walk, walk->only, err);
    }
    return stl_dir_each_if_any(walk->at, walk->path, visit_entry, (void *)walk, err);
}

static int visit_manifest_file(const struct manifest_walk *walk, const char *name, struct stl_error *err)
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
    const struct manifest_walk *walk = context;
    (void)type;
    if (walk->depth == 2)
        return visit_manifest_file(walk, name, err);
    STL_AUTO_FREE char *path = stl_sprintf("%s/%s", walk->path, name);
    struct manifest_walk inner = *walk;
    inner.path = path;
    inner.depth++;
    return walk_into(&inner, err);
}

int stl_manifest_files_each(int at, const char *folder, stl_manifest_file_visit *visit, void *context,
                            struct stl_error *err)
{
    const struct manifest_walk walk = {at, folder, strlen(folder), 0, NULL, visit, context};
    return walk_into(&walk, err);
}

int stl_manifest_files_of(int at, const char *folder, const struct stl_digest *digest,
                          stl_manifest_file_visit *visit, void *context, struct stl_error *err)
{
    char text[STL_DIGEST_TEXT_MAX];
    const struct manifest_walk walk = {at,    folder, strlen(folder), 0, stl_digest_format(digest, text),
                                       visit, context};
    return walk_into(&walk, err);
}
