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
#include "quota.h"
#include "repos.h"

static const char count_name[] = "count", less_name[] = "less";
enum { RECOUNT_PAUSE = 60 }; /* seconds */

struct counter {
    bool known;
    struct stl_project_use use;
    int64_t recounted; /* seconds since 1970 */
    char stamp[STL_STAMP_MAX];
};

const struct stl_project *stl_project_with_quota(const struct stl_registry *registry,
                                                 const struct stl_name *repository,
                                                 enum stl_project_amount of)
{
    const struct stl_project *project = stl_projects_of(&registry->settings.projects, repository->text);
    return project && project->quota[of] >= 0 ? project : NULL;
}

struct stl_name stl_project_lock_name(const struct stl_project *project)
{
    struct stl_name name = {{0}};
    memcpy(name.text, project->name, strlen(project->name));
    return name;
}

/* --- the files ------------------------------------------------------------------------------------------ */

static char *folder_of(const struct stl_project *project, char path[STL_PATH_MAX])
{
    struct stl_name name = stl_project_lock_name(project);
    return stl_path_flat(STL_LOG_QUOTA, &name, path);
}

/* A file that cannot be parsed counts as missing. */
static struct counter read_counter(int folder)
{
    STL_AUTO_BUF struct stl_buf text = {.ceiling = 256};
    struct stl_error ignored = STL_ERROR_INIT;
    struct counter counter = {0};
    int64_t *amounts = counter.use.amounts;
    counter.known = stl_file_read(folder, count_name, false, &text, &ignored) == 0 && text.data &&
                    sscanf(text.data, "%" SCNd64 " %" SCNd64 " %" SCNd64 " %" SCNd64 " %79s",
                           &amounts[STL_PROJECT_SIZE], &amounts[STL_PROJECT_TAGS],
                           &amounts[STL_PROJECT_REPOSITORIES], &counter.recounted, counter.stamp) == 5;
    return counter;
}

static bool is_in_force(const struct stl_registry *registry, const struct stl_project *project,
                        const struct counter *counter)
{
    for (size_t i = 0; i < STL_PROJECT_AMOUNTS; i++)
        if (project->quota[i] >= 0 && counter->use.amounts[i] < 0)
            return false;
    return counter->known && !strcmp(counter->stamp, registry->stamp);
}

