/*
 * Several processes that do the same work.
 */
#ifndef WORKERS_H
#define WORKERS_H

struct workers {
    int count;
    /* What each process does. Its number counts from 0. Returns the exit status. */
    int (*work)(void *context, int number);
    /* Called in the parent when one has ended, before it is started again. */
    void (*ended)(void *context, int number);
    void *context;
};

enum { WORKERS_RENEW = 3 }; /* exit status of one that asks for all to be started anew */

/* Keeps them running until SIGTERM or SIGINT, or until one ends with WORKERS_RENEW; then sends them SIGTERM
 * and waits for them. One that ends otherwise is started again, and if that fails, again a second later.
 * Returns 0, or WORKERS_RENEW. */
int workers_run(const struct workers *workers);

#endif
