/*
 * Pulls, in the access logs of nginx and Apache: in the formats of our templates, in the servers' own
 * (common, combined, with or without the virtual host in front), and in any other that begins like these.
 *
 * A pull is a GET or HEAD of a manifest, by tag or by digest, that was answered with 200 or 304. Clients
 * choose a good part of a line: user, address of the request, Referer, User-Agent. Both servers escape the
 * quotation marks in them, so the first one that is not escaped begins the request, and what stands right
 * before it is the server's own time. A line of another form is skipped.
 */
#ifndef STL_ACCESS_LOG_H
#define STL_ACCESS_LOG_H

#include "record.h"

/* A record lives as long as the line. */
enum stl_access_line {
    STL_LINE_FOREIGN, /* not a line of an access log */
    STL_LINE_OTHER,   /* another request; record->time and status are set */
    STL_LINE_PULL,
};
/* Changes the line, which ends with NUL. */
enum stl_access_line stl_access_log_parse(char *line, struct stl_record *record);

enum { STL_STATUS_MAX = 1000 };
struct stl_access_log_seen {
    int64_t first, last;              /* the times of the earliest and the latest line; 0: there was none */
    uint64_t foreign;                 /* lines that were skipped */
    uint64_t answers[STL_STATUS_MAX]; /* requests, by status */
};
/* Calls `visit` for each pull in a log, which may be compressed (gzip). Lines of more than 64 KiB are
 * skipped. On error the caller still owns `fd`; `name` is for messages. Returns what `visit` returned if
 * that is not 0, or -1. */
int stl_access_log_each(int fd, const char *name, stl_record_visit *visit, void *context,
                        struct stl_access_log_seen *seen, struct stl_error *err);

#endif