static int write_counter(const struct stl_registry *registry, int folder, const struct counter *counter,
                         struct stl_error *err)
{
    char text[192];
    struct stl_root root = registry->root;
    const int64_t *amounts = counter->use.amounts;
    root.file_mode &= 0640;
    int length = snprintf(text, sizeof text, "%" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 " %s\n",
                          amounts[STL_PROJECT_SIZE], amounts[STL_PROJECT_TAGS],
                          amounts[STL_PROJECT_REPOSITORIES], counter->recounted, counter->stamp);
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

static bool has_file(int folder, const char *name)
{
    struct stat st;
    return fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

void stl_project_note_less(const struct stl_registry *registry, const struct stl_name *repository)
{
    char path[STL_PATH_MAX];
    const struct stl_project *project = stl_projects_of(&registry->settings.projects, repository->text);
    if (!project || !stl_project_has_quota(project))
        return;
    STL_AUTO_FREE char *file = stl_sprintf("%s/%s", folder_of(project, path), less_name);
    STL_AUTO_CLOSE int fd =
        openat(registry->root.fd, file, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    (void)fd; /* if this fails, the next count may be a minute late */
}

/* --- counting ------------------------------------------------------------------------------------------- */

struct count {
    const struct stl_registry *registry;
    int blobs, folder; /* folder: where each blob found is marked; -1: nowhere */
    struct stl_digestset seen;
    struct stl_project_use use; /* -1: this is not counted */
};

static int count_blob(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    struct count *count = context;
    struct stl_error ignored = STL_ERROR_INIT;
    struct stl_digest digest;
    struct stat st;
    size_t number;
    (void)type;
    if (stl_digest_parse(name, &digest, &ignored))
        return 0;
    if (fstatat(count->blobs, name, &st, AT_SYMLINK_NOFOLLOW))
        return errno == ENOENT ? 0 : stl_error_errno(err, "cannot look at the blob %s", name);
    if (!stl_digestset_add(&count->seen, &digest, &number))
        return 0;
    count->use.amounts[STL_PROJECT_SIZE] += st.st_size;
    return count->folder < 0 ? 0 : mark(count->folder, name, st.st_size, err);
}

static int count_in(struct count *count, int repository, struct stl_error *err)
{
    int64_t tags = 0, *amounts = count->use.amounts;
    amounts[STL_PROJECT_REPOSITORIES] += amounts[STL_PROJECT_REPOSITORIES] >= 0;
    if (amounts[STL_PROJECT_TAGS] >= 0 && stl_quota_count_tags(repository, &tags, err))
        return -1;
    amounts[STL_PROJECT_TAGS] += tags;
    if (amounts[STL_PROJECT_SIZE] < 0)
        return 0;
    STL_AUTO_CLOSE int blobs = stl_dir_open(repository, STL_REPO_BLOBS, err);
    count->blobs = blobs;
    return blobs < 0 ? -1 : stl_dir_each_file(blobs, ".", count_blob, count, err);
}

/* A repository that is gone by now holds nothing. */
static int count_repository(struct count *count, const char *name, struct stl_error *err)
{
    STL_AUTO_FREE char *path = stl_sprintf(STL_V2 "/%s", name);
    STL_AUTO_CLOSE int repository = stl_dir_open(count->registry->root.fd, path, err);
    if (repository >= 0 && count_in(count, repository, err) == 0)
        return 0;
    if (err->sys_errno != ENOENT)
        return -1;
    stl_error_clear(err);
    return 0;
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

static struct count begin_count(const struct stl_registry *registry, const struct stl_project *project,
                                int folder)
{
    struct count count = {.registry = registry, .folder = folder};
    for (size_t i = 0; i < STL_PROJECT_AMOUNTS; i++)
        count.use.amounts[i] = project && project->quota[i] < 0 ? -1 : 0;
    return count;
}

static bool is_counted(const struct count *count, const char *name)
{
    struct stl_error ignored = STL_ERROR_INIT;
    struct stl_digest digest;
    size_t number;
    return stl_digest_parse(name, &digest, &ignored) || stl_digestset_find(&count->seen, &digest, &number);
}

static int forget_if_gone(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    const struct count *count = context;
    (void)type;
    return !is_counted(count, name) && unlinkat(count->folder, name, 0) && errno != ENOENT
               ? stl_error_errno(err, "cannot stop counting %s", name)
               : 0;
}

/* Blobs in the repositories get a mark and others lose theirs, durably, before the sum is written: a crash in
 * between leaves a sum that is too large, never one that is too small. */
static int recount(const struct stl_registry *registry, const struct stl_project *project, int folder,
                   struct counter *counter, struct stl_error *err)
{
    struct count count = begin_count(registry, project, folder);
    unlinkat(folder, less_name, 0);
    *counter = (struct counter){.known = true, .recounted = time(NULL)};
    memcpy(counter->stamp, registry->stamp, sizeof counter->stamp);
    int result = count_project(&count, project, err);
    if (result == 0)
        result = stl_dir_each(folder, ".", forget_if_gone, &count, err);
    stl_digestset_clear(&count.seen);
    counter->use = count.use;
    return result || stl_dir_sync(folder, err) ? -1 : write_counter(registry, folder, counter, err);
}

/* --- asking --------------------------------------------------------------------------------------------- */

/* A clock that was set back does not prevent a new count. */
static bool may_recount(int folder, const struct counter *counter)
{
    int64_t age = time(NULL) - counter->recounted;
    return age < 0 || age >= RECOUNT_PAUSE || has_file(folder, less_name);
}

static bool fits(const struct stl_project *project, const struct counter *counter,
                 enum stl_project_amount amount, int64_t more)
{
    return project->quota[amount] < 0 || more <= project->quota[amount] - counter->use.amounts[amount];
}

static int refuse(const struct stl_project *project, const struct counter *counter,
                  enum stl_project_amount amount, int64_t more, struct stl_error *err)
{
    int64_t quota = project->quota[amount], has = counter->use.amounts[amount];
    if (amount == STL_PROJECT_SIZE)
        return stl_error_set(err, STL_DENIED,
                             "%lld bytes exceed the quota: project '%s' has room for %lld more",
                             (long long)more, project->name, (long long)(quota > has ? quota - has : 0));
    return stl_error_set(err, STL_DENIED, "the quota is reached: project '%s' has %lld %s and may have %lld",
                         project->name, (long long)has, stl_project_amount_name(amount), (long long)quota);
}

static int check_room(const struct stl_registry *registry, const struct stl_project *project, int folder,
                      enum stl_project_amount amount, int64_t more, struct counter *counter,
                      struct stl_error *err)
{
    *counter = read_counter(folder);
    bool current = is_in_force(registry, project, counter);
    if (!current || (!fits(project, counter, amount, more) && may_recount(folder, counter)))
        if (recount(registry, project, folder, counter, err))
            return -1;
    return fits(project, counter, amount, more) ? 0 : refuse(project, counter, amount, more, err);
}

static int open_folder(const struct stl_registry *registry, const struct stl_project *project,
                       struct stl_error *err)
{
    char path[STL_PATH_MAX];
    return stl_dir_make(&registry->root, registry->root.fd, folder_of(project, path), err);
}

int stl_project_count_blob(const struct stl_registry *registry, const struct stl_project *project,
                           const struct stl_digest *digest, int64_t size, struct stl_error *err)
{
    char text[STL_DIGEST_TEXT_MAX];
    struct counter counter;
    STL_AUTO_CLOSE int folder = open_folder(registry, project, err);
    stl_digest_format(digest, text);
    if (folder < 0)
        return -1;
    if (has_file(folder, text)) {
        counter = read_counter(folder);
        if (is_in_force(registry, project, &counter))
            return 0;
    }
    if (check_room(registry, project, folder, STL_PROJECT_SIZE, size, &counter, err))
        return -1;
    counter.use.amounts[STL_PROJECT_SIZE] += size;
    if (write_counter(registry, folder, &counter, err))
        return -1;
    return mark(folder, text, size, err);
}

int stl_project_count(const struct stl_registry *registry, const struct stl_project *project,
                      enum stl_project_amount amount, int64_t more, struct stl_error *err)
{
    struct counter counter;
    STL_AUTO_CLOSE int folder = open_folder(registry, project, err);
    if (folder < 0 || check_room(registry, project, folder, amount, more, &counter, err))
        return -1;
    counter.use.amounts[amount] += more;
    return write_counter(registry, folder, &counter, err);
}

static int lock_count(const struct stl_registry *registry, const struct stl_project *project,
                      struct stl_error *err)
{
    struct stl_name name = stl_project_lock_name(project);
    return stl_registry_lock(registry, STL_LOCK_QUOTA, &name, true, err);
}

int stl_project_has_room(const struct stl_registry *registry, const struct stl_project *project,
                         enum stl_project_amount amount, int64_t more, struct stl_error *err)
{
    struct counter counter;
    STL_AUTO_CLOSE int lock = lock_count(registry, project, err);
    STL_AUTO_CLOSE int folder = lock < 0 ? -1 : open_folder(registry, project, err);
    return folder < 0 ? -1 : check_room(registry, project, folder, amount, more, &counter, err);
}

int stl_project_recount(const struct stl_registry *registry, const struct stl_project *project,
                        struct stl_error *err)
{
    struct counter counter;
    STL_AUTO_CLOSE int lock = lock_count(registry, project, err);
    STL_AUTO_CLOSE int folder = lock < 0 ? -1 : open_folder(registry, project, err);
    return folder < 0 ? -1 : recount(registry, project, folder, &counter, err);
}

/* --- looking -------------------------------------------------------------------------------------------- */

int stl_project_look(const struct stl_registry *registry, const struct stl_project *project,
                     struct stl_project_use *use, struct stl_error *err)
{
    struct count count = begin_count(registry, NULL, -1);
    int result = count_project(&count, project, err);
    stl_digestset_clear(&count.seen);
    *use = count.use;
    return result;
}

struct marks {
    struct count *count;
    int folder;
};

/* A blob with a mark will not be counted when it is added. */
static int add_mark(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    struct marks *marks = context;
    char target[32];
    (void)type;
    (void)err;
    if (!is_counted(marks->count, name) && stl_link_read(marks->folder, name, target, sizeof target) == 0)
        marks->count->use.amounts[STL_PROJECT_SIZE] += strtoll(target, NULL, 10);
    return 0;
}

static int compare(const struct stl_registry *registry, const struct stl_project *project,
                   struct stl_project_comparison *comparison, struct stl_error *err)
{
    char path[STL_PATH_MAX];
    struct count count = begin_count(registry, project, -1);
    STL_AUTO_CLOSE int folder = stl_dir_open(registry->root.fd, folder_of(project, path), err);
    struct marks marks = {&count, folder};
    *comparison = (struct stl_project_comparison){0};
    if (folder < 0 && err->sys_errno != ENOENT)
        return -1;
    stl_error_clear(err);
    if (folder < 0)
        return 0;
    struct counter counter = read_counter(folder);
    int result = count_project(&count, project, err);
    if (result == 0 && project->quota[STL_PROJECT_SIZE] >= 0)
        result = stl_dir_each(folder, ".", add_mark, &marks, err);
    stl_digestset_clear(&count.seen);
    *comparison = (struct stl_project_comparison){counter.known, !is_in_force(registry, project, &counter),
                                                  counter.use, count.use};
    return result;
}

static bool is_too_little(const struct stl_project_comparison *comparison)
{
    for (size_t i = 0; i < STL_PROJECT_AMOUNTS; i++)
        if (comparison->counted && comparison->count.amounts[i] < comparison->least.amounts[i])
            return true;
    return false;
}

/* A difference may be due to a push that is going on: then it is gone when everything is compared again under
 * the lock. */
int stl_project_compare(const struct stl_registry *registry, const struct stl_project *project,
                        struct stl_project_comparison *comparison, struct stl_error *err)
{
    if (compare(registry, project, comparison, err))
        return -1;
    if (!is_too_little(comparison))
        return 0;
    STL_AUTO_CLOSE int lock = lock_count(registry, project, err);
    return lock < 0 ? -1 : compare(registry, project, comparison, err);
}
