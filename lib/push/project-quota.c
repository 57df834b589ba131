#include "project-quota.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "digestset.h"
#include "repos.h"

static const char count_name[] = "count";
enum { RECOUNT_PAUSE = 60 }; /* seconds */

struct counter {
    int64_t bytes, recounted; /* recounted: seconds since 1970; 0: never */
};

const struct stl_project *stl_project_with_quota(const struct stl_registry *registry,
                                                 const struct stl_name *repository)
{
    const struct stl_project *project = stl_projects_of(&registry->settings.projects, repository->text);
    return project && project->size >= 0 ? project : NULL;
}

struct stl_name stl_project_lock_name(const struct stl_project *project)
{
    struct stl_name name = {{0}};
    memcpy(name.text, project->name, strlen(project->name));
    return name;
}

/* --- the file ------------------------------------------------------------------------------------------- */

static char *folder_of(const struct stl_project *project, char path[STL_PATH_MAX])
{
    struct stl_name name = stl_project_lock_name(project);
    return stl_path_flat(STL_LOG_QUOTA, &name, path);
}

/* A file that cannot be understood is none. */
static struct counter read_counter(int folder)
{
    STL_AUTO_BUF struct stl_buf text = {.ceiling = 64};
    struct stl_error ignored = STL_ERROR_INIT;
    struct counter counter = {-1, 0};
    if (stl_file_read(folder, count_name, false, &text, &ignored) || !text.data ||
        sscanf(text.data, "%" SCNd64 " %" SCNd64, &counter.bytes, &counter.recounted) != 2 ||
        counter.bytes < 0)
        return (struct counter){-1, 0};
    return counter;
}

static int write_counter(const struct stl_registry *registry, int folder, const struct counter *counter,
                         struct stl_error *err)
{
    char text[64];
    struct stl_root root = registry->root;
    root.file_mode &= 0640;
    int length = snprintf(text, sizeof text, "%" PRId64 " %" PRId64 "\n", counter->bytes, counter->recounted);
    return stl_file_put(&root, folder, count_name, text, (size_t)length, err) || stl_dir_sync(folder, err)
               ? -1
               : 0;
}

static int mark(int folder, const char *digest, int64_t size, struct stl_error *err)
{
    char target[32];
    snprintf(target, sizeof target, "%" PRId64, size);
    if (symlinkat(target, folder, digest) && errno != EEXIST)
        return stl_error_errno(err, "cannot count %s", digest);
    return 0;
}

