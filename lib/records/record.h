/*
 * What happened, as a log tells it: an event (journal.h), or a pull in the log of a web server
 * (access-log.h).
 */
#ifndef STL_RECORD_H
#define STL_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "access-rules.h"

/* Texts may be NULL, hold any bytes but NUL, and live as long as the call that gets the record. */
struct stl_record {
    int64_t time; /* seconds since 1970 */
    const char *action, *user, *repository, *tag, *digest, *address, *agent;
    int status; /* of a request: what the server answered */
};
typedef int stl_record_visit(void *context, const struct stl_record *record, struct stl_error *err);

/* Which records are wanted; {.until = INT64_MAX}: all. */
struct stl_record_filter {
    struct stl_words repositories, actions, users; /* patterns; none: all */
    int64_t since, until;                          /* seconds since 1970; from, and before */
};
bool stl_record_wanted(const struct stl_record_filter *filter, const struct stl_record *record);
void stl_record_filter_clear(struct stl_record_filter *filter);

#endif
