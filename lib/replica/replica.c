#include "replica.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access.h"
#include "auth-secrets.h"
#include "listing.h"
#include "replica-run.h"
#include "users.h"

static void taking_clear(struct taking *taking)
{
    for (size_t i = 0; i < STL_REPLICA_LISTS; i++)
        if (taking->lists[i])
            fclose(taking->lists[i]);
    stl_names_clear(&taking->catalog);
    stl_close_fd(&taking->v2);
    stl_close_fd(&taking->store);
}

char *stl_replica_list_path(const struct stl_replica *replica, enum stl_replica_list list,
                            char path[STL_PATH_MAX])
{
    snprintf(path, STL_PATH_MAX, "%s/lists/%d", replica->stage.name, (int)list);
    return path;
}

/* --- outside the repositories --------------------------------------------------------------------------- */

static int write_staged(const struct taking *taking, const char *path, const char *text, mode_t mode,
                        struct stl_error *err)
{
    const struct stl_root *root = &taking->replica->registry->root;
    STL_AUTO_CLOSE int fd =
        openat(taking->replica->stage.fd, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || (root->group != (gid_t)-1 && fchown(fd, (uid_t)-1, root->group)) || fchmod(fd, mode))
        return stl_error_errno(err, "cannot create %s of a replica", path);
    return stl_write_all(fd, text, strlen(text), err);
}

static int add_catalog(struct taking *taking, struct stl_error *err)
{
    STL_AUTO_BUF struct stl_buf text = STL_BUF_INIT;
    if (stl_listing_render(NULL, (const char **)taking->catalog.items, taking->catalog.count, &text, err) ||
        write_staged(taking, STL_V2 "/" STL_CATALOG, text.data, taking->replica->registry->root.file_mode,
                     err))
        return -1;
    stl_replica_list_staged(taking, STL_REPLICA_CATALOG, STL_V2 "/" STL_CATALOG);
    return 0;
}

/* The fixed answers, and the files directly in www/. The replica has the fixed answers, so that they are not
 * removed. */
static int add_answer(struct taking *taking, const char *name, struct stl_error *err)
{
    STL_AUTO_FREE char *path = stl_sprintf(STL_V2 "/%s", name);
    if (linkat(taking->root, path, taking->v2, name, 0))
        return stl_error_errno(err, "cannot link %s into a replica", path);
    stl_replica_list_staged(taking, STL_REPLICA_CATALOG, path);
    return 0;
}

static int add_page(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    struct taking *taking = context;
    struct stat st;
    STL_AUTO_FREE char *path = stl_sprintf(STL_WWW "/%s", name);
    (void)type;
    (void)err;
    if (name[0] != '.' && fstatat(taking->root, path, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode))
        stl_replica_list_live(taking, STL_REPLICA_CATALOG, path);
    return 0;
}

/* The replica of a registry with users has no users, but must not let in anybody whom the registry keeps out:
 * an empty file of users is access control, too, and _closed tells servers that were set up before. */
static int add_closing(struct taking *taking, struct stl_error *err)
{
    const struct stl_root *root = &taking->replica->registry->root;
    struct stl_root searchable = stl_secret_searchable(taking->replica->registry);
    if (stl_secret_folders(&searchable, taking->replica->stage.fd, STL_AUTH, err) ||
        write_staged(taking, STL_AUTH_HTPASSWD, "", root->group == (gid_t)-1 ? 0600 : 0640, err) ||
        write_staged(taking, STL_V2 "/" STL_CLOSED, "", root->file_mode, err))
        return -1;
    stl_replica_list_staged(taking, STL_REPLICA_BASE, STL_AUTH_HTPASSWD);
    stl_replica_list_staged(taking, STL_REPLICA_BASE, STL_V2 "/" STL_CLOSED);
    return 0;
}

