/*
 * A client of stillage.cgi for fuzz targets: "METHOD URI", lines NAME=value as a web server would set them,
 * an empty line, and the body; answered within this process.
 */
#ifndef CLIENT_H
#define CLIENT_H

#include <stdbool.h>

#include "mem.h"
#include "registry.h"

enum { CLIENT_LINES = 16 };

struct client {
    const char *method, *uri;
    const char *lines[CLIENT_LINES + 1]; /* NAME=value, ends with NULL */
    const char *body;
    size_t length;
    bool framed, insists;       /* of its channel (cgi/channel.h) */
    struct stl_buf answer, log; /* what stillage.cgi has written; filled by client_ask() */
};

/* Cuts up the text, which stays the caller's. Returns false if it is no request. */
bool client_parse(struct client *client, char *text, size_t size);
void client_ask(struct client *client, const struct stl_registry *registry);
void client_clear(struct client *client);

/* The text with each `mark` replaced; the caller frees. */
char *client_expand(const char *text, char mark, const char *replacement);

#endif
