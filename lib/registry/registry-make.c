/* Making a registry: used by the command line only, since it looks up users and groups by name. */
#include "registry.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "listing.h"
#include "referrers.h"
#include "reserve.h"
#include "secret.h"

int stl_registry_wanted_modes(const struct stl_registry *registry, struct stl_root *wanted,
                              struct stl_error *err)
{
    const char *name = registry->settings.group;
    *wanted = (struct stl_root){registry->root.fd, name ? 0640 : 0644, name ? 0750 : 0755, (gid_t)-1};
    struct group *group = name ? getgrnam(name) : NULL;
    if (name && !group)
        return stl_error_set(err, STL_INVALID, "registry.yaml: there is no group '%s'", name);
    if (group)
        wanted->group = group->gr_gid;
    return 0;
}

/* All that a first try, which was killed, may have left; what ends with '/' may hold more of these. */
static const char *const ours[] = {
    "auth/",   "imports/",       "locks/",        "locks/content/", "locks/lists/",    "log/",
    "store/",  "store/sha256/",  "store/sha512/", "tmp/",           "trash/",          "uploads/",
    "www/",    "www/index.html", "www/v2/",       "www/v2/_ping",   "www/v2/_catalog", "www/v2/_no_referrers",
    "reserve/"};

struct place {
    int root;
    const char *target; /* what the user calls the registry */
    const char *folder; /* "", or "www/" */
};

static bool is_temporary(const char *path)
{
    return !strncmp(path, "tmp/", 4) && strspn(path + 4, "0123456789abcdef") == strlen(path + 4);
}

static int check_entry(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    const struct place *place = context;
    STL_AUTO_FREE char *path = stl_sprintf("%s%s", place->folder, name);
    STL_AUTO_FREE char *folder = stl_sprintf("%s/", path);
    const struct place inner = {place->root, place->target, folder};
    (void)type;
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) {
        if (!strcmp(ours[i], path))
            return 0;
        if (!strcmp(ours[i], folder))
            return stl_dir_each(place->root, path, check_entry, (void *)&inner, err);
    }
    if (is_temporary(path))
        return 0;
    if (!strcmp(path, "registry.yaml"))
        return stl_error_set(err, STL_INVALID, "%s is a registry already", place->target);
    return stl_error_set(err, STL_INVALID,
                         "%s is not empty (it holds %s): choose an empty or a new directory", place->target,
                         path);
}

static int make_skeleton(struct stl_registry *registry, struct stl_error *err)
{
    static const char *const open_to_server[] = {"www/v2", "store/sha256", "store/sha512"};
    static const char *const private[] = {"uploads", "tmp",   "locks/content", "locks/lists",
                                          "log",     "trash", "imports",       "reserve"};
    int fd = registry->root.fd;
    struct stl_root door = stl_secret_door(registry);
    STL_AUTO_CLOSE int auth = stl_dir_make(&door, fd, "auth", err);
    if (auth < 0)
        return -1;
    for (size_t i = 0; i < sizeof open_to_server / sizeof *open_to_server; i++) {
        STL_AUTO_CLOSE int made = stl_dir_make(&registry->root, fd, open_to_server[i], err);
        if (made < 0)
            return -1;
    }
    for (size_t i = 0; i < sizeof private / sizeof *private; i++) {
        STL_AUTO_CLOSE int made = stl_dir_make(&registry->root, fd, private[i], err);
        if (made < 0)
            return -1;
    }
    return 0;
}

static int fill(struct stl_registry *registry, const char *settings_text, const char *page,
                struct stl_error *err)
{
    const struct stl_root *root = &registry->root;
    if (make_skeleton(registry, err))
        return -1;
    STL_AUTO_CLOSE int www = stl_dir_open(root->fd, "www", err);
    STL_AUTO_CLOSE int v2 = www < 0 ? -1 : stl_dir_open(www, "v2", err);
    if (v2 < 0)
        return -1;
    if (stl_file_put(root, www, "index.html", page, strlen(page), err) ||
        stl_file_put(root, v2, "_ping", "{}", 2, err) ||
        stl_file_put(root, v2, "_catalog", STL_CATALOG_EMPTY, strlen(STL_CATALOG_EMPTY), err) ||
        stl_file_put(root, v2, "_no_referrers", STL_REFERRERS_EMPTY, strlen(STL_REFERRERS_EMPTY), err) ||
        stl_dir_sync(www, err) || stl_dir_sync(v2, err))
        return -1;
    if (stl_file_put(root, root->fd, "registry.yaml", settings_text, strlen(settings_text), err))
        return -1;
    return stl_dir_sync(root->fd, err);
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
    if (mkdir(path, 0755) && errno != EEXIST)
        return stl_error_errno(err, "cannot make directory %s", path);
    registry.root.fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (registry.root.fd < 0)
        return stl_error_errno(err, "cannot open %s", path);
    const struct place top = {registry.root.fd, path, ""};
    if (stl_dir_each(registry.root.fd, ".", check_entry, (void *)&top, err) ||
        stl_settings_parse(&registry.settings, "registry.yaml", settings_text, strlen(settings_text), err) ||
        stl_registry_wanted_modes(&registry, &registry.root, err) ||
        fill(&registry, settings_text, page, err))
        return -1;
    stl_reserve_fill(&registry);
    return sync_parent(path, err);
}

char *stl_registry_owner(const struct stl_registry *registry)
{
    struct stat st;
    if (fstat(registry->root.fd, &st) || st.st_uid == geteuid())
        return NULL;
    struct passwd *user = getpwuid(st.st_uid);
    return user ? stl_strdup(user->pw_name) : stl_sprintf("user %u", (unsigned)st.st_uid);
}
