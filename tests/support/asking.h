/*
 * What the tests of stillage.cgi share that run it within their own process (unit/t-cgi*.c; cgi-client.h).
 */
#ifndef ASKING_H
#define ASKING_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cgi-client.h"
#include "unit.h"

static struct client client; /* the last one, with its answer */

/* Sends "METHOD URI\nNAME=value\n...\n\nbody", filled in as by printf(); returns the status. */
__attribute__((format(printf, 2, 3))) static inline int ask(const struct unit *unit, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    STL_AUTO_FREE char *text = stl_vsprintf(format, args);
    va_end(args);
    client_clear(&client);
    assert_true(client_parse(&client, text, strlen(text)));
    client.insists = true;
    client_ask(&client, &unit->registry);
    assert_int_equal(strncmp(client.answer.data, "Status: ", 8), 0);
    int status = (int)strtol(client.answer.data + 8, NULL, 10);
    const char *reason = status == 200 ? "OK" : status == 201 ? "Created" : status == 404 ? "Not Found" : "";
    assert_int_equal(strncmp(client.answer.data + strlen("Status: 200 "), reason, strlen(reason)), 0);
    return status;
}

/* The body; with a length, where a method has one. */
static inline int send_body(const struct unit *unit, const char *method, const char *uri, const char *more,
                            const char *body)
{
    return ask(unit, "%s %s\nCONTENT_LENGTH=%zu\n%s\n%s", method, uri, strlen(body), more, body);
}

/* The value of a header of the last answer, or NULL; until the next call. */
static inline const char *header(const char *name)
{
    static char value[512];
    STL_AUTO_FREE char *start = stl_sprintf("\r\n%s: ", name);
    const char *end = strstr(client.answer.data, "\r\n\r\n"), *found = strstr(client.answer.data, start);
    if (!found || found > end)
        return NULL;
    found += strlen(start);
    snprintf(value, sizeof value, "%.*s", (int)strcspn(found, "\r"), found);
    return value;
}

static inline const char *body(void)
{
    return strstr(client.answer.data, "\r\n\r\n") + 4;
}

static inline bool says(const char *text)
{
    return strstr(body(), text) != NULL;
}

#endif
