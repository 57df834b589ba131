/* Listing what is in the trash, and emptying it. */
#include "trash.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "manifest-files.h"

enum { DAMAGED_KEEP = 86400 }; /* minimum, in seconds */

struct trash_walk {
    const struct stl_registry *registry;
    struct stl_name name; /* whose folder is being read */
    const char *folder;
    stl_trash_visit *visit;
    void *context;
};

/* <tag>@<time> */
static int visit_tag(void *context, const char *text, unsigned char type, struct stl_error *err)
{
    const struct trash_walk *walk = context;
    struct stl_trash_item item = {.name = walk->name};
    struct stl_error ignored = STL_ERROR_INIT;
    char digest[STL_DIGEST_TEXT_MAX], *end;
    const char *at = strchr(text, '@');
    (void)type;
    if (!at)
        return 0;
    STL_AUTO_FREE char *path = stl_sprintf("%s/%s", walk->folder, text);
    STL_AUTO_FREE char *tag = stl_strndup(text, (size_t)(at - text));
    item.deleted = (time_t)strtoll(at + 1, &end, 10);
    if (*end != '.' || stl_tag_parse(tag, &item.tag, &ignored))
        return 0;
    if (stl_link_read(walk->registry->root.fd, path, digest, sizeof digest))
        return errno == ENOENT || errno == EINVAL ? 0 : stl_error_errno(err, "cannot read %s", path);
    if (stl_digest_parse(digest, &item.digest, &ignored))
        return 0;
    item.path = path;
    return walk->visit(walk->context, &item, err);
}

static int visit_manifest(void *context, const struct stl_manifest_file *file, struct stl_error *err)
{
    const struct trash_walk *walk = context;
    struct stat st;
    if (fstatat(walk->registry->root.fd, file->path, &st, AT_SYMLINK_NOFOLLOW))
        return errno == ENOENT ? 0 : stl_error_errno(err, "cannot look at %s", file->path);
    const struct stl_trash_item item = {.path = file->path,
                                        .name = walk->name,
                                        .digest = file->digest,
                                        .media_type = file->media_type,
                                        .size = st.st_size,
                                        .deleted = st.st_mtime};
    return walk->visit(walk->context, &item, err);
}

static int walk_tags(struct trash_walk *walk, struct stl_error *err)
{
    char folder[STL_PATH_MAX];
    walk->folder = stl_path_flat(STL_TRASH_TAGS, &walk->name, folder);
    return stl_dir_each_if_any(walk->registry->root.fd, folder, visit_tag, walk, err);
}

static int walk_manifests(struct trash_walk *walk, struct stl_error *err)
{
    char folder[STL_PATH_MAX];
    stl_path_flat(STL_TRASH_MANIFESTS, &walk->name, folder);
    return stl_manifest_files_each(walk->registry->root.fd, folder, visit_manifest, walk, err);
}

static int visit_tags_of(void *context, const char *flat, unsigned char type, struct stl_error *err)
{
    struct trash_walk *walk = context;
    (void)type;
    return stl_path_unflatten(flat, &walk->name) ? walk_tags(walk, err) : 0;
}

static int visit_manifests_of(void *context, const char *flat, unsigned char type, struct stl_error *err)
{
    struct trash_walk *walk = context;
    (void)type;
    return stl_path_unflatten(flat, &walk->name) ? walk_manifests(walk, err) : 0;
}

int stl_trash_each(const struct stl_registry *registry, const struct stl_name *name, stl_trash_visit *visit,
                   void *context, struct stl_error *err)
{
    struct trash_walk walk = {.registry = registry, .visit = visit, .context = context};
    int root = registry->root.fd;
    int result;
    if (name) {
        walk.name = *name;
        result = walk_tags(&walk, err);
        return result ? result : walk_manifests(&walk, err);
    }
    result = stl_dir_each_if_any(root, STL_TRASH_TAGS, visit_tags_of, &walk, err);
    if (result)
        return result;
    return stl_dir_each_if_any(root, STL_TRASH_MANIFESTS, visit_manifests_of, &walk, err);
}

/* --- emptying ------------------------------------------------------------------------------------------- */

struct emptying {
    const struct stl_registry *registry;
    time_t before;
    struct stl_swept *swept;
};

/* Removes a file, and the folders above it that are left empty, except "trash/<kind>". */
static int delete_path(const struct emptying *emptying, const char *path, int64_t size, struct stl_error *err)
{
    emptying->swept->count++;
    emptying->swept->bytes += (uint64_t)size;
    if (emptying->swept->dry_run)
        return 0;
    STL_AUTO_FREE char *copy = stl_strdup(path);
    if (unlinkat(emptying->registry->root.fd, path, 0) && errno != ENOENT)
        return stl_error_errno(err, "cannot remove %s", path);
    const char *kind_end = strchr(strchr(copy, '/') + 1, '/');
    for (char *slash; (slash = strrchr(copy, '/')) != kind_end;) {
        *slash = '\0';
        if (unlinkat(emptying->registry->root.fd, copy, AT_REMOVEDIR))
            break;
    }
    return 0;
}

static int empty_item(void *context, const struct stl_trash_item *item, struct stl_error *err)
{
    const struct emptying *emptying = context;
    return item->deleted < emptying->before ? delete_path(emptying, item->path, item->size, err) : 0;
}

static int empty_damaged(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    const struct emptying *emptying = context;
    struct stat st;
    (void)type;
    STL_AUTO_FREE char *path = stl_sprintf(STL_TRASH_DAMAGED "/%s", name);
    if (fstatat(emptying->registry->root.fd, path, &st, AT_SYMLINK_NOFOLLOW) || !S_ISREG(st.st_mode) ||
        st.st_ctime >= emptying->before)
        return 0;
    return delete_path(emptying, path, st.st_size, err);
}

int stl_trash_empty(const struct stl_registry *registry, int64_t keep, struct stl_swept *swept,
                    struct stl_error *err)
{
    struct emptying emptying = {registry, keep < 0 ? time(NULL) + 1 : time(NULL) - keep, swept};
    if (stl_trash_each(registry, NULL, empty_item, &emptying, err))
        return -1;
    emptying.before = time(NULL) - (keep > DAMAGED_KEEP ? keep : DAMAGED_KEEP);
    return stl_dir_each_if_any(registry->root.fd, STL_TRASH_DAMAGED, empty_damaged, &emptying, err);
}
