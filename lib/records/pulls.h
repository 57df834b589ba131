/*
 * When tags and manifests were last pulled: log/pulls, from the logs of the web server that were read
 * ('stillage log --pulls --record'). prune's rule not-pulled-for uses it.
 *
 * The file is text: "since SECONDS until SECONDS", the time that the logs cover without a gap, and for each
 * manifest that was pulled in it a line "SECONDS NAME REFERENCE". It holds only what the registry has, so it
 * cannot grow by what a log says.
 */
#ifndef STL_PULLS_H
#define STL_PULLS_H

#include "access-log.h"
#include "registry.h"

struct stl_pulls {
    int64_t since, until;     /* seconds since 1970; 0: nothing is known */
    struct json_object *last; /* "NAME REFERENCE": seconds */
};
#define STL_AUTO_PULLS __attribute__((cleanup(stl_pulls_clear)))
void stl_pulls_clear(struct stl_pulls *pulls); /* starts as {0} */

/* A missing file is an empty one: nothing is known. */
int stl_pulls_load(const struct stl_registry *registry, struct stl_pulls *pulls, struct stl_error *err);
/* When it was last pulled; 0: not since pulls->since. */
int64_t stl_pulls_last(const struct stl_pulls *pulls, const char *repository, const char *reference);

/* Notes a pull, of what is valid as name and reference. */
void stl_pulls_note(struct stl_pulls *pulls, const struct stl_record *record);
/* Adds what was noted from logs that cover `seen`, without a gap in it, to the file; durable on return.
 * Returns 1 if there is a gap between what was known and them: then *gap is the time of its beginning, and
 * pulls->since that of its end. Logs from before what is known add pulls, but not their time. */
int stl_pulls_record(const struct stl_registry *registry, struct stl_pulls *pulls,
                     const struct stl_access_log_seen *seen, int64_t *gap, struct stl_error *err);

#endif
