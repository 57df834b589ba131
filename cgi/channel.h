/*
 * The two ways a request reaches the program: plain CGI (standard input, standard output, the environment)
 * and FastCGI (libfcgi). Nothing else in the program knows the difference.
 */
#ifndef CHANNEL_H
#define CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct channel {
    char *const *parameters; /* "NAME=value", ends with NULL */
    void *context;
    /* Reads the body: at most `size` bytes, 0 at its end, -1 if it broke off. */
    ssize_t (*read)(void *context, void *bytes, size_t size);
    /* Writes the answer: 0, or -1 when nobody listens any more. */
    int (*write)(void *context, const void *bytes, size_t length);
    /* A line for the web server's error log. */
    void (*log)(void *context, const char *line);
    /* Whether a body of unknown length that broke off is told apart from one that ended. */
    bool framed;
    /* Whether the body has to be read to its end, wanted or not: some servers pass on no answer before that.
     */
    bool insists;
};

/* Standard input, output and error of this process. */
void channel_init_process(struct channel *channel, char *const *environment);

/* Serves requests that come over the listening socket at descriptor 0 until SIGTERM or SIGINT; the request at
 * work is finished. SIGTERM is blocked but for the time between requests. Returns the exit status. */
typedef void channel_handler(void *context, struct channel *channel);
int channel_serve(channel_handler *handler, void *context);

#endif
