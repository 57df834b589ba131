#include "journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "event.h"
#include "json.h"

enum { LINE_MAX_BYTES = 64 << 10 };

void stl_journal_close(struct stl_journal *journal)
{
    stl_close_fd(&journal->fd);
    stl_buf_clear(&journal->rest);
}

/* --- lines ---------------------------------------------------------------------------------------------- */

static const char *text_in(struct json_object *object, const char *member, const char *key)
{
    struct json_object *inner = NULL;
    struct stl_error ignored = STL_ERROR_INIT;
    const char *text = NULL;
    if (stl_json_object(object, member, &inner, &ignored) || !inner ||
        stl_json_string(inner, key, &text, &ignored))
        return NULL;
    return text;
}

static bool parse_time(const char *text, int64_t *time)
{
    struct tm tm = {0};
    if (!text || !strptime(text, "%Y-%m-%dT%H:%M:%S", &tm))
        return false;
    *time = timegm(&tm);
    return true;
}

static int visit_event(struct json_object *event, stl_record_visit *visit, void *context,
                       struct stl_error *err)
{
    struct stl_error ignored = STL_ERROR_INIT;
    struct stl_record record = {.user = text_in(event, "actor", "name"),
                                .repository = text_in(event, "target", "repository"),
                                .tag = text_in(event, "target", "tag"),
                                .digest = text_in(event, "target", "digest"),
                                .address = text_in(event, "request", "addr"),
                                .agent = text_in(event, "request", "useragent")};
    const char *time = NULL;
    if (stl_json_string(event, "timestamp", &time, &ignored) || !parse_time(time, &record.time) ||
        stl_json_string(event, "action", &record.action, &ignored) || !record.action)
        return 1;
    return visit(context, &record, err) ? -1 : 0;
}

/* A line is one document with a list of events. */
static int visit_line(struct stl_journal *journal, const char *line, size_t length, stl_record_visit *visit,
                      void *context, struct stl_error *err)
{
    struct stl_error why = STL_ERROR_INIT;
    STL_AUTO_JSON struct json_object *document = stl_json_parse(line, length, &why);
    struct json_object *events = NULL;
    if (!document || stl_json_array(document, "events", &events, &why) || !events) {
        journal->unreadable++;
        return 0;
    }
    for (size_t i = 0; i < json_object_array_length(events); i++) {
        struct json_object *event = json_object_array_get_idx(events, i);
        int result =
            json_object_is_type(event, json_type_object) ? visit_event(event, visit, context, err) : 1;
        if (result < 0)
            return -1;
        journal->unreadable += (uint64_t)result;
    }
    return 0;
}

/* Takes all complete lines out of `rest`. */
static int visit_lines(struct stl_journal *journal, stl_record_visit *visit, void *context,
                       struct stl_error *err)
{
    char *start = journal->rest.data, *end = start + journal->rest.length, *newline;
    int result = 0;
    while (result == 0 && (newline = memchr(start, '\n', (size_t)(end - start)))) {
        result = visit_line(journal, start, (size_t)(newline - start), visit, context, err);
        start = newline + 1;
    }
    journal->rest.length = (size_t)(end - start);
    memmove(journal->rest.data, start, journal->rest.length);
    if (journal->rest.length > LINE_MAX_BYTES) {
        journal->unreadable++;
        journal->rest.length = 0;
    }
    return result;
}

static int read_log(struct stl_journal *journal, stl_record_visit *visit, void *context,
                    struct stl_error *err)
{
    char chunk[64 << 10];
    ssize_t n;
    while ((n = read(journal->fd, chunk, sizeof chunk)) > 0) {
        stl_buf_add(&journal->rest, chunk, (size_t)n);
        int result = visit_lines(journal, visit, context, err);
        if (result)
            return result;
    }
    return n < 0 ? stl_error_errno(err, "cannot read " STL_LOG_EVENTS) : 0;
}

/* --- files ---------------------------------------------------------------------------------------------- */

/* 0: the file that is being written. */
static int open_file(const struct stl_journal *journal, int number)
{
    char name[64];
    snprintf(name, sizeof name, number ? STL_LOG_EVENTS ".%d" : STL_LOG_EVENTS, number);
    return openat(journal->registry->root.fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
}

static bool is_same(int a, int b)
{
    struct stat left, right;
    return fstat(a, &left) == 0 && fstat(b, &right) == 0 && left.st_dev == right.st_dev &&
           left.st_ino == right.st_ino;
}

/* The file after the one that has been read, or -1: a file that is renamed stays the same file. */
static int find_next(const struct stl_journal *journal, struct stl_error *err)
{
    int next = -1;
    for (int number = 0; number <= STL_EVENT_OLD_FILES; number++) {
        int fd = open_file(journal, number);
        if (fd < 0 && errno != ENOENT) {
            stl_error_errno(err, "cannot open the events in %s", journal->registry->path);
            break;
        }
        if (fd >= 0 && journal->fd >= 0 && is_same(fd, journal->fd)) {
            stl_close_fd(&fd);
            break;
        }
        if (fd >= 0) {
            stl_close_fd(&next);
            next = fd;
        }
    }
    return next;
}

int stl_journal_read(struct stl_journal *journal, stl_record_visit *visit, void *context,
                     struct stl_error *err)
{
    for (;;) {
        int result = journal->fd >= 0 ? read_log(journal, visit, context, err) : 0;
        STL_AUTO_CLOSE int next = result ? -1 : find_next(journal, err);
        if (result || err->code != STL_OK)
            return result ? result : -1;
        if (next < 0)
            return 0;
        /* Read what was added just before the file was renamed. */
        if (journal->fd >= 0 && (result = read_log(journal, visit, context, err)))
            return result;
        journal->unreadable += journal->rest.length > 0; /* torn by a crash */
        journal->rest.length = 0;
        stl_close_fd(&journal->fd);
        journal->fd = next;
        next = -1;
    }
}

void stl_journal_position(const struct stl_journal *journal, uintmax_t *file, uintmax_t *offset)
{
    struct stat st;
    off_t at = journal->fd >= 0 ? lseek(journal->fd, 0, SEEK_CUR) : 0;
    bool known = journal->fd >= 0 && fstat(journal->fd, &st) == 0;
    *file = known ? st.st_ino : 0;
    *offset = known ? (uintmax_t)at - journal->rest.length : 0;
}

void stl_journal_resume(struct stl_journal *journal, uintmax_t file, uintmax_t offset)
{
    for (int number = 0; number <= STL_EVENT_OLD_FILES && file; number++) {
        STL_AUTO_CLOSE int fd = open_file(journal, number);
        struct stat st;
        if (fd >= 0 && fstat(fd, &st) == 0 && st.st_ino == file && (uintmax_t)st.st_size >= offset &&
            lseek(fd, (off_t)offset, SEEK_SET) >= 0) {
            stl_close_fd(&journal->fd);
            journal->fd = fd;
            fd = -1;
            return;
        }
    }
}
