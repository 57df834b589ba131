/*
 * The two ways a request reaches the program: plain CGI (standard input, standard output, the environment)
 * and FastCGI (fastcgi.h). Nothing else in the program knows the difference.
 */
#ifndef CHANNEL_H
#define CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "timeout.h"

struct channel {
    char *const *parameters; /* "NAME=value", ends with NULL */
    void *context;
    /* Reads the body: at most `size` bytes of those that have arrived, after waiting if there are none; 0 at
     * its end, -1 if it broke off. After a timeout it returns 0 or -1, too: the verdict says why. */
    ssize_t (*read)(void *context, void *bytes, size_t size);
    /* Writes the answer: 0, or -1 if the client is gone. */
    int (*write)(void *context, const void *bytes, size_t length);
    /* A line for the web server's error log. */
    void (*log)(void *context, const char *line);
    /* Whether this address and this user (NULL: nobody) may begin another upload: each may take only a share
     * of the slots. NULL: there are no such limits. */
    bool (*admit)(void *context, const char *address, const char *user);
    /* How long to wait for the body. NULL: for ever. */
    struct timeout *timeout;
    /* Whether a body of unknown length that broke off can be told from one that ended. */
    bool framed;
    /* Whether the body has to be read to its end, wanted or not: some servers pass on no answer before that.
     */
    bool insists;
};

/* Standard input, output and error of this process. */
void channel_init_process(struct channel *channel, struct timeout *timeout, char *const *environment);

#endif
