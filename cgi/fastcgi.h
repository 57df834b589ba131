/*
 * FastCGI (libfcgi): a process that serves the requests which come over the listening socket at descriptor 0.
 *
 * Each request has a thread, which is idle while the body is waited for: a slow client costs some 60 KiB. The
 * thread that accepts connections checks the timeouts of all bodies (timeout.h), once a second.
 */
#ifndef FASTCGI_H
#define FASTCGI_H

#include "channel.h"
#include "slots.h"

struct fastcgi {
    struct slots *slots;
    int worker; /* the number of this process in it */
    /* Answers a request; several threads call it. `full`: only by telling the client to try again. */
    void (*handler)(void *context, struct channel *channel, bool full);
    void *context;
};

/* Serves until SIGTERM or SIGINT. Running requests are finished; bodies that have not arrived after eight
 * seconds are given up. SIGTERM is blocked except while nothing is being done. Returns the exit status. */
int fastcgi_serve(const struct fastcgi *fastcgi);

/* Called by a handler: ends fastcgi_serve() as SIGTERM does, within a second, with this exit status. */
void fastcgi_end(int status);

#endif
