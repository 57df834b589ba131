#include "quota.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

/* --- tags ----------------------------------------------------------------------------------------------- */

static int count_tag(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    (void)type;
    (void)err;
    *(int64_t *)context += strchr(name, ':') == NULL;
    return 0;
}

int stl_quota_count_tags(int repository, int64_t *tags, struct stl_error *err)
{
    *tags = 0;
    return stl_dir_each_file_if_any(repository, STL_REPO_LINKS, count_tag, tags, err);
}

int stl_quota_check_tag(const struct stl_repo *repo, const struct stl_tag *tag, size_t *added,
                        struct stl_error *err)
{
    const struct stl_quota *quota = stl_limits_quota(&repo->registry->settings.limits, repo->name.text);
    int64_t count = 0;
    *added += 1;
    if (!quota || quota->tags < 0)
        return 0;
    if (stl_quota_count_tags(repo->fd, &count, err))
        return -1;
    if (count + (int64_t)*added > quota->tags)
        return stl_error_set(err, STL_DENIED,
                             "tag '%s' exceeds the limit: repository '%s' may have %lld tags", tag->text,
                             repo->name.text, (long long)quota->tags);
    return 0;
}

/* --- bytes ---------------------------------------------------------------------------------------------- */

struct sum {
    int directory;
    int64_t bytes;
};

static int add_size(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    struct sum *sum = context;
    struct stat st;
    (void)type;
    if (fstatat(sum->directory, name, &st, AT_SYMLINK_NOFOLLOW))
        return errno == ENOENT ? 0 : stl_error_errno(err, "cannot look at the blob %s", name);
    sum->bytes += S_ISREG(st.st_mode) ? st.st_size : 0;
    return 0;
}

int stl_quota_used(const struct stl_repo *repo, int64_t *tags, int64_t *bytes, struct stl_error *err)
{
    STL_AUTO_CLOSE int directory = stl_dir_open(repo->fd, STL_REPO_BLOBS, err);
    struct sum sum = {directory, 0};
    *tags = *bytes = 0;
    if (directory < 0 || stl_dir_each_file(directory, ".", add_size, &sum, err) ||
        stl_quota_count_tags(repo->fd, tags, err))
        return -1;
    *bytes = sum.bytes;
    return 0;
}

int stl_quota_left(const struct stl_registry *registry, const struct stl_name *name, int64_t *left,
                   struct stl_error *err)
{
    const struct stl_quota *quota = stl_limits_quota(&registry->settings.limits, name->text);
    char path[STL_PATH_MAX];
    struct sum sum = {0};
    *left = INT64_MAX;
    if (!quota || quota->size < 0)
        return 0;
    STL_AUTO_FREE char *blobs = stl_sprintf("%s/" STL_REPO_BLOBS, stl_path_repository(name, path));
    STL_AUTO_CLOSE int directory = stl_dir_open(registry->root.fd, blobs, err);
    sum.directory = directory;
    if (directory < 0 && err->sys_errno != ENOENT)
        return -1;
    if (directory < 0)
        stl_error_clear(err); /* a new repository */
    else if (stl_dir_each(directory, ".", add_size, &sum, err))
        return -1;
    *left = quota->size > sum.bytes ? quota->size - sum.bytes : 0;
    return 0;
}

int stl_quota_exceeded(const struct stl_name *name, int64_t size, int64_t left, struct stl_error *err)
{
    return stl_error_set(err, STL_DENIED,
                         "%lld bytes exceed the quota: repository '%s' has room for %lld more",
                         (long long)size, name->text, (long long)left);
}
