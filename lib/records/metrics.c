#include "metrics.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "freeze.h"
#include "journal.h"
#include "json.h"
#include "last-run.h"
#include "random.h"
#include "repos.h"

enum { ACTIONS_MAX = 64 };

#define EVENTS "stillage_events_total"
#define POSITION "# stillage has read the events of %ju up to %ju, %ju\n"

struct counts {
    uint64_t repositories, tags, manifests, blobs, blob_bytes, uploads, upload_bytes;
};

/* --- content -------------------------------------------------------------------------------------------- */

static int count_reference(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    struct counts *counts = context;
    (void)type;
    (void)err;
    *(strchr(name, ':') ? &counts->manifests : &counts->tags) += 1;
    return 0;
}

static int count_repositories(const struct stl_registry *registry, struct counts *counts,
                              struct stl_error *err)
{
    STL_AUTO_NAMES struct stl_names names = {0};
    if (stl_repos_list(registry, &names, err))
        return -1;
    counts->repositories = names.count;
    for (size_t i = 0; i < names.count; i++) {
        STL_AUTO_FREE char *links = stl_sprintf(STL_V2 "/%s/" STL_REPO_LINKS, names.items[i]);
        if (stl_dir_each_file_if_any(registry->root.fd, links, count_reference, counts, err))
            return -1;
    }
    return 0;
}

struct counted_folder {
    const struct stl_registry *registry;
    const char *path;
    uint64_t *count, *bytes;
};

static int count_file(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    const struct counted_folder *folder = context;
    struct stat st;
    (void)type;
    (void)err;
    STL_AUTO_FREE char *path = stl_sprintf("%s/%s", folder->path, name);
    /* The files <uuid>.hash and <uuid>.ended do not count. */
    if (!strchr(name, '.') && strlen(name) >= STL_UUID_LENGTH &&
        fstatat(folder->registry->root.fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode)) {
        *folder->count += 1;
        *folder->bytes += (uint64_t)st.st_size;
    }
    return 0;
}

static int count_folder(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    struct counted_folder folder = *(const struct counted_folder *)context;
    (void)type;
    STL_AUTO_FREE char *path = stl_sprintf("%s/%s", folder.path, name);
    folder.path = path;
    return stl_dir_each_file_if_any(folder.registry->root.fd, path, count_file, &folder, err);
}

static int count_files(const struct stl_registry *registry, struct counts *counts, struct stl_error *err)
{
    struct counted_folder folders[] = {
        {registry, STL_STORE "/sha256", &counts->blobs, &counts->blob_bytes},
        {registry, STL_STORE "/sha512", &counts->blobs, &counts->blob_bytes},
        {registry, STL_UPLOADS, &counts->uploads, &counts->upload_bytes},
    };
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        if (stl_dir_each_if_any(registry->root.fd, folders[i].path, count_folder, &folders[i], err))
            return -1;
    return 0;
}

/* --- events --------------------------------------------------------------------------------------------- */

static void add_to(struct json_object *actions, const char *action, int64_t count)
{
    struct json_object *known = NULL;
    if (json_object_object_get_ex(actions, action, &known))
        json_object_int_inc(known, count);
    else if (json_object_object_length(actions) < ACTIONS_MAX)
        stl_json_set_number(actions, action, count);
}

static int count_event(void *actions, const struct stl_record *record, struct stl_error *err)
{
    (void)err;
    add_to(actions, record->action, 1);
    return 0;
}

/* Takes over the counters of the run before, and where it has stopped. */
static void resume(struct stl_journal *journal, uintmax_t root, const char *before,
                   struct json_object *actions)
{
    static const char counter[] = "\n" EVENTS "{action=\"";
    uintmax_t of = 0, file = 0, offset = 0;
    const char *line = strstr(before, "# stillage has read");
    if (!line || sscanf(line, POSITION, &of, &file, &offset) != 3 || of != root)
        return;
    stl_journal_resume(journal, file, offset);
    for (const char *at = before; (at = strstr(at, counter)); at++) {
        const char *action = at + strlen(counter);
        size_t length = strspn(action, "abcdefghijklmnopqrstuvwxyz-");
        STL_AUTO_FREE char *name = stl_strndup(action, length);
        if (length && !strncmp(action + length, "\"} ", 3))
            add_to(actions, name, strtoll(action + length + 3, NULL, 10));
    }
}

static bool is_action(const char *text)
{
    return *text && !text[strspn(text, "abcdefghijklmnopqrstuvwxyz-")];
}

