/* Checks the lists of referrers against the manifests that have a subject. */
#include "verify-run.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "referrers.h"
#include "verify.h"

enum { REFERRERS_MAX = 32 << 20 };

/* What refers to one subject, whether or not the subject is here. */
struct group {
    size_t *members; /* numbers of manifests */
    size_t count;
};

struct groups {
    struct stl_digestset subjects;
    struct group *items;
};

static void groups_clear(struct groups *groups)
{
    for (size_t i = 0; i < groups->subjects.count; i++)
        free(groups->items[i].members);
    free(groups->items);
    stl_digestset_clear(&groups->subjects);
}
#define AUTO_GROUPS __attribute__((cleanup(groups_clear)))

static int compare_members(const void *a, const void *b, void *context)
{
    const struct stl_contents *contents = context;
    size_t left = *(const size_t *)a, right = *(const size_t *)b;
    const struct stl_held_manifest *l = &contents->manifests[left], *r = &contents->manifests[right];
    if (l->pushed.tv_sec != r->pushed.tv_sec)
        return l->pushed.tv_sec < r->pushed.tv_sec ? -1 : 1;
    if (l->pushed.tv_nsec != r->pushed.tv_nsec)
        return l->pushed.tv_nsec < r->pushed.tv_nsec ? -1 : 1;
    return stl_digest_compare(&contents->digests.items[left], &contents->digests.items[right]);
}

static void collect_groups(const struct stl_contents *contents, struct groups *groups)
{
    *groups = (struct groups){0};
    for (size_t i = 0; i < contents->digests.count; i++) {
        size_t number, count = groups->subjects.count;
        if (!contents->manifests[i].has_subject)
            continue;
        if (stl_digestset_add(&groups->subjects, &contents->manifests[i].subject, &number)) {
            stl_grow(groups->items, count);
            groups->items[number] = (struct group){0};
        }
        struct group *group = &groups->items[number];
        stl_grow(group->members, group->count);
        group->members[group->count++] = i;
    }
    for (size_t i = 0; i < groups->subjects.count; i++)
        qsort_r(groups->items[i].members, groups->items[i].count, sizeof(size_t), compare_members,
                (void *)contents);
}

/* The manifests that refer to `subject`; there may be none. */
static struct group find_group(const struct groups *groups, const struct stl_digest *subject)
{
    const struct group none = {0};
    size_t number;
    return groups->items && stl_digestset_find(&groups->subjects, subject, &number) ? groups->items[number]
                                                                                    : none;
}

static struct json_object *build(const struct stl_contents *contents, const struct group *group)
{
    struct json_object *index = json_tokener_parse(STL_REFERRERS_EMPTY), *list = NULL;
    json_object_object_get_ex(index, "manifests", &list);
    for (size_t i = 0; i < group->count; i++)
        json_object_array_add(list, json_tokener_parse(contents->manifests[group->members[i]].referrer));
    return index;
}

static struct json_object *load_referrers(const struct verify_repo *repo, const char *path,
                                          struct json_object **list)
{
    struct stl_error ignored = STL_ERROR_INIT;
    STL_AUTO_BUF struct stl_buf text = {.ceiling = REFERRERS_MAX};
    *list = NULL;
    if (stl_file_read(repo->repo.fd, path, false, &text, &ignored) || !text.data)
        return NULL;
    struct json_object *index = stl_json_parse(text.data, text.length, &ignored);
    if (index && (stl_json_array(index, "manifests", list, &ignored) || !*list))
        stl_json_put(&index);
    return index;
}

/* Whether two lists have the same entries, in any order; as a rule it is the same. */
static bool is_right(const struct verify_repo *repo, const char *path, const struct group *group)
{
    struct json_object *list, *wanted = NULL;
    STL_AUTO_JSON struct json_object *found = load_referrers(repo, path, &list);
    if (!found || json_object_array_length(list) != group->count)
        return false;
    STL_AUTO_JSON struct json_object *right = build(&repo->contents, group);
    json_object_object_get_ex(right, "manifests", &wanted);
    size_t next = 0; /* where the entry is expected */
    for (size_t i = 0; i < group->count; i++) {
        bool same = false;
        for (size_t k = 0; k < group->count && !same; k++) {
            struct json_object *entry = json_object_array_get_idx(list, next);
            same = json_object_equal(entry, json_object_array_get_idx(wanted, i));
            next = (next + 1) % group->count;
        }
        if (!same)
            return false;
    }
    return true;
}

struct visit {
    struct verify_repo *repo;
    const struct groups *groups;
};

static int check_list_file(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    const struct visit *visit = context;
    struct verify_repo *repo = visit->repo;
    struct stl_digest digest;
    struct stat st;
    (void)type;
    STL_AUTO_FREE char *path = stl_sprintf(STL_REPO_REFERRERS "/%s", name);
    STL_AUTO_FREE char *full = stl_sprintf("%s/%s", repo->path, path);
    if (!stl_verify_look(repo->verify, full, &st, &repo->problems))
        return 0;
    if (!S_ISREG(st.st_mode) || stl_digest_parse(name, &digest, err)) {
        stl_verify_add(&repo->problems, VERIFY_FOREIGN, full, "is not a list of referrers");
        stl_error_clear(err);
        return 0;
    }
    stl_verify_modes(repo->verify, full, &st, &repo->problems);
    const struct group group = find_group(visit->groups, &digest);
    if (!is_right(repo, path, &group))
        stl_verify_add(&repo->problems, VERIFY_REFERRERS, full,
                       "does not match the manifests that refer to it");
    return 0;
}

int stl_verify_referrers(struct verify_repo *repo, struct stl_error *err)
{
    AUTO_GROUPS struct groups groups;
    struct visit visit = {repo, &groups};
    collect_groups(&repo->contents, &groups);
    if (stl_dir_each_file_if_any(repo->repo.fd, STL_REPO_REFERRERS, check_list_file, &visit, err))
        return -1;
    for (size_t i = 0; i < groups.subjects.count; i++) {
        char text[STL_DIGEST_TEXT_MAX];
        struct stat st;
        STL_AUTO_FREE char *path =
            stl_sprintf(STL_REPO_REFERRERS "/%s", stl_digest_format(&groups.subjects.items[i], text));
        STL_AUTO_FREE char *full = stl_sprintf("%s/%s", repo->path, path);
        if (fstatat(repo->repo.fd, path, &st, AT_SYMLINK_NOFOLLOW))
            stl_verify_add(&repo->problems, VERIFY_REFERRERS, full, "is missing");
    }
    return 0;
}

int stl_verify_rebuild_referrers(struct verify_repo *repo, const struct stl_digest *subject,
                                 struct stl_error *err)
{
    AUTO_GROUPS struct groups groups;
    char text[STL_DIGEST_TEXT_MAX];
    collect_groups(&repo->contents, &groups);
    const struct group group = find_group(&groups, subject);
    STL_AUTO_JSON struct json_object *index = build(&repo->contents, &group);
    STL_AUTO_CLOSE int directory = stl_dir_open(repo->repo.fd, STL_REPO_REFERRERS, err);
    const char *json = stl_json_text(index);
    if (directory < 0 || stl_file_put(&repo->verify->wanted, directory, stl_digest_format(subject, text),
                                      json, strlen(json), err))
        return -1;
    return stl_dir_sync(directory, err);
}
