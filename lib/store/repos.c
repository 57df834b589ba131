#include "repos.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
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

void stl_names_sort(struct stl_names *names)
{
    size_t kept = 0;
    if (names->count)
        qsort(names->items, names->count, sizeof *names->items, stl_compare_strings);
    for (size_t i = 0; i < names->count; i++) {
        if (kept && !strcmp(names->items[kept - 1], names->items[i]))
            free(names->items[i]);
        else
            names->items[kept++] = names->items[i];
    }
    names->count = kept;
}

struct repository_walk {
    int directory;
    const char *name; /* the name that this folder's path spells; "" at the top */
    struct stl_names *names;
    time_t before;      /* sweep folders older than this; 0: none */
    bool is_repository; /* it has a folder that only repositories have */
    bool has_files;     /* it holds something other than folders, like a repository's manifests/ */
};

static int visit(void *context, const char *entry, unsigned char type, struct stl_error *err);

/* On ext4, XFS and tmpfs a folder has two links and one for each folder in it; elsewhere always one. */
static bool has_no_folder(const struct stat *st)
{
    return st->st_nlink == 2;
}

/* It is no error if a folder vanishes meanwhile. Whatever is not a folder counts as a folder with files. */
static int walk_into(int at, const char *entry, const char *name, struct repository_walk *outer,
                     struct stl_error *err)
{
    bool is_ours = *outer->name && stl_layout_may_nest(entry, strlen(entry));
    bool known = is_ours && outer->is_repository;
    struct stat st = {0};
    if (known && fstatat(at, entry, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode) &&
        has_no_folder(&st))
        return 0;
    STL_AUTO_CLOSE int directory = openat(at, entry, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (directory < 0) {
        outer->has_files |= errno == ENOTDIR || errno == ELOOP;
        return errno == ENOENT || errno == ENOTDIR || errno == ELOOP
                   ? 0
                   : stl_error_errno(err, "cannot open www/v2/%s", name);
    }
    struct repository_walk walk = {
        .directory = directory, .name = name, .names = outer->names, .before = outer->before};
    if (walk.before && fstat(directory, &st))
        return stl_error_errno(err, "cannot look at www/v2/%s", name);
    walk.is_repository = *name && faccessat(directory, STL_REPO_MANIFESTS, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
    if (*name && !walk.is_repository && errno != ENOENT)
        return stl_error_errno(err, "cannot look into www/v2/%s", name);
    if (stl_dir_each_here(directory, visit, &walk, err))
        return -1;
    if (walk.is_repository)
        stl_names_add(walk.names, name);
    outer->is_repository |= is_ours && walk.has_files;
    if (walk.before && *name && !known && st.st_mtime < walk.before)
        unlinkat(at, entry, AT_REMOVEDIR); /* fails unless it is empty */
    return 0;
}

static int visit(void *context, const char *entry, unsigned char type, struct stl_error *err)
{
    struct repository_walk *walk = context;
    struct stl_error ignored = STL_ERROR_INIT;
    struct stl_name checked;
    if (type != DT_DIR && type != DT_UNKNOWN) {
        walk->has_files = true;
        return 0;
    }
    if (stl_layout_is_own(entry)) {
        walk->is_repository = *walk->name != '\0';
        return 0;
    }
    STL_AUTO_FREE char *name = *walk->name ? stl_sprintf("%s/%s", walk->name, entry) : stl_strdup(entry);
    return stl_name_parse(name, &checked, &ignored) ? 0 : walk_into(walk->directory, entry, name, walk, err);
}

int stl_repos_list(const struct stl_registry *registry, struct stl_names *names, struct stl_error *err)
{
    return stl_repos_sweep(registry, 0, names, err);
}

int stl_repos_sweep(const struct stl_registry *registry, time_t before, struct stl_names *names,
                    struct stl_error *err)
{
    struct repository_walk walk = {.name = "", .names = names, .before = before};
    if (walk_into(registry->root.fd, STL_V2, "", &walk, err))
        return -1;
    stl_names_sort(names);
    return 0;
}
