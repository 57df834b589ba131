/*
 * A server for the tests of clients: gives each connection the next of its answers, whatever is asked, and
 * closes it.
 */
#ifndef SCRIPTED_H
#define SCRIPTED_H

#include <pthread.h>
#include <stddef.h>

enum { SCRIPTED_ASKED_MAX = 32 };

struct server {
    int fd;
    unsigned port;
    pthread_t thread;
    const char *const *answers; /* NULL at the end */
    size_t together;            /* so many are asked before the first is answered */
    char *asked[SCRIPTED_ASKED_MAX];
    size_t count;
    int stalled[SCRIPTED_ASKED_MAX]; /* connections that stay open */
    size_t stalled_count;
    char host[32]; /* "127.0.0.1:<port>" */
    char url[64];  /* "http://<host>/a" */
};

/* In front of an answer: after it, the connection stays open until the end. */
#define STALLED "\001"
/* An answer that is none: the connection is reset. */
#define RESET "\002"

#define ANSWER(status, headers, body) "HTTP/1.1 " status "\r\nConnection: close\r\n" headers "\r\n" body

void begin(struct server *server, const char *const *answers, size_t together);
/* Checks how often it was asked. */
void end(struct server *server, size_t asked);
/* What a request says, or does not. */
void has(const struct server *server, size_t number, const char *text);
void lacks(const struct server *server, size_t number, const char *text);

#endif
