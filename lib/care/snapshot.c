#include "snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "contents.h"
#include "manifest-files.h"

static int check_name(const char *snapshot, struct stl_error *err)
{
    struct stl_tag tag;
    if (stl_tag_parse(snapshot, &tag, err))
        return stl_error_context(err, "the name of a snapshot has the form of a tag");
    return 0;
}

/* --- making --------------------------------------------------------------------------------------------- */

struct making {
    const struct stl_registry *registry;
    int stage;
    struct stl_snapshot_size *size;
};

/* Not durable: all of a snapshot is synced at its end. */
static int enter(int at, const char *name, struct stl_error *err)
{
    if (mkdirat(at, name, 0750) && errno != EEXIST)
        return stl_error_errno(err, "cannot make folder %s of a snapshot", name);
    int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd >= 0 ? fd : stl_error_errno(err, "cannot open folder %s of a snapshot", name);
}

static int link_manifest(const struct stl_repo *repo, int folder, const struct stl_digest *digest,
                         const char *type, struct stl_error *err)
{
    char text[STL_DIGEST_TEXT_MAX];
    STL_AUTO_FREE char *top = stl_strndup(type, strcspn(type, "/"));
    STL_AUTO_FREE char *from = stl_sprintf("_manifests/%s/%s", type, stl_digest_format(digest, text));
    STL_AUTO_CLOSE int outer = enter(folder, top, err);
    STL_AUTO_CLOSE int inner = outer < 0 ? -1 : enter(outer, type + strlen(top) + 1, err);
    if (inner < 0)
        return -1;
    return linkat(repo->fd, from, inner, text, 0)
               ? stl_error_errno(err, "cannot link %s of %s", from, repo->name.text)
               : 0;
}

static int link_tags(const struct making *making, const struct stl_contents *contents, int tags,
                     bool *reached, struct stl_error *err)
{
    for (size_t i = 0; i < contents->tag_count; i++) {
        char text[STL_DIGEST_TEXT_MAX];
        const struct stl_held_tag *held = &contents->tags[i];
        size_t number = stl_contents_find(contents, &held->digest);
        if (number == STL_NOT_HELD)
            continue;
        reached[number] = true;
        if (symlinkat(stl_digest_format(&held->digest, text), tags, held->tag.text))
            return stl_error_errno(err, "cannot link tag %s of a snapshot", held->tag.text);
        making->size->tags++;
    }
    return 0;
}

static int link_repository(const struct making *making, const struct stl_repo *repo,
                           const struct stl_contents *contents, struct stl_error *err)
{
    STL_AUTO_FREE char *flat = stl_path_flatten(stl_strdup(repo->name.text));
    STL_AUTO_FREE bool *reached = stl_alloc(contents->digests.count);
    STL_AUTO_CLOSE int folder = enter(making->stage, flat, err);
    STL_AUTO_CLOSE int tags = folder < 0 ? -1 : enter(folder, "tags", err);
    STL_AUTO_CLOSE int manifests = tags < 0 ? -1 : enter(folder, "_manifests", err);
    if (manifests < 0 || link_tags(making, contents, tags, reached, err))
        return -1;
    stl_contents_reach(contents, reached, true);
    for (size_t i = 0; i < contents->digests.count; i++) {
        if (!reached[i])
            continue;
        if (link_manifest(repo, manifests, &contents->digests.items[i], contents->manifests[i].media_type,
                          err))
            return -1;
        making->size->manifests++;
    }
    making->size->repositories++;
    return 0;
}

/* Under the lock no tag moves and no manifest goes; one that a push has just added is reached from no tag. */
static int add_repository(const struct making *making, const struct stl_name *name, struct stl_error *err)
{
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
    STL_AUTO_CONTENTS struct stl_contents contents = {0};
    STL_AUTO_CLOSE int lists = stl_registry_lock(making->registry, STL_LOCK_LISTS, name, true, err);
    if (lists < 0)
        return -1;
    int found = stl_repo_open_if_any(&repo, making->registry, name, err);
    if (found <= 0 || stl_contents_load(&contents, &repo, err))
        return found > 0 ? -1 : found;
    return contents.tag_count ? link_repository(making, &repo, &contents, err) : 0;
}

static int put_into_place(const struct stl_registry *registry, struct stl_stage *stage, const char *snapshot,
                          struct stl_error *err)
{
    const struct stl_root *root = &registry->root;
    STL_AUTO_CLOSE int snapshots = stl_dir_make(root, root->fd, "snapshots", err);
    if (snapshots < 0)
        return -1;
    if (syncfs(root->fd))
        return stl_error_errno(err, "cannot sync a snapshot");
    if (renameat2(root->fd, stage->name, snapshots, snapshot, RENAME_NOREPLACE)) {
        if (errno == EEXIST)
            return stl_error_set(err, STL_CONFLICT, "there is a snapshot '%s' already", snapshot);
        return stl_error_errno(err, "cannot put snapshot %s into its place", snapshot);
    }
    stage->name[0] = '\0';
    return stl_dir_sync(snapshots, err);
}

int stl_snapshot_create(const struct stl_registry *registry, const char *snapshot,
                        struct stl_snapshot_size *size, struct stl_error *err)
{
    __attribute__((cleanup(stl_stage_end))) struct stl_stage stage = STL_STAGE_INIT;
    STL_AUTO_NAMES struct stl_names names = {0};
    *size = (struct stl_snapshot_size){0};
    if (check_name(snapshot, err) || stl_repos_list(registry, &names, err) ||
        stl_stage_begin(&registry->root, &stage, err))
        return -1;
    const struct making making = {registry, stage.fd, size};
    for (size_t i = 0; i < names.count; i++) {
        struct stl_name name;
        if (stl_name_parse(names.items[i], &name, err) || add_repository(&making, &name, err))
            return stl_error_context(err, "%s", names.items[i]);
    }
    return put_into_place(registry, &stage, snapshot, err);
}

