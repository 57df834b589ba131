/*
 * Several processes that do the same work.
 */
#ifndef WORKERS_H
#define WORKERS_H

/* Keeps `count` processes that run `work` going until SIGTERM or SIGINT, which they get as SIGTERM and are
 * waited for. Returns the exit status. */
int workers_run(int count, int (*work)(void *context), void *context);

#endif
