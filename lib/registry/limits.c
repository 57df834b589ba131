#include "limits.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "mem.h"
#include "repo.h"

/* --- reading -------------------------------------------------------------------------------------------- */

static int read_immutable(struct stl_yaml *yaml, yaml_node_t *node, void *target, struct stl_error *err)
{
    static const struct stl_yaml_key keys[] = {
        {"repository", stl_pattern_read, offsetof(struct stl_immutable, repository)},
        {"tags", stl_words_read, offsetof(struct stl_immutable, tags)},
        {"except", stl_words_read, offsetof(struct stl_immutable, except)},
        {NULL, NULL, 0},
    };
    struct stl_limits *limits = target;
    stl_grow(limits->immutable, limits->immutable_count);
    struct stl_immutable *immutable = &limits->immutable[limits->immutable_count++];
    *immutable = (struct stl_immutable){0};
    return stl_yaml_mapping(yaml, node, keys, immutable, err);
}

int stl_limits_read_immutable(struct stl_yaml *yaml, yaml_node_t *node, void *target, struct stl_error *err)
{
    return stl_yaml_sequence(yaml, node, read_immutable, target, err);
}

static int read_quota(struct stl_yaml *yaml, yaml_node_t *node, void *target, struct stl_error *err)
{
    static const struct stl_yaml_key keys[] = {
        {"repository", stl_pattern_read, offsetof(struct stl_quota, repository)},
        {"size", stl_yaml_size, offsetof(struct stl_quota, size)},
        {"tags", stl_yaml_int, offsetof(struct stl_quota, tags)},
        {NULL, NULL, 0},
    };
    struct stl_limits *limits = target;
    stl_grow(limits->quotas, limits->quota_count);
    struct stl_quota *quota = &limits->quotas[limits->quota_count++];
    *quota = (struct stl_quota){NULL, -1, -1};
    if (stl_yaml_mapping(yaml, node, keys, quota, err))
        return -1;
    return quota->repository ? 0 : stl_yaml_error(yaml, node, err, "the quota has no 'repository: PATTERN'");
}

int stl_limits_read_quotas(struct stl_yaml *yaml, yaml_node_t *node, void *target, struct stl_error *err)
{
    return stl_yaml_sequence(yaml, node, read_quota, target, err);
}

void stl_limits_clear(struct stl_limits *limits)
{
    for (size_t i = 0; i < limits->immutable_count; i++) {
        free(limits->immutable[i].repository);
        stl_words_clear(&limits->immutable[i].tags);
        stl_words_clear(&limits->immutable[i].except);
    }
    for (size_t i = 0; i < limits->quota_count; i++)
        free(limits->quotas[i].repository);
    free(limits->immutable);
    free(limits->quotas);
    *limits = (struct stl_limits){0};
}

/* --- tags ----------------------------------------------------------------------------------------------- */

static bool is_immutable(const struct stl_limits *limits, const char *repository, const char *tag)
{
    for (size_t i = 0; i < limits->immutable_count; i++) {
        const struct stl_immutable *immutable = &limits->immutable[i];
        if ((!immutable->repository || stl_pattern_match(immutable->repository, repository)) &&
            (!immutable->tags.line || stl_words_match(&immutable->tags, tag)) &&
            !stl_words_match(&immutable->except, tag))
            return true;
    }
    return false;
}

static const struct stl_quota *find_quota(const struct stl_limits *limits, const char *repository)
{
    const struct stl_quota *best = NULL;
    for (size_t i = 0; i < limits->quota_count; i++) {
        const struct stl_quota *quota = &limits->quotas[i];
        if (stl_pattern_match(quota->repository, repository) &&
            (!best || stl_pattern_compare(quota->repository, best->repository) < 0))
            best = quota;
    }
    return best;
}

static int count_tag(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    (void)type;
    (void)err;
    *(int64_t *)context += strchr(name, ':') == NULL;
    return 0;
}

static int check_room_for_tag(const struct stl_repo *repo, const char *tag, size_t *added,
                              struct stl_error *err)
{
    const struct stl_quota *quota = find_quota(&repo->registry->settings.limits, repo->name.text);
    int64_t count = 0;
    if (!quota || quota->tags < 0)
        return 0;
    if (stl_dir_each(repo->fd, "manifests", count_tag, &count, err))
        return -1;
    *added += 1;
    if (count + (int64_t)*added > quota->tags)
        return stl_error_set(err, STL_DENIED, "tag '%s' is one too many: repository '%s' may have %lld tags",
                             tag, repo->name.text, (long long)quota->tags);
    return 0;
}

int stl_limits_check_tag(const struct stl_repo *repo, const struct stl_tag *tag,
                         const struct stl_digest *current, const struct stl_digest *wanted, size_t *added,
                         struct stl_error *err)
{
    char text[STL_DIGEST_TEXT_MAX];
    if (!current)
        return wanted ? check_room_for_tag(repo, tag->text, added, err) : 0;
    if ((wanted && stl_digest_equal(current, wanted)) ||
        !is_immutable(&repo->registry->settings.limits, repo->name.text, tag->text))
        return 0;
    return stl_error_set(err, STL_DENIED, "tag '%s' of repository '%s' is immutable: it stays at %s",
                         tag->text, repo->name.text, stl_digest_format(current, text));
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
    (void)err;
    if (fstatat(sum->directory, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode))
        sum->bytes += st.st_size;
    return 0;
}

int stl_limits_left(const struct stl_registry *registry, const struct stl_name *name, int64_t *left,
                    struct stl_error *err)
{
    const struct stl_quota *quota = find_quota(&registry->settings.limits, name->text);
    char path[STL_PATH_MAX];
    struct sum sum = {0};
    *left = INT64_MAX;
    if (!quota || quota->size < 0)
        return 0;
    STL_AUTO_FREE char *blobs = stl_sprintf("%s/blobs", stl_path_repository(name, path));
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

int stl_limits_exceeded(const struct stl_name *name, int64_t size, int64_t left, struct stl_error *err)
{
    return stl_error_set(err, STL_DENIED,
                         "%lld bytes are too many: the quota of repository '%s' has room for %lld more",
                         (long long)size, name->text, (long long)left);
}