static int add_base(struct taking *taking, struct stl_error *err)
{
    if (write_staged(taking, STL_FROZEN, STL_REPLICA_REASON, taking->replica->registry->root.file_mode, err))
        return -1;
    stl_replica_list_staged(taking, STL_REPLICA_BASE, STL_FROZEN);
    for (size_t i = 0; i < STL_TREE_ENTRIES; i++) {
        const struct stl_tree_entry *entry = &stl_tree_entries[i];
        if (entry->folder && entry->made && strcmp(entry->path, STL_RESERVE) &&
            faccessat(taking->root, entry->path, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
            stl_replica_list_live(taking, STL_REPLICA_BASE, entry->path);
    }
    stl_replica_list_live(taking, STL_REPLICA_BASE, STL_SETTINGS_FILE);
    return stl_access_controlled(taking->replica->registry) ? add_closing(taking, err) : 0;
}

static int open_lists(struct taking *taking, struct stl_error *err)
{
    STL_AUTO_CLOSE int lists = stl_replica_enter(taking, taking->replica->stage.fd, "lists", err);
    for (int i = 0; i < STL_REPLICA_LISTS && lists >= 0; i++) {
        STL_AUTO_FREE char *name = stl_sprintf("%d", i);
        int fd = openat(lists, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        taking->lists[i] = fd < 0 ? NULL : fdopen(fd, "w");
        if (!taking->lists[i])
            return stl_error_errno(err, "cannot create a list of a replica");
    }
    return lists < 0 ? -1 : 0;
}

static int close_lists(struct taking *taking, struct stl_error *err)
{
    for (size_t i = 0; i < STL_REPLICA_LISTS; i++) {
        bool failed = ferror(taking->lists[i]);
        if (fclose(stl_steal(taking->lists[i])) || failed)
            return stl_error_errno(err, "cannot write a list of a replica");
    }
    return 0;
}

static int take_repositories(struct taking *taking, struct stl_error *err)
{
    STL_AUTO_NAMES struct stl_names names = {0};
    if (stl_repos_list(taking->replica->registry, &names, err))
        return -1;
    for (size_t i = 0; i < names.count; i++) {
        struct stl_name name;
        if (stl_name_parse(names.items[i], &name, err) || stl_replica_take_repository(taking, &name, err))
            return stl_error_context(err, "%s", names.items[i]);
    }
    return 0;
}

static int make_folders(struct taking *taking, struct stl_error *err)
{
    int stage = taking->replica->stage.fd;
    taking->v2 = stl_replica_enter_path(taking, stage, STL_V2, err);
    taking->store = taking->v2 < 0 ? -1 : stl_replica_enter(taking, stage, STL_STORE, err);
    for (int i = STL_SHA256; i <= STL_SHA512 && taking->store >= 0; i++) {
        STL_AUTO_CLOSE int folder =
            stl_replica_enter(taking, taking->store, stl_algorithm_name((enum stl_algorithm)i), err);
        if (folder < 0)
            return -1;
    }
    return taking->store < 0 ? -1 : 0;
}

static int take_replica(struct taking *taking, struct stl_error *err)
{
    if (make_folders(taking, err))
        return -1;
    if (open_lists(taking, err))
        return -1;
    if (add_base(taking, err))
        return -1;
    if (take_repositories(taking, err))
        return -1;
    if (add_catalog(taking, err))
        return -1;
    if (add_answer(taking, STL_PING, err))
        return -1;
    if (add_answer(taking, STL_NO_REFERRERS, err))
        return -1;
    if (stl_dir_each(taking->root, STL_WWW, add_page, taking, err))
        return -1;
    return close_lists(taking, err);
}

int stl_replica_take(struct stl_replica *replica, const struct stl_registry *registry, struct stl_error *err)
{
    __attribute__((cleanup(taking_clear))) struct taking taking = {
        .replica = replica, .root = registry->root.fd, .v2 = -1, .store = -1};
    *replica = (struct stl_replica)STL_REPLICA_INIT;
    replica->registry = registry;
    if (stl_stage_begin(&registry->root, &replica->stage, err) == 0 && take_replica(&taking, err) == 0)
        return 0;
    stl_replica_end(replica);
    return -1;
}

void stl_replica_end(struct stl_replica *replica)
{
    stl_stage_end(&replica->stage);
}

int stl_replica_is_whole(const struct stl_replica *replica, enum stl_replica_list list, bool *whole,
                         struct stl_error *err)
{
    char path[STL_PATH_MAX];
    char *entry = NULL;
    size_t size = 0;
    int root = replica->registry->root.fd;
    int fd = openat(root, stl_replica_list_path(replica, list, path), O_RDONLY | O_CLOEXEC);
    FILE *names = fd < 0 ? NULL : fdopen(fd, "r");
    if (!names)
        return stl_error_errno(err, "cannot read %s", path);
    *whole = true;
    while (*whole && getdelim(&entry, &size, '\0', names) > 0)
        *whole = faccessat(root, entry, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
    fclose(names);
    free(entry);
    return 0;
}

int stl_replica_lock(const struct stl_registry *registry, const char *target, struct stl_error *err)
{
    int fd = stl_registry_lock_target(registry, STL_LOCKS_REPLICATE, target, err);
    if (fd < 0 && err->code == STL_UNAVAILABLE)
        stl_error_set(err, STL_UNAVAILABLE, "the registry is being replicated to %s already", target);
    return fd;
}
