#include "event.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "io.h"
#include "random.h"
#include "repo.h"
#include "utf8.h"

static const char file_name[] = STL_LOG_EVENTS, lock_name[] = STL_LOCKS_EVENTS;
enum { TEXT_MAX = 255 };

/* A client may send a User-Agent of any bytes and of any length. */
static void add_bounded_text(struct json_object *object, const char *key, const char *text)
{
    if (!text || !*text)
        return;
    STL_AUTO_FREE char *copy = stl_strndup(text, strnlen(text, TEXT_MAX + 4));
    char *p = copy;
    while (*p) {
        size_t length = stl_utf8_length(p, strlen(p)), step = length ? length : 1;
        if ((size_t)(p - copy) + step > TEXT_MAX)
            break;
        if (length == 0)
            *p = '?';
        p += step;
    }
    *p = '\0';
    stl_json_set_string(object, key, copy);
}

static void add_id(struct json_object *object, const char *key)
{
    char text[STL_UUID_LENGTH + 1];
    add_bounded_text(object, key, stl_uuid(text));
}

static void add_time(struct json_object *object)
{
    struct timespec now;
    struct tm tm;
    char seconds[32], text[64];
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    strftime(seconds, sizeof seconds, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(text, sizeof text, "%s.%09ldZ", seconds, now.tv_nsec);
    add_bounded_text(object, "timestamp", text);
}

static struct json_object *describe_target(const struct stl_event *event)
{
    struct json_object *target = json_object_new_object();
    add_bounded_text(target, "mediaType", event->media_type);
    if (event->size >= 0) {
        stl_json_set_number(target, "size", event->size);
        stl_json_set_number(target, "length", event->size);
    }
    add_bounded_text(target, "digest", event->digest);
    add_bounded_text(target, "repository", event->repository);
    add_bounded_text(target, "tag", event->tag);
    return target;
}

static struct json_object *describe_request(const struct stl_actor *actor)
{
    struct json_object *request = json_object_new_object();
    if (!actor || !actor->method)
        return request;
    add_id(request, "id");
    add_bounded_text(request, "addr", actor->address);
    add_bounded_text(request, "host", actor->host);
    add_bounded_text(request, "method", actor->method);
    add_bounded_text(request, "useragent", actor->user_agent);
    return request;
}

struct json_object *stl_event_describe(const struct stl_event *event, const struct stl_actor *actor)
{
    char host[256] = "";
    struct json_object *object = json_object_new_object(), *who = json_object_new_object(),
                       *source = json_object_new_object();
    add_id(object, "id");
    add_time(object);
    add_bounded_text(object, "action", event->action);
    json_object_object_add(object, "target", describe_target(event));
    json_object_object_add(object, "request", describe_request(actor));
    add_bounded_text(who, "name", actor ? actor->name : NULL);
    json_object_object_add(object, "actor", who);
    if (gethostname(host, sizeof host - 1) == 0)
        add_bounded_text(source, "addr", host);
    json_object_object_add(object, "source", source);
    return object;
}

/* --- the file ------------------------------------------------------------------------------------------- */

static void rotate(const struct stl_registry *registry)
{
    struct stat st;
    int root = registry->root.fd;
    STL_AUTO_CLOSE int lock =
        openat(root, lock_name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, registry->root.file_mode & 0660);
    if (lock < 0 || flock(lock, LOCK_EX))
        return;
    /* Another process may have done it meanwhile. */
    if (fstatat(root, file_name, &st, AT_SYMLINK_NOFOLLOW) || st.st_size < registry->settings.events.size)
        return;
    for (int i = STL_EVENT_OLD_FILES; i > 0; i--) {
        char from[64], to[64];
        snprintf(to, sizeof to, "%s.%d", file_name, i);
        snprintf(from, sizeof from, i > 1 ? "%s.%d" : "%s", file_name, i - 1);
        renameat(root, from, root, to);
    }
}

static void append_event(const struct stl_registry *registry, const char *line, size_t length)
{
    struct stl_error ignored = STL_ERROR_INIT;
    struct stat st;
    STL_AUTO_CLOSE int fd =
        openat(registry->root.fd, file_name, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC,
               registry->root.file_mode & 0640);
    if (fd < 0 || stl_write_all(fd, line, length, &ignored))
        return;
    if (fstat(fd, &st) == 0 && st.st_size >= registry->settings.events.size)
        rotate(registry);
}

void stl_event_write(const struct stl_registry *registry, const struct stl_event *event,
                     const struct stl_actor *actor)
{
    STL_AUTO_JSON struct json_object *envelope = json_object_new_object();
    STL_AUTO_FREE char *line = NULL;
    struct json_object *list = json_object_new_array();
    if (registry->settings.events.size == 0) {
        json_object_put(list);
        return;
    }
    json_object_array_add(list, stl_event_describe(event, actor));
    json_object_object_add(envelope, "events", list);
    line = stl_sprintf("%s\n", stl_json_text(envelope));
    append_event(registry, line, strlen(line));
}

void stl_event_push(const struct stl_repo *repo, const struct stl_digest *digest, const char *media_type,
                    int64_t size, const struct stl_tag *tags, size_t tag_count)
{
    char text[STL_DIGEST_TEXT_MAX];
    struct stl_event event = {"push", repo->name.text, NULL, stl_digest_format(digest, text), media_type,
                              size};
    if (tag_count == 0)
        stl_event_write(repo->registry, &event, repo->actor);
    for (size_t i = 0; i < tag_count; i++) {
        event.tag = tags[i].text;
        stl_event_write(repo->registry, &event, repo->actor);
    }
}

void stl_event_delete(const struct stl_repo *repo, const struct stl_tag *tag, const struct stl_digest *digest)
{
    char text[STL_DIGEST_TEXT_MAX];
    struct stl_event event = {.action = "delete",
                              .repository = repo->name.text,
                              .tag = tag ? tag->text : NULL,
                              .digest = digest ? stl_digest_format(digest, text) : NULL,
                              .size = -1};
    stl_event_write(repo->registry, &event, repo->actor);
}
