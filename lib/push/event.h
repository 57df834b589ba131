/*
 * Events: a log of what happened (log/events.jsonl), and the input of hooks.
 *
 * Each line of the file is one document in the form of the distribution project's notifications:
 * {"events":[{...}]} with id, timestamp, action, target, request, actor, source; so a line can be sent to
 * anything that accepts those. Actions are "push" and "delete" (of a manifest or a tag), "create",
 * "describe", "make-public" and "make-private" (of a repository), "pull-denied", "push-denied",
 * "delete-denied", "admin-denied" (to somebody who has logged in) and "login-failure" (a password that was
 * checked and is wrong, or an unknown user). A request that is refused to a client without a login leaves no
 * event: the access log of the web server has it.
 *
 * Clients without rights cannot fill the file: a request leaves one line, texts chosen by the client are
 * truncated to 255 bytes, a login that has to wait (login.h) leaves none, and at most 1,000 denials of a user
 * are recorded within an hour or two.
 *
 * A line is appended by one write(2). Above `events: size:` the file is renamed to events.jsonl.1, .1 to .2
 * and so on. An event that cannot be written is lost; the action itself is not undone.
 */
#ifndef STL_EVENT_H
#define STL_EVENT_H

#include "json.h"
#include "manifest.h"

struct stl_registry;
struct stl_repo;

enum { STL_EVENT_OLD_FILES = 5 }; /* events.jsonl.1 to .5 */

/* Who does something, and with which request. All members may be NULL. */
struct stl_actor {
    const char *name;    /* the user's; NULL: not logged in, or the command line */
    const char *address; /* "192.0.2.1:12345" */
    const char *host, *method, *user_agent;
};

/* What happened. All members but `action` may be NULL. */
struct stl_event {
    const char *action, *repository, *tag, *digest, *media_type;
    int64_t size; /* of the manifest in bytes; -1 unknown */
};

/* The event as one element of "events"; the caller puts it. */
struct json_object *stl_event_describe(const struct stl_event *event, const struct stl_actor *actor);
/* Writes the event to the log, unless registry.yaml says `events: size: 0`. `actor` may be NULL. */
void stl_event_write(const struct stl_registry *registry, const struct stl_event *event,
                     const struct stl_actor *actor);

/* A manifest was pushed, under each of the tags, or without any; a tag or a manifest was deleted (one is
 * NULL). */
void stl_event_push(const struct stl_repo *repo, const struct stl_digest *digest, const char *media_type,
                    int64_t size, const struct stl_tag *tags, size_t tag_count);
void stl_event_delete(const struct stl_repo *repo, const struct stl_tag *tag,
                      const struct stl_digest *digest);

#endif
