/*
 * The answer to a request: headers, then one of response_send(), response_begin() and response_error(), which
 * say the status. Calls in the wrong order end the program: they are bugs.
 */
#ifndef RESPONSE_H
#define RESPONSE_H

#include <stdint.h>

#include "channel.h"
#include "err.h"
#include "mem.h"
#include "request.h"

struct json_object;

struct response {
    struct channel *channel;
    bool head;    /* the request was HEAD: no body goes out */
    bool started; /* status and headers are out */
    struct stl_buf headers;
};

void response_init(struct response *response, struct channel *channel, bool head);
void response_clear(struct response *response);

/* Control characters in the value, which could begin another header, become spaces (RFC 9110, section 5.5).
 */
void response_header(struct response *response, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The whole answer. `type` may be NULL if there is no body. */
void response_send(struct response *response, int status, const char *type, const char *body, size_t length);
/* The same for a JSON document that no cache may keep, with a newline at its end. */
void response_send_json(struct response *response, int status, struct json_object *document);
/* The beginning of an answer whose `length` bytes of body follow with response_write(), which returns -1 if
 * the client is gone. */
void response_begin(struct response *response, int status, const char *type, int64_t length);
int response_write(struct response *response, const void *bytes, size_t length);

/* The error as the specification wants it ("Error Codes"), with what the request was about for detail. The
 * headers that were given before stay. */
void response_error(struct response *response, const struct request *request, const struct stl_error *err);

#endif