static int write_events(const struct stl_registry *registry, const char *before, struct stl_buf *text,
                        struct stl_error *err)
{
    STL_AUTO_JSON struct json_object *actions = json_object_new_object();
    STL_AUTO_JOURNAL struct stl_journal journal = STL_JOURNAL_INIT;
    struct stat root;
    uintmax_t file = 0, offset = 0;
    journal.registry = registry;
    if (fstat(registry->root.fd, &root))
        return stl_error_errno(err, "cannot look at %s", registry->path);
    if (before)
        resume(&journal, root.st_ino, before, actions);
    if (stl_journal_read(&journal, count_event, actions, err))
        return -1;
    stl_journal_position(&journal, &file, &offset);
    stl_buf_printf(text, POSITION, (uintmax_t)root.st_ino, file, offset);
    stl_buf_puts(text, "# HELP " EVENTS " Events by kind: pushes, deletions, denials, failed logins.\n"
                       "# TYPE " EVENTS " counter\n");
    json_object_object_foreach(actions, action, count)
    {
        if (is_action(action))
            stl_buf_printf(text, EVENTS "{action=\"%s\"} %" PRId64 "\n", action,
                           json_object_get_int64(count));
    }
    return 0;
}

/* --- the text ------------------------------------------------------------------------------------------- */

static void write_gauge(struct stl_buf *text, const char *name, const char *help, uint64_t value)
{
    stl_buf_printf(text, "# HELP stillage_%s %s\n# TYPE stillage_%s gauge\nstillage_%s %" PRIu64 "\n", name,
                   help, name, name, value);
}

static void write_runs(const struct stl_registry *registry, struct stl_buf *text)
{
    static const char *const commands[] = {"gc", "verify"};
    time_t when[2];
    uint64_t problems[2];
    bool known[2];
    for (size_t i = 0; i < 2; i++)
        known[i] = stl_last_run_find(registry, commands[i], &when[i], &problems[i]);
    if (!known[0] && !known[1])
        return;
    stl_buf_puts(text, "# HELP stillage_last_run_timestamp_seconds When the command last ran to its end.\n"
                       "# TYPE stillage_last_run_timestamp_seconds gauge\n");
    for (size_t i = 0; i < 2; i++)
        if (known[i])
            stl_buf_printf(text, "stillage_last_run_timestamp_seconds{command=\"%s\"} %jd\n", commands[i],
                           (intmax_t)when[i]);
    stl_buf_puts(text, "# HELP stillage_last_run_problems How many problems that run has left.\n"
                       "# TYPE stillage_last_run_problems gauge\n");
    for (size_t i = 0; i < 2; i++)
        if (known[i])
            stl_buf_printf(text, "stillage_last_run_problems{command=\"%s\"} %" PRIu64 "\n", commands[i],
                           problems[i]);
}

static void write_answers(const struct stl_access_log_seen *answers, struct stl_buf *text)
{
    stl_buf_puts(text, "# HELP stillage_http_responses_total Requests in the web server's log, by status.\n"
                       "# TYPE stillage_http_responses_total counter\n");
    for (size_t i = 0; i < STL_STATUS_MAX; i++)
        if (answers->answers[i])
            stl_buf_printf(text, "stillage_http_responses_total{code=\"%zu\"} %" PRIu64 "\n", i,
                           answers->answers[i]);
}

int stl_metrics_write(const struct stl_registry *registry, const char *before,
                      const struct stl_access_log_seen *answers, struct stl_buf *text, struct stl_error *err)
{
    struct counts counts = {0};
    if (count_repositories(registry, &counts, err) || count_files(registry, &counts, err) ||
        write_events(registry, before, text, err))
        return -1;
    write_gauge(text, "repositories", "Repositories.", counts.repositories);
    write_gauge(text, "tags", "Tags of all repositories.", counts.tags);
    write_gauge(text, "manifests", "Manifests of all repositories.", counts.manifests);
    write_gauge(text, "blobs", "Blobs, each counted once.", counts.blobs);
    write_gauge(text, "blob_bytes", "Bytes of all blobs, each counted once.", counts.blob_bytes);
    write_gauge(text, "uploads_open", "Uploads that are not finished.", counts.uploads);
    write_gauge(text, "upload_bytes", "Bytes of uploads that are not finished.", counts.upload_bytes);
    write_gauge(text, "is_frozen", "1 while 'stillage freeze' keeps everybody from writing.",
                stl_is_frozen(registry));
    write_runs(registry, text);
    if (answers)
        write_answers(answers, text);
    return 0;
}
