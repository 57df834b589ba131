#include "snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "manifest-files.h"
#include "repo-contents.h"

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
    char *last; /* snapshots/<previous snapshot>; or NULL */
    struct stl_snapshot_size *size;
};

/* Not durable: a snapshot is synced as a whole at the end. */
static int enter_folder(int at, const char *name, struct stl_error *err)
{
    if (mkdirat(at, name, 0750) && errno != EEXIST)
        return stl_error_errno(err, "cannot make folder %s of a snapshot", name);
    int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd >= 0 ? fd : stl_error_errno(err, "cannot open folder %s of a snapshot", name);
}

static int copy_manifest(const struct stl_repo *repo, const char *path, const struct stl_digest *digest,
                         int folder, const char *name, struct stl_error *err)
{
    STL_AUTO_BUF struct stl_buf bytes = STL_BUF_INIT;
    STL_AUTO_TEMP struct stl_temp temp = STL_TEMP_INIT;
    struct stl_digest found;
    if (stl_file_read(repo->fd, path, false, &bytes, err))
        return -1;
    stl_digest_of(digest->algorithm, bytes.data ? bytes.data : "", bytes.length, &found);
    if (!stl_digest_equal(&found, digest))
        return stl_error_set(err, STL_DAMAGED, "%s is damaged: run 'stillage verify --repair'", path);
    if (stl_temp_begin(&repo->registry->root, &temp, err))
        return -1;
    if (stl_write_all(temp.fd, bytes.data, bytes.length, err))
        return -1;
    if (stl_temp_link(&temp, folder, name, err) < 0)
        return -1;
    return 0;
}

/* A manifest that the previous snapshot has is linked from there. Files of www/ are never linked, since
 * stillage.cgi can write to them. */
static int keep_manifest(const struct making *making, const struct stl_repo *repo, int folder,
                         const struct stl_digest *digest, const char *type, struct stl_error *err)
{
    char text[STL_DIGEST_TEXT_MAX];
    STL_AUTO_FREE char *top = stl_strndup(type, strcspn(type, "/"));
    char path[STL_PATH_MAX];
    stl_path_manifest(type, digest, path);
    stl_digest_format(digest, text);
    STL_AUTO_CLOSE int outer = enter_folder(folder, top, err);
    STL_AUTO_CLOSE int inner = outer < 0 ? -1 : enter_folder(outer, type + strlen(top) + 1, err);
    if (inner < 0)
        return -1;
    STL_AUTO_FREE char *flat = stl_path_flatten(stl_strdup(repo->name.text));
    STL_AUTO_FREE char *before = making->last ? stl_sprintf("%s/%s/%s", making->last, flat, path) : NULL;
    if (before && linkat(making->registry->root.fd, before, inner, text, 0) == 0)
        return 0;
    return copy_manifest(repo, path, digest, inner, text, err);
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
    STL_AUTO_CLOSE int folder = enter_folder(making->stage, flat, err);
    STL_AUTO_CLOSE int tags = folder < 0 ? -1 : enter_folder(folder, STL_REPO_TAGS, err);
    STL_AUTO_CLOSE int manifests = tags < 0 ? -1 : enter_folder(folder, STL_REPO_MANIFESTS, err);
    if (manifests < 0 || link_tags(making, contents, tags, reached, err))
        return -1;
    stl_contents_reach(contents, reached, true);
    for (size_t i = 0; i < contents->digests.count; i++) {
        if (!reached[i])
            continue;
        if (keep_manifest(making, repo, manifests, &contents->digests.items[i],
                          contents->manifests[i].media_type, err))
            return -1;
        making->size->manifests++;
    }
    making->size->repositories++;
    return 0;
}

/* Under the lock no tag moves and no manifest is deleted; one that a push has just added is not reached from
 * a tag. */
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
    STL_AUTO_CLOSE int snapshots = stl_dir_make(root, root->fd, STL_SNAPSHOTS, err);
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

/* The caller frees. */
static char *find_last(const struct stl_registry *registry, struct stl_error *err)
{
    STL_AUTO_NAMES struct stl_names names = {0};
    struct timespec newest = {0, 0};
    char *last = NULL;
    if (stl_snapshot_list(registry, &names, err))
        return NULL;
    for (size_t i = 0; i < names.count; i++) {
        STL_AUTO_FREE char *path = stl_sprintf(STL_SNAPSHOTS "/%s", names.items[i]);
        struct stat st;
        if (fstatat(registry->root.fd, path, &st, AT_SYMLINK_NOFOLLOW) || st.st_mtim.tv_sec < newest.tv_sec)
            continue;
        newest = st.st_mtim;
        free(last);
        last = stl_steal(path);
    }
    return last;
}

