/* Finding out of date files of details, and writing them anew. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "details-lines.h"
#include "details.h"
#include "references.h"
#include "referrers.h"
#include "repos.h"

enum { DETAILS_MAX = 256 << 20, SURPLUS_MAX = 100 };

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
    struct stl_digest digest;
    struct stl_tag tag;
    (void)type;
    (void)err;
    if (stl_tag_parse(name, &tag, &ignored) == 0 &&
        stl_tag_resolve(renewing->repo, &tag, &digest, &ignored) == 0)
        stl_details_add_tag(&renewing->lines, renewing->repo, &tag, &digest);
    return 0;
}

static int add_referrers(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    struct renewing *renewing = context;
    struct stl_error ignored = STL_ERROR_INIT;
    STL_AUTO_BUF struct stl_buf text = STL_BUF_INIT;
    struct json_object *list = NULL;
    struct stl_digest subject;
    (void)type;
    (void)err;
    if (stl_digest_parse(name, &subject, &ignored) ||
        stl_referrers_read(renewing->repo->fd, &subject, NULL, &text, &ignored))
        return 0;
    STL_AUTO_JSON struct json_object *index = stl_json_parse(text.data, text.length, &ignored);
    if (index && stl_json_array(index, "manifests", &list, &ignored) == 0 && list)
        for (size_t i = 0; i < json_object_array_length(list); i++)
            stl_details_add_referrer(&renewing->lines, &subject, json_object_array_get_idx(list, i));
    return 0;
}

int stl_details_renew(const struct stl_repo *repo, struct stl_error *err)
{
    AUTO_RENEWING struct renewing renewing = {repo, {.ceiling = DETAILS_MAX}};
    if (stl_dir_each_file(repo->fd, STL_REPO_LINKS, add_tag, &renewing, err) ||
        stl_dir_each_file_if_any(repo->fd, STL_REPO_REFERRERS, add_referrers, &renewing, err))
        return -1;
    return stl_details_put(&repo->registry->root, repo->fd, STL_REPO_DETAILS, &renewing.lines, err);
}

int stl_details_renew_registry(const struct stl_registry *registry, struct stl_error *err)
{
    STL_AUTO_BUF struct stl_buf lines = {.ceiling = DETAILS_MAX};
    STL_AUTO_NAMES struct stl_names names = {0};
    if (stl_repos_list(registry, &names, err))
        return -1;
    for (size_t i = 0; i < names.count; i++) {
        STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
        struct stl_name name;
        struct stat st;
        if (stl_name_parse(names.items[i], &name, err))
            return -1;
        int found = stl_repo_open_if_any(&repo, registry, &name, err);
        if (found < 0)
            return -1;
        if (found && fstatat(repo.fd, STL_REPO_LINKS, &st, AT_SYMLINK_NOFOLLOW) == 0)
            stl_details_add_repository(&lines, &repo,
                                       stl_dir_has_no_file(repo.fd, STL_REPO_LINKS) ? -1 : st.st_mtime,
                                       STL_DETAILS_ALL);
    }
    return stl_details_put(&registry->root, registry->root.fd, STL_V2 "/" STL_DETAILS, &lines, err);
}

/* --- looking -------------------------------------------------------------------------------------------- */

/* What a line says of a tag: texts of known length in the file. */
struct said {
    const char *tag, *digest; /* digest NULL: it is gone */
    size_t tag_length, digest_length;
    size_t line;
};

struct looking {
    const struct stl_repo *repo;
    struct said *said;
    size_t count, matched;
};

static int compare(const void *a, const void *b)
{
    const struct said *left = a, *right = b;
    size_t shorter = left->tag_length < right->tag_length ? left->tag_length : right->tag_length;
    int order = memcmp(left->tag, right->tag, shorter);
    if (order == 0 && left->tag_length != right->tag_length)
        order = left->tag_length < right->tag_length ? -1 : 1;
    return order ? order : (left->line > right->line) - (left->line < right->line);
}

/* Reads a line as we write it. Neither tags nor digests have quotes in them. */
static bool read_line(struct looking *looking, const char *line)
{
    static const char tag[] = "{\"tag\":\"", digest[] = "\",\"digest\":\"", gone[] = "\",\"gone\":true}";
    if (strncmp(line, tag, strlen(tag)))
        return !strncmp(line, "{\"referrer\":\"", strlen("{\"referrer\":\""));
    const char *start = line + strlen(tag), *after = start + strcspn(start, "\"\n");
    struct said said = {start, NULL, (size_t)(after - start), 0, looking->count};
    if (!strncmp(after, digest, strlen(digest))) {
        said.digest = after + strlen(digest);
        said.digest_length = strcspn(said.digest, "\"\n");
    } else if (strncmp(after, gone, strlen(gone)))
        return false;
    stl_grow(looking->said, looking->count);
    looking->said[looking->count++] = said;
    return true;
}

/* Keeps the last line of each tag, and forgets tags that are gone. */
static void settle(struct looking *looking)
{
    size_t kept = 0;
    if (looking->count)
        qsort(looking->said, looking->count, sizeof *looking->said, compare);
    for (size_t i = 0; i < looking->count; i++) {
        const struct said *said = &looking->said[i], *next = said + 1;
        bool last = i + 1 == looking->count || next->tag_length != said->tag_length ||
                    memcmp(next->tag, said->tag, said->tag_length);
        if (last && said->digest)
            looking->said[kept++] = *said;
    }
    looking->count = kept;
}

/* Returns 1 for a tag of which the file says something else. */
static int match_tag(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    struct looking *looking = context;
    char path[STL_PATH_MAX], target[STL_TARGET_MAX];
    size_t low = 0, high = looking->count;
    const struct said wanted = {name, NULL, strlen(name), 0, SIZE_MAX};
    (void)type;
    (void)err;
    if (strchr(name, ':') ||
        stl_link_read(looking->repo->fd, stl_path_reference(name, path), target, sizeof target))
        return 0;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare(&looking->said[middle], &wanted) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    const struct said *said = low ? &looking->said[low - 1] : NULL;
    looking->matched++;
    return !said || said->tag_length != wanted.tag_length || memcmp(said->tag, name, wanted.tag_length) ||
           said->digest_length != strlen(target) || memcmp(said->digest, target, said->digest_length);
}

bool stl_details_are_stale(const struct stl_repo *repo)
{
    struct stl_error ignored = STL_ERROR_INIT;
    STL_AUTO_BUF struct stl_buf text = {.ceiling = DETAILS_MAX};
    struct looking looking = {.repo = repo};
    if (stl_file_read(repo->fd, STL_REPO_DETAILS, false, &text, &ignored))
        return true;
    bool whole = !text.length || (strlen(text.data) == text.length && text.data[text.length - 1] == '\n');
    for (const char *line = text.data; whole && line && *line; line = strchr(line, '\n') + 1)
        whole = read_line(&looking, line);
    size_t said = looking.count;
    settle(&looking);
    bool matches = whole && said - looking.count <= looking.count + SURPLUS_MAX &&
                   stl_dir_each_file(repo->fd, STL_REPO_LINKS, match_tag, &looking, &ignored) == 0 &&
                   looking.matched == looking.count;
    free(looking.said);
    return !matches;
}
