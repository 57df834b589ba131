/* Finding out of date files of details, and writing them anew. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "details-lines.h"
#include "details.h"
#include "references.h"
#include "referrers.h"
#include "repos.h"

enum { SURPLUS_MAX = 100 };

/* --- writing -------------------------------------------------------------------------------------------- */

struct renewing {
    const struct stl_repo *repo;
    struct stl_buf lines;
};

static void renewing_clear(struct renewing *renewing)
{
    stl_buf_clear(&renewing->lines);
}
#define AUTO_RENEWING __attribute__((cleanup(renewing_clear)))

static int add_tag(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    struct renewing *renewing = context;
    struct stl_error ignored = STL_ERROR_INIT;
    struct stl_tagging tagging = {0};
    (void)type;
    (void)err;
    if (stl_tag_parse(name, &tagging.tag, &ignored) == 0 &&
        stl_tag_resolve(renewing->repo, &tagging.tag, &tagging.digest, &ignored) == 0)
        stl_details_add_tag(&renewing->lines, renewing->repo, &tagging, true);
    return 0;
}

void stl_details_add_referrers(struct stl_buf *lines, const struct stl_digest *subject,
                               struct json_object *index)
{
    struct stl_error ignored = STL_ERROR_INIT;
    struct json_object *list = NULL;
    if (stl_json_array(index, "manifests", &list, &ignored) == 0 && list)
        for (size_t i = 0; i < json_object_array_length(list); i++)
            stl_details_add_referrer(lines, subject, json_object_array_get_idx(list, i));
}

static int add_referrer_lines(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    struct renewing *renewing = context;
    struct stl_error ignored = STL_ERROR_INIT;
    STL_AUTO_BUF struct stl_buf text = STL_BUF_INIT;
    struct stl_digest subject;
    (void)type;
    (void)err;
    if (stl_digest_parse(name, &subject, &ignored) ||
        stl_referrers_read(renewing->repo->fd, &subject, NULL, &text, &ignored))
        return 0;
    STL_AUTO_JSON struct json_object *index = stl_json_parse(text.data, text.length, &ignored);
    if (index)
        stl_details_add_referrers(&renewing->lines, &subject, index);
    return 0;
}

int stl_details_renew(const struct stl_repo *repo, struct stl_error *err)
{
    AUTO_RENEWING struct renewing renewing = {repo, {.ceiling = STL_DETAILS_MAX}};
    if (stl_dir_each_file(repo->fd, STL_REPO_LINKS, add_tag, &renewing, err) ||
        stl_dir_each_file_if_any(repo->fd, STL_REPO_REFERRERS, add_referrer_lines, &renewing, err))
        return -1;
    return stl_details_put(&repo->registry->root, repo->fd, STL_REPO_DETAILS, &renewing.lines, err);
}

int stl_details_renew_registry(const struct stl_registry *registry, const struct stl_names *names,
                               struct stl_error *err)
{
    STL_AUTO_BUF struct stl_buf lines = {.ceiling = STL_DETAILS_MAX};
    for (size_t i = 0; i < names->count; i++) {
        STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
        struct stl_name name;
        struct stat st;
        if (stl_name_parse(names->items[i], &name, err))
            return -1;
        int found = stl_repo_open_if_any(&repo, registry, &name, err);
        if (found < 0)
            return -1;
        if (found && fstatat(repo.fd, STL_REPO_LINKS, &st, AT_SYMLINK_NOFOLLOW) == 0)
            stl_details_add_repository(&lines, &repo, -1,
                                       stl_dir_has_no_file(repo.fd, STL_REPO_LINKS) ? -1 : st.st_mtime,
                                       STL_DETAILS_ALL);
    }
    return stl_details_put(&registry->root, registry->root.fd, STL_V2 "/" STL_DETAILS, &lines, err);
}

/* --- looking -------------------------------------------------------------------------------------------- */

struct looking {
    const struct stl_repo *repo;
    const struct stl_details *details;
    size_t matched;
};

/* Returns 1 for a tag about which the file says something else. */
static int match_tag(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    struct looking *looking = context;
    char path[STL_PATH_MAX], target[STL_TARGET_MAX];
    (void)type;
    (void)err;
    if (strchr(name, ':') ||
        stl_link_read(looking->repo->fd, stl_path_reference(name, path), target, sizeof target))
        return 0;
    looking->matched++;
    return !stl_details_line(looking->details, name, target);
}

bool stl_details_are_stale(const struct stl_repo *repo)
{
    struct stl_error ignored = STL_ERROR_INIT;
    STL_AUTO_DETAILS struct stl_details details = {0};
    struct looking looking = {.repo = repo, .details = &details};
    return !stl_details_read(repo, &details) || details.outweighed > details.count + SURPLUS_MAX ||
           stl_dir_each_file(repo->fd, STL_REPO_LINKS, match_tag, &looking, &ignored) ||
           looking.matched != details.count;
}

void stl_details_renew_stale(const struct stl_registry *registry, const struct stl_name *name,
                             unsigned milliseconds)
{
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
    struct stl_error ignored = STL_ERROR_INIT;
    if (stl_repo_open_if_any(&repo, registry, name, &ignored) <= 0 || !stl_details_are_stale(&repo))
        return;
    STL_AUTO_CLOSE int lists =
        stl_registry_lock_within(registry, STL_LOCK_LISTS, name, milliseconds, &ignored);
    if (lists >= 0)
        stl_details_renew(&repo, &ignored);
}
