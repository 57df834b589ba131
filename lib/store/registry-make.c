/* Making a registry: used by the command line only, since it looks up users and groups by name. */
#include "registry.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth-secrets.h"
#include "listing.h"
#include "page.h"
#include "referrers.h"
#include "reserve.h"

int stl_registry_wanted_modes(const struct stl_registry *registry, struct stl_root *wanted,
                              struct stl_error *err)
{
    const char *name = registry->settings.group;
    *wanted = (struct stl_root){.fd = registry->root.fd,
                                .file_mode = name ? 0640 : 0644,
                                .directory_mode = name ? 0750 : 0755,
                                .group = (gid_t)-1};
    struct group *group = name ? getgrnam(name) : NULL;
    if (name && !group)
        return stl_error_set(err, STL_INVALID,
                             "there is no group '%s' on this machine: create it, or give another", name);
    if (group)
        wanted->group = group->gr_gid;
    return 0;
}

struct new_registry {
    int root;
    const char *target; /* the registry's path as given by the user */
    const char *folder; /* "", or "www/" */
};

static bool is_temporary(const char *path)
{
    return !strncmp(path, STL_TMP "/", strlen(STL_TMP "/")) &&
           strspn(path + strlen(STL_TMP "/"), "0123456789abcdef") == strlen(path + strlen(STL_TMP "/"));
}

static bool is_of_page(const char *path)
{
    const char *name;
    for (size_t i = 0; (name = stl_page_file(i, NULL)); i++)
        if (!strncmp(path, STL_WWW "/", strlen(STL_WWW "/")) && !strcmp(path + strlen(STL_WWW "/"), name))
            return true;
    return false;
}

/* A first attempt that was killed may have left some of it. */
static int check_entry(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    const struct new_registry *place = context;
    STL_AUTO_FREE char *path = stl_sprintf("%s%s", place->folder, name);
    STL_AUTO_FREE char *folder = stl_sprintf("%s/", path);
    const struct new_registry inner = {place->root, place->target, folder};
    (void)type;
    for (size_t i = 0; i < STL_TREE_ENTRIES; i++) {
        const struct stl_tree_entry *entry = &stl_tree_entries[i];
        if (entry->made && !strcmp(path, entry->path))
            return entry->folder ? stl_dir_each(place->root, path, check_entry, (void *)&inner, err) : 0;
    }
    if (is_temporary(path) || is_of_page(path))
        return 0;
    return stl_error_set(err, STL_INVALID,
                         "%s is not empty (it holds %s): choose an empty or a new directory", place->target,
                         path);
}

static int check_folder(int fd, const char *path, struct stl_error *err)
{
    const struct new_registry top = {fd, path, ""};
    if (faccessat(fd, STL_SETTINGS_FILE, F_OK, 0) == 0)
        return stl_error_set(
            err, STL_INVALID,
            "%s is a registry already: 'stillage ls -r %s' lists what it holds; its settings "
            "are in %s/registry.yaml",
            path, path, path);
    return stl_dir_each(fd, ".", check_entry, (void *)&top, err);
}

int stl_registry_make_folders(const struct stl_registry *registry, struct stl_error *err)
{
    struct stl_root searchable = stl_secret_searchable(registry);
    for (size_t i = 0; i < STL_TREE_ENTRIES; i++) {
        const struct stl_tree_entry *entry = &stl_tree_entries[i];
        if (!entry->folder || !entry->made)
            continue;
        const struct stl_root *root = strcmp(entry->path, STL_AUTH) ? &registry->root : &searchable;
        STL_AUTO_CLOSE int made = stl_dir_make(root, registry->root.fd, entry->path, err);
        if (made < 0)
            return -1;
    }
    return 0;
}

static int fill(struct stl_registry *registry, const char *settings_text, const char *page,
                struct stl_error *err)
{
    const struct stl_root *root = &registry->root;
    if (stl_registry_make_folders(registry, err))
        return -1;
    STL_AUTO_CLOSE int www = stl_dir_open(root->fd, STL_WWW, err);
    STL_AUTO_CLOSE int v2 = www < 0 ? -1 : stl_dir_open(root->fd, STL_V2, err);
    if (v2 < 0)
        return -1;
    if (stl_file_put(root, www, STL_PAGE, page, strlen(page), err))
        return -1;
    if (stl_file_put(root, v2, STL_PING, "{}", 2, err))
        return -1;
    if (stl_listing_write(root, v2, NULL, NULL, 0, err))
        return -1;
    if (stl_file_put(root, v2, STL_NO_REFERRERS, STL_REFERRERS_EMPTY, strlen(STL_REFERRERS_EMPTY), err))
        return -1;
    if (stl_dir_sync(www, err))
        return -1;
    if (stl_dir_sync(v2, err))
        return -1;
    if (stl_file_put(root, root->fd, STL_SETTINGS_FILE, settings_text, strlen(settings_text), err))
        return -1;
    return stl_dir_sync(root->fd, err);
}

/* A folder that was there before may be open to others. */
static int close_to_others(int fd, struct stl_error *err)
{
    struct stat st;
    if (fstat(fd, &st) || ((st.st_mode & 022) && fchmod(fd, st.st_mode & 07755)))
        return stl_error_errno(err, "cannot set the mode of the registry's folder");
    return 0;
}

/* "a/b/c": syncs "a/b", in which c was just made. */
static int sync_parent(const char *path, struct stl_error *err)
{
    STL_AUTO_FREE char *copy = stl_sprintf("%s/..", path);
    STL_AUTO_CLOSE int fd = open(copy, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? stl_error_errno(err, "cannot open %s", copy) : stl_dir_sync(fd, err);
}

int stl_registry_make(const char *path, const char *settings_text, const char *page, struct stl_error *err)
{
    STL_AUTO_REGISTRY struct stl_registry registry = STL_REGISTRY_INIT;
    stl_settings_init(&registry.settings);
    if (mkdir(path, 0755) ? errno != EEXIST : chmod(path, 0755)) /* whatever the umask */
        return stl_error_errno(err, "cannot make directory %s", path);
    registry.root.fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (registry.root.fd < 0)
        return stl_error_errno(err, "cannot open %s", path);
    if (check_folder(registry.root.fd, path, err))
        return -1;
    if (stl_settings_parse(&registry.settings, STL_SETTINGS_FILE, settings_text, strlen(settings_text), err))
        return -1;
    if (close_to_others(registry.root.fd, err))
        return -1;
    if (stl_registry_wanted_modes(&registry, &registry.root, err))
        return -1;
    if (fill(&registry, settings_text, page, err))
        return -1;
    stl_reserve_fill(&registry);
    return sync_parent(path, err);
}
