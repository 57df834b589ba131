#include "change-limits.h"

#include <stdlib.h>

#include "mem.h"
#include "readers.h"

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
        free(limits->immutable[i].project);
        stl_words_clear(&limits->immutable[i].tags);
        stl_words_clear(&limits->immutable[i].except);
    }
    for (size_t i = 0; i < limits->quota_count; i++)
        free(limits->quotas[i].repository);
    free(limits->immutable);
    free(limits->quotas);
    *limits = (struct stl_limits){0};
}

/* --- asking --------------------------------------------------------------------------------------------- */

bool stl_limits_is_immutable(const struct stl_limits *limits, const char *repository, const char *tag)
{
    for (size_t i = 0; i < limits->immutable_count; i++) {
        const struct stl_immutable *immutable = &limits->immutable[i];
        if ((!immutable->project || stl_pattern_below(immutable->project, repository)) &&
            (!immutable->repository || stl_pattern_match(immutable->repository, repository)) &&
            stl_words_choose(&immutable->tags, tag) && !stl_words_match(&immutable->except, tag))
            return true;
    }
    return false;
}

const struct stl_quota *stl_limits_quota(const struct stl_limits *limits, const char *repository)
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