int stl_snapshot_create(const struct stl_registry *registry, const char *snapshot,
                        struct stl_snapshot_size *size,
                        void (*progress)(void *context, uint64_t done, uint64_t total), void *context,
                        struct stl_error *err)
{
    __attribute__((cleanup(stl_stage_end))) struct stl_stage stage = STL_STAGE_INIT;
    STL_AUTO_NAMES struct stl_names names = {0};
    *size = (struct stl_snapshot_size){0};
    if (check_name(snapshot, err) || stl_repos_list(registry, &names, err) ||
        stl_stage_begin(&registry->root, &stage, err))
        return -1;
    STL_AUTO_FREE char *last = find_last(registry, err);
    const struct making making = {registry, stage.fd, last, size};
    if (err->code)
        return -1;
    for (size_t i = 0; i < names.count; i++) {
        struct stl_name name;
        if (progress)
            progress(context, i, names.count);
        if (stl_name_parse(names.items[i], &name, err) || add_repository(&making, &name, err))
            return stl_error_context(err, "%s", names.items[i]);
    }
    return put_into_place(registry, &stage, snapshot, err);
}

/* Moved out of sight in one step, then removed, by us or by whatever sweeps tmp/ next. */
int stl_snapshot_remove(const struct stl_registry *registry, const char *snapshot, struct stl_error *err)
{
    __attribute__((cleanup(stl_stage_end))) struct stl_stage stage = STL_STAGE_INIT;
    STL_AUTO_CLOSE int snapshots = -1;
    if (check_name(snapshot, err))
        return -1;
    snapshots = stl_dir_open(registry->root.fd, STL_SNAPSHOTS, err);
    if (snapshots >= 0 && stl_stage_take_away(&registry->root, snapshots, snapshot, &stage, err) == 0)
        return stl_dir_sync(snapshots, err);
    return err->sys_errno == ENOENT ? stl_error_set(err, STL_INVALID, "there is no snapshot '%s'", snapshot)
                                    : -1;
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
    if (stl_dir_each_if_any(registry->root.fd, STL_SNAPSHOTS, note_name, snapshots, err))
        return -1;
    stl_names_sort(snapshots);
    return 0;
}

int stl_snapshot_names(const struct stl_registry *registry, const char *snapshot, struct stl_names *names,
                       struct stl_error *err)
{
    STL_AUTO_FREE char *path = stl_sprintf(STL_SNAPSHOTS "/%s", snapshot);
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

static int visit_tag(const struct tag_walk *walk, const char *text, struct stl_error *err)
{
    struct stl_error ignored = STL_ERROR_INIT;
    struct stl_digest digest;
    struct stl_tag tag;
    char target[STL_DIGEST_TEXT_MAX];
    STL_AUTO_FREE char *path = stl_sprintf("%s/%s", walk->folder, text);
    if (stl_tag_parse(text, &tag, &ignored))
        return 0;
    if (stl_link_read(walk->registry->root.fd, path, target, sizeof target))
        return errno == EINVAL || errno == ENOENT ? 0 : stl_error_errno(err, "cannot read %s", path);
    if (stl_digest_parse(target, &digest, &ignored))
        return 0;
    return walk->visit(walk->context, walk->name, &tag, &digest, err);
}

int stl_snapshot_tags(const struct stl_registry *registry, const char *snapshot, const struct stl_name *name,
                      stl_snapshot_visit *visit, void *context, struct stl_error *err)
{
    STL_AUTO_FREE char *flat = stl_path_flatten(stl_strdup(name->text));
    STL_AUTO_FREE char *folder = stl_sprintf(STL_SNAPSHOTS "/%s/%s/" STL_REPO_TAGS, snapshot, flat);
    const struct tag_walk walk = {registry, name, folder, visit, context};
    STL_AUTO_NAMES struct stl_names tags = {0};
    int result = stl_dir_each(registry->root.fd, folder, note_name, &tags, err);
    stl_names_sort(&tags);
    for (size_t i = 0; i < tags.count && result == 0; i++)
        result = visit_tag(&walk, tags.items[i], err);
    return result;
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
    STL_AUTO_FREE char *path = stl_sprintf(STL_SNAPSHOTS "/%s", snapshot);
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
            stl_sprintf("%s/%s/" STL_REPO_MANIFESTS, path, stl_path_flatten(names.items[i]));
        if (stl_manifest_files_each(registry->root.fd, manifests, count_manifest, size, err))
            return -1;
    }
    return 0;
}
