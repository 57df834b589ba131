#include "repos.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void stl_names_clear(struct stl_names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->items[i]);
    free(names->items);
    *names = (struct stl_names){0};
}

void stl_names_add(struct stl_names *names, const char *name)
{
    stl_grow(names->items, names->count);
    names->items[names->count++] = stl_strdup(name);
}

int stl_names_add_flat(void *names, const char *flat, unsigned char type, struct stl_error *err)
{
    struct stl_name name;
    (void)type;
    (void)err;
    if (stl_path_unflatten(flat, &name))
        stl_names_add(names, name.text);
    return 0;
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void stl_names_sort(struct stl_names *names)
{
    size_t kept = 0;
    if (names->count)
        qsort(names->items, names->count, sizeof *names->items, compare);
    for (size_t i = 0; i < names->count; i++) {
        if (kept && !strcmp(names->items[kept - 1], names->items[i]))
            free(names->items[i]);
        else
            names->items[kept++] = names->items[i];
    }
    names->count = kept;
}

bool stl_repos_is_folder(const char *name)
{
    static const char *const folders[] = {"_manifests", "manifests", "blobs", "referrers", "tags", "_refs"};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        if (!strcmp(name, folders[i]))
            return true;
    return false;
}

struct walk {
    int directory;
    const char *name;        /* of this folder; "" at the top */
    struct stl_names *names; /* NULL: sweep */
    time_t before;
    bool is_repository;
};

static int visit(void *context, const char *entry, unsigned char type, struct stl_error *err);

/* A folder that vanishes while we walk is no error. */
static int walk_into(int at, const char *entry, const char *name, const struct walk *outer,
                     struct stl_error *err)
{
    STL_AUTO_CLOSE int directory = openat(at, entry, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (directory < 0)
        return errno == ENOENT || errno == ENOTDIR || errno == ELOOP
                   ? 0
                   : stl_error_errno(err, "cannot open www/v2/%s", name);
    struct walk walk = {directory, name, outer->names, outer->before, false};
    struct stat st;
    bool idle = !outer->names && fstat(directory, &st) == 0 && st.st_mtime < outer->before;
    if (stl_dir_each(directory, ".", visit, &walk, err))
        return -1;
    if (walk.is_repository && walk.names)
        stl_names_add(walk.names, name);
    if (idle && *name)
        unlinkat(at, entry, AT_REMOVEDIR); /* fails unless it is empty */
    return 0;
}

static int visit(void *context, const char *entry, unsigned char type, struct stl_error *err)
{
    struct walk *walk = context;
    struct stl_error ignored = STL_ERROR_INIT;
    struct stl_name checked;
    if (type != DT_DIR && type != DT_UNKNOWN)
        return 0;
    if (stl_repos_is_folder(entry)) {
        walk->is_repository = *walk->name != '\0';
        return 0;
    }
    STL_AUTO_FREE char *name = *walk->name ? stl_sprintf("%s/%s", walk->name, entry) : stl_strdup(entry);
    return stl_name_parse(name, &checked, &ignored) ? 0 : walk_into(walk->directory, entry, name, walk, err);
}

int stl_repos_list(const struct stl_registry *registry, struct stl_names *names, struct stl_error *err)
{
    const struct walk walk = {.names = names};
    if (walk_into(registry->root.fd, "www/v2", "", &walk, err))
        return -1;
    stl_names_sort(names);
    return 0;
}

int stl_repos_sweep(const struct stl_registry *registry, time_t before, struct stl_error *err)
{
    const struct walk walk = {.before = before};
    return walk_into(registry->root.fd, "www/v2", "", &walk, err);
}