/* Out of sight in one step, and then removed, by whoever sweeps tmp/ if not by us. */
int stl_snapshot_remove(const struct stl_registry *registry, const char *snapshot, struct stl_error *err)
{
    __attribute__((cleanup(stl_stage_end))) struct stl_stage stage = STL_STAGE_INIT;
    STL_AUTO_FREE char *path = stl_sprintf("snapshots/%s", snapshot);
    if (check_name(snapshot, err) || stl_stage_begin(&registry->root, &stage, err))
        return -1;
    if (renameat(registry->root.fd, path, stage.fd, snapshot) == 0)
        return 0;
    if (errno == ENOENT)
        return stl_error_set(err, STL_INVALID, "there is no snapshot '%s'", snapshot);
    return stl_error_errno(err, "cannot remove snapshot %s", snapshot);
}

/* --- looking -------------------------------------------------------------------------------------------- */

static int note_name(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    (void)type;
    (void)err;
    stl_names_add(context, name);
    return 0;
}

int stl_snapshot_list(const struct stl_registry *registry, struct stl_names *snapshots, struct stl_error *err)
{
    if (stl_dir_each_if_any(registry->root.fd, "snapshots", note_name, snapshots, err))
        return -1;
    stl_names_sort(snapshots);
    return 0;
}

int stl_snapshot_names(const struct stl_registry *registry, const char *snapshot, struct stl_names *names,
                       struct stl_error *err)
{
    STL_AUTO_FREE char *path = stl_sprintf("snapshots/%s", snapshot);
    if (check_name(snapshot, err))
        return -1;
    if (stl_dir_each(registry->root.fd, path, stl_names_add_flat, names, err)) {
        if (err->sys_errno == ENOENT)
            stl_error_set(err, STL_INVALID, "there is no snapshot '%s'", snapshot);
        return -1;
    }
    stl_names_sort(names);
    return 0;
}

struct tag_walk {
    const struct stl_registry *registry;
    const struct stl_name *name;
    const char *folder;
    stl_snapshot_visit *visit;
    void *context;
};

static int visit_tag(void *context, const char *text, unsigned char type, struct stl_error *err)
{
    const struct tag_walk *walk = context;
    struct stl_error ignored = STL_ERROR_INIT;
    struct stl_digest digest;
    struct stl_tag tag;
    char target[STL_DIGEST_TEXT_MAX];
    (void)type;
    STL_AUTO_FREE char *path = stl_sprintf("%s/%s", walk->folder, text);
    if (stl_tag_parse(text, &tag, &ignored) ||
        stl_link_read(walk->registry->root.fd, path, target, sizeof target) ||
        stl_digest_parse(target, &digest, &ignored))
        return 0;
    return walk->visit(walk->context, walk->name, &tag, &digest, err);
}

int stl_snapshot_tags(const struct stl_registry *registry, const char *snapshot, const struct stl_name *name,
                      stl_snapshot_visit *visit, void *context, struct stl_error *err)
{
    STL_AUTO_FREE char *flat = stl_path_flatten(stl_strdup(name->text));
    STL_AUTO_FREE char *folder = stl_sprintf("snapshots/%s/%s/tags", snapshot, flat);
    struct tag_walk walk = {registry, name, folder, visit, context};
    return stl_dir_each(registry->root.fd, folder, visit_tag, &walk, err);
}

static int count_tag(void *context, const struct stl_name *name, const struct stl_tag *tag,
                     const struct stl_digest *digest, struct stl_error *err)
{
    (void)name;
    (void)tag;
    (void)digest;
    (void)err;
    ((struct stl_snapshot_size *)context)->tags++;
    return 0;
}

static int count_manifest(void *context, const struct stl_manifest_file *file, struct stl_error *err)
{
    (void)file;
    (void)err;
    ((struct stl_snapshot_size *)context)->manifests++;
    return 0;
}

int stl_snapshot_look(const struct stl_registry *registry, const char *snapshot, time_t *made,
                      struct stl_snapshot_size *size, struct stl_error *err)
{
    STL_AUTO_NAMES struct stl_names names = {0};
    STL_AUTO_FREE char *path = stl_sprintf("snapshots/%s", snapshot);
    struct stat st;
    *size = (struct stl_snapshot_size){0};
    if (stl_snapshot_names(registry, snapshot, &names, err))
        return -1;
    if (fstatat(registry->root.fd, path, &st, AT_SYMLINK_NOFOLLOW))
        return stl_error_errno(err, "cannot look at snapshot %s", snapshot);
    *made = st.st_mtime;
    size->repositories = names.count;
    for (size_t i = 0; i < names.count; i++) {
        struct stl_name name;
        if (stl_name_parse(names.items[i], &name, err) ||
            stl_snapshot_tags(registry, snapshot, &name, count_tag, size, err))
            return -1;
        STL_AUTO_FREE char *manifests =
            stl_sprintf("%s/%s/_manifests", path, stl_path_flatten(names.items[i]));
        if (stl_manifest_files_each(registry->root.fd, manifests, count_manifest, size, err))
            return -1;
    }
    return 0;
}
