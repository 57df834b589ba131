#include "pulls.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "json.h"

static const char file_name[] = STL_LOG_PULLS;
enum { FILE_SIZE_MAX = 512 << 20, KEY_MAX = STL_NAME_MAX + 1 + STL_DIGEST_TEXT_MAX + STL_TAG_MAX };

void stl_pulls_clear(struct stl_pulls *pulls)
{
    stl_json_put(&pulls->last);
}

static const char *make_key(const char *repository, const char *reference, char key[KEY_MAX])
{
    snprintf(key, KEY_MAX, "%s %s", repository, reference);
    return key;
}

static void note_pull(struct stl_pulls *pulls, const char *key, int64_t time)
{
    struct json_object *known = NULL;
    if (!pulls->last)
        pulls->last = json_object_new_object();
    if (!json_object_object_get_ex(pulls->last, key, &known))
        stl_json_set_number(pulls->last, key, time);
    else if (json_object_get_int64(known) < time)
        json_object_set_int64(known, time);
}

void stl_pulls_note(struct stl_pulls *pulls, const struct stl_record *record)
{
    char key[KEY_MAX];
    note_pull(pulls, make_key(record->repository, record->tag ? record->tag : record->digest, key),
              record->time);
}

int64_t stl_pulls_last(const struct stl_pulls *pulls, const char *repository, const char *reference)
{
    struct json_object *known = NULL;
    char key[KEY_MAX];
    if (!pulls->last || !json_object_object_get_ex(pulls->last, make_key(repository, reference, key), &known))
        return 0;
    return json_object_get_int64(known);
}

/* --- the file ------------------------------------------------------------------------------------------- */

/* "SECONDS NAME REFERENCE" */
static int read_pull_line(struct stl_pulls *pulls, char *line)
{
    struct stl_error ignored = STL_ERROR_INIT;
    struct stl_name name;
    struct stl_reference reference;
    char *text = NULL, key[KEY_MAX];
    int64_t time = strtoll(line, &text, 10);
    if (*text != ' ')
        return -1;
    char *repository = text + 1, *space = strchr(repository, ' ');
    if (!space)
        return -1;
    *space = '\0';
    if (stl_name_parse(repository, &name, &ignored) || stl_reference_parse(space + 1, &reference, &ignored))
        return -1;
    note_pull(pulls, make_key(repository, space + 1, key), time);
    return 0;
}

static int read_text(struct stl_pulls *pulls, char *text, struct stl_error *err)
{
    size_t number = 0;
    for (char *line; (line = strsep(&text, "\n")) && (*line || text);) {
        int end = 0;
        number++;
        int wrong = number > 1 ? read_pull_line(pulls, line)
                               : sscanf(line, "since %" SCNd64 " until %" SCNd64 "%n", &pulls->since,
                                        &pulls->until, &end) != 2 ||
                                     line[end];
        if (wrong)
            return stl_error_set(err, STL_DAMAGED,
                                 "%s, line %zu, is wrong: remove the file, and have 'stillage log --pulls "
                                 "--record' read the logs again",
                                 file_name, number);
    }
    return 0;
}

int stl_pulls_load(const struct stl_registry *registry, struct stl_pulls *pulls, struct stl_error *err)
{
    STL_AUTO_BUF struct stl_buf text = {.ceiling = FILE_SIZE_MAX};
    if (stl_file_read(registry->root.fd, file_name, false, &text, err)) {
        if (err->sys_errno != ENOENT)
            return -1;
        stl_error_clear(err);
        return 0;
    }
    return text.data ? read_text(pulls, text.data, err) : 0;
}

static bool exists(const struct stl_registry *registry, const char *repository, const char *reference)
{
    struct stl_error ignored = STL_ERROR_INIT;
    struct stl_name name;
    struct stat st;
    char path[STL_PATH_MAX];
    if (stl_name_parse(repository, &name, &ignored))
        return false;
    STL_AUTO_FREE char *link =
        stl_sprintf("%s/" STL_REPO_LINKS "/%s", stl_path_repository(&name, path), reference);
    return fstatat(registry->root.fd, link, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode);
}

static int save(const struct stl_registry *registry, const struct stl_pulls *pulls, struct stl_error *err)
{
    STL_AUTO_BUF struct stl_buf text = {.ceiling = FILE_SIZE_MAX};
    struct stl_root root = registry->root;
    root.file_mode &= 0640;
    int full = stl_buf_printf(&text, "since %" PRId64 " until %" PRId64 "\n", pulls->since, pulls->until);
    if (pulls->last) {
        json_object_object_foreach(pulls->last, key, value)
        {
            const char *space = strchr(key, ' ');
            STL_AUTO_FREE char *repository = stl_strndup(key, (size_t)(space - key));
            if (exists(registry, repository, space + 1))
                full |= stl_buf_printf(&text, "%" PRId64 " %s\n", json_object_get_int64(value), key);
        }
    }
    if (full)
        return stl_error_set(err, STL_INVALID, "%s would be too large", file_name);
    STL_AUTO_CLOSE int log = stl_dir_make(&root, root.fd, STL_LOG, err);
    if (log < 0 || stl_file_put(&root, root.fd, file_name, text.data, text.length, err))
        return -1;
    return stl_dir_sync(log, err);
}

int stl_pulls_record(const struct stl_registry *registry, struct stl_pulls *pulls,
                     const struct stl_access_log_seen *seen, int64_t *gap, struct stl_error *err)
{
    STL_AUTO_PULLS struct stl_pulls known = {0};
    STL_AUTO_CLOSE int lock = stl_registry_lock(registry, STL_LOCK_PULLS, NULL, true, err);
    if (lock < 0 || stl_pulls_load(registry, &known, err))
        return -1;
    bool later = known.until && seen->first > known.until, earlier = known.until && seen->last < known.since;
    *gap = known.until;
    pulls->since =
        earlier || (!later && known.until && known.since < seen->first) ? known.since : seen->first;
    pulls->until = seen->last > known.until ? seen->last : known.until;
    if (known.last) {
        json_object_object_foreach(known.last, key, value)
        {
            note_pull(pulls, key, json_object_get_int64(value));
        }
    }
    return save(registry, pulls, err) ? -1 : later;
}
