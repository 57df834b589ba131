/* Cleans the store: removes files that no repository and no trash links any more. */
#include "gc-run.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "gc.h"
#include "reserve.h"

enum { LOCK_MILLISECONDS = 1000 };

/* Files of one folder that are linked nowhere else. */
struct store_folder {
    struct gc *gc;
    const char *algorithm, *name; /* store/<algorithm>/<name> */
    int fd;
    char **names;
    size_t count;
};

static void folder_clear(struct store_folder *folder)
{
    for (size_t i = 0; i < folder->count; i++)
        free(folder->names[i]);
    free(folder->names);
    stl_close_fd(&folder->fd);
}

static nlink_t unlinked(const struct gc *gc, const struct stl_digest *digest)
{
    size_t number;
    if (!gc->options->dry_run || !stl_digestset_find(&gc->touched, digest, &number))
        return 0;
    return gc->touches[number].unlinked;
}

/* Whether the store's link is the only one and nobody has claimed the blob lately (stl_store_claim): 1 or
 * 0, or -1 with err set. */
static int is_free(const struct store_folder *folder, const char *name, struct stat *st,
                   struct stl_error *err)
{
    struct stl_error ignored = STL_ERROR_INIT;
    struct stl_digest digest;
    STL_AUTO_FREE char *text = stl_sprintf("%s:%s", folder->algorithm, name);
    if (stl_digest_parse(text, &digest, &ignored))
        return 0;
    if (fstatat(folder->fd, name, st, AT_SYMLINK_NOFOLLOW))
        return errno == ENOENT ? 0 : stl_error_errno(err, "cannot look at %s in the store", text);
    if (!S_ISREG(st->st_mode))
        return 0;
    nlink_t gone = unlinked(folder->gc, &digest);
    return st->st_nlink - gone == 1 && (gone || stl_gc_is_old(folder->gc, &digest, st));
}

static int look_at(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    struct store_folder *folder = context;
    struct stat st;
    (void)type;
    int wanted = is_free(folder, name, &st, err);
    if (wanted <= 0)
        return wanted;
    if (folder->gc->options->dry_run) {
        folder->gc->result->freed.count++;
        folder->gc->result->freed.bytes += (uint64_t)st.st_size;
        return 0;
    }
    stl_grow(folder->names, folder->count);
    folder->names[folder->count++] = stl_strdup(name);
    return 0;
}

/* Under the lock, nobody has found a blob here and is about to link it: one that still has a single link is
 * free. */
static int clean(const struct store_folder *folder, struct stl_error *err)
{
    const struct stl_name name = stl_store_lock_name(folder->name);
    STL_AUTO_CLOSE int lock =
        folder->count ? stl_reserve_lock(folder->gc->registry, STL_LOCK_STORE, &name, LOCK_MILLISECONDS, err)
                      : -1;
    if (lock < 0)
        return folder->count ? -1 : 0;
    for (size_t i = 0; i < folder->count; i++) {
        struct stat st;
        int wanted = is_free(folder, folder->names[i], &st, err);
        if (wanted < 0)
            return -1;
        if (wanted == 0)
            continue;
        if (unlinkat(folder->fd, folder->names[i], 0))
            return stl_error_errno(err, "cannot remove %s from the store", folder->names[i]);
        folder->gc->result->freed.count++;
        folder->gc->result->freed.bytes += (uint64_t)st.st_size;
    }
    return 0;
}

struct algorithm {
    struct gc *gc;
    const char *name;
};

static int visit_folder(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    const struct algorithm *algorithm = context;
    (void)type;
    STL_AUTO_FREE char *path = stl_sprintf(STL_STORE "/%s/%s", algorithm->name, name);
    __attribute__((cleanup(folder_clear))) struct store_folder folder = {
        .gc = algorithm->gc,
        .algorithm = algorithm->name,
        .name = name,
        .fd =
            openat(algorithm->gc->registry->root.fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)};
    if (folder.fd < 0)
        return errno == ENOTDIR || errno == ENOENT ? 0 : stl_error_errno(err, "cannot open %s", path);
    if (stl_dir_each_here(folder.fd, look_at, &folder, err))
        return -1;
    int result = clean(&folder, err);
    if (result == 0 || err->code != STL_UNAVAILABLE)
        return result;
    stl_gc_report(algorithm->gc, path, err);
    return 0;
}

int stl_gc_store(struct gc *gc, struct stl_error *err)
{
    for (int i = STL_SHA256; i <= STL_SHA512; i++) {
        struct algorithm algorithm = {gc, stl_algorithm_name((enum stl_algorithm)i)};
        STL_AUTO_FREE char *path = stl_sprintf(STL_STORE "/%s", algorithm.name);
        if (stl_dir_each(gc->registry->root.fd, path, visit_folder, &algorithm, err))
            return -1;
    }
    return 0;
}