static bool is_marked(int folder, const char *digest)
{
    struct stat st;
    return fstatat(folder, digest, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* --- counting ------------------------------------------------------------------------------------------- */

struct count {
    const struct stl_registry *registry;
    int blobs, folder; /* folder: where to mark what is found; -1: nowhere */
    struct stl_digestset seen;
    int64_t bytes;
};

static int count_blob(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    struct count *count = context;
    struct stl_error ignored = STL_ERROR_INIT;
    struct stl_digest digest;
    struct stat st;
    size_t number;
    (void)type;
    if (stl_digest_parse(name, &digest, &ignored) || fstatat(count->blobs, name, &st, AT_SYMLINK_NOFOLLOW) ||
        !stl_digestset_add(&count->seen, &digest, &number))
        return 0;
    count->bytes += st.st_size;
    return count->folder < 0 ? 0 : mark(count->folder, name, st.st_size, err);
}

static int count_repository(struct count *count, const char *name, struct stl_error *err)
{
    STL_AUTO_FREE char *path = stl_sprintf(STL_V2 "/%s/" STL_REPO_BLOBS, name);
    STL_AUTO_CLOSE int blobs = stl_dir_open(count->registry->root.fd, path, err);
    if (blobs < 0 && err->sys_errno == ENOENT) {
        stl_error_clear(err);
        return 0;
    }
    count->blobs = blobs;
    return blobs < 0 ? -1 : stl_dir_each_file(blobs, ".", count_blob, count, err);
}

static int count_project(struct count *count, const struct stl_project *project, struct stl_error *err)
{
    STL_AUTO_NAMES struct stl_names names = {0};
    if (stl_repos_list(count->registry, &names, err))
        return -1;
    for (size_t i = 0; i < names.count; i++)
        if (stl_projects_of(&count->registry->settings.projects, names.items[i]) == project &&
            count_repository(count, names.items[i], err))
            return -1;
    return 0;
}

static int forget_if_gone(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    const struct count *count = context;
    struct stl_error ignored = STL_ERROR_INIT;
    struct stl_digest digest;
    size_t number;
    (void)type;
    (void)err;
    if (stl_digest_parse(name, &digest, &ignored) == 0 && !stl_digestset_find(&count->seen, &digest, &number))
        unlinkat(count->folder, name, 0);
    return 0;
}

/* What is in the repositories is marked before what is not there loses its mark and the sum is written: a
 * crash in between leaves a sum that is too large. */
static int recount(const struct stl_registry *registry, const struct stl_project *project, int folder,
                   struct counter *counter, struct stl_error *err)
{
    struct count count = {.registry = registry, .folder = folder};
    int result = count_project(&count, project, err);
    if (result == 0)
        result = stl_dir_each(folder, ".", forget_if_gone, &count, err);
    stl_digestset_clear(&count.seen);
    *counter = (struct counter){count.bytes, time(NULL)};
    return result ? -1 : write_counter(registry, folder, counter, err);
}

/* --- asking --------------------------------------------------------------------------------------------- */

/* A clock that was set back does not keep it from being counted anew. */
static bool is_fresh(const struct counter *counter)
{
    int64_t age = time(NULL) - counter->recounted;
    return age >= 0 && age < RECOUNT_PAUSE;
}

static int check_room(const struct stl_registry *registry, const struct stl_project *project, int folder,
                      int64_t size, struct counter *counter, struct stl_error *err)
{
    *counter = read_counter(folder);
    bool fits = counter->bytes >= 0 && size <= project->size - counter->bytes;
    if (!fits && (counter->bytes < 0 || !is_fresh(counter))) {
        if (recount(registry, project, folder, counter, err))
            return -1;
        fits = size <= project->size - counter->bytes;
    }
    int64_t left = project->size > counter->bytes ? project->size - counter->bytes : 0;
    return fits ? 0
                : stl_error_set(err, STL_DENIED,
                                "%lld bytes exceed the quota: project '%s' has room for %lld more",
                                (long long)size, project->name, (long long)left);
}

int stl_project_count_blob(const struct stl_registry *registry, const struct stl_project *project,
                           const struct stl_digest *digest, int64_t size, struct stl_error *err)
{
    char path[STL_PATH_MAX], text[STL_DIGEST_TEXT_MAX];
    struct counter counter;
    STL_AUTO_CLOSE int folder =
        stl_dir_make(&registry->root, registry->root.fd, folder_of(project, path), err);
    stl_digest_format(digest, text);
    if (folder < 0)
        return -1;
    bool counted = is_marked(folder, text) && read_counter(folder).bytes >= 0;
    if (counted)
        return 0;
    if (check_room(registry, project, folder, size, &counter, err))
        return -1;
    counter.bytes += size;
    return write_counter(registry, folder, &counter, err) || mark(folder, text, size, err) ? -1 : 0;
}

static int with_lock(const struct stl_registry *registry, const struct stl_project *project, int *folder,
                     struct stl_error *err)
{
    char path[STL_PATH_MAX];
    struct stl_name name = stl_project_lock_name(project);
    int lock = stl_registry_lock(registry, STL_LOCK_QUOTA, &name, true, err);
    *folder = lock < 0 ? -1 : stl_dir_make(&registry->root, registry->root.fd, folder_of(project, path), err);
    if (*folder < 0)
        stl_close_fd(&lock);
    return lock;
}

int stl_project_has_room(const struct stl_registry *registry, const struct stl_project *project, int64_t size,
                         struct stl_error *err)
{
    struct counter counter;
    STL_AUTO_CLOSE int folder = -1;
    STL_AUTO_CLOSE int lock = with_lock(registry, project, &folder, err);
    return lock < 0 ? -1 : check_room(registry, project, folder, size, &counter, err);
}

int stl_project_recount(const struct stl_registry *registry, const struct stl_project *project,
                        int64_t *bytes, struct stl_error *err)
{
    struct counter counter = {0};
    STL_AUTO_CLOSE int folder = -1;
    STL_AUTO_CLOSE int lock = with_lock(registry, project, &folder, err);
    int result = lock < 0 ? -1 : recount(registry, project, folder, &counter, err);
    *bytes = counter.bytes;
    return result;
}

static int compare(const struct stl_registry *registry, const struct stl_project *project, int64_t *counted,
                   int64_t *bytes, struct stl_error *err)
{
    char path[STL_PATH_MAX];
    struct count count = {.registry = registry, .folder = -1};
    int result = count_project(&count, project, err);
    stl_digestset_clear(&count.seen);
    *bytes = count.bytes;
    *counted = -1;
    STL_AUTO_CLOSE int folder = result ? -1 : stl_dir_open(registry->root.fd, folder_of(project, path), err);
    if (folder < 0 && (result || err->sys_errno != ENOENT))
        return -1;
    if (folder >= 0)
        *counted = read_counter(folder).bytes;
    stl_error_clear(err);
    return 0;
}

/* While somebody removes blobs and counts anew, the count may be less than what was seen before. */
int stl_project_compare(const struct stl_registry *registry, const struct stl_project *project,
                        int64_t *counted, int64_t *bytes, struct stl_error *err)
{
    struct stl_name name = stl_project_lock_name(project);
    if (compare(registry, project, counted, bytes, err))
        return -1;
    if (*counted < 0 || *counted >= *bytes)
        return 0;
    STL_AUTO_CLOSE int lock = stl_registry_lock(registry, STL_LOCK_QUOTA, &name, true, err);
    return lock < 0 ? -1 : compare(registry, project, counted, bytes, err);
}
