/*
 * The timeout of a body: how long to wait for it.
 *
 * A body may be slow, but not slower than a minimum rate, and its pauses are limited. Waiting also ends when
 * the registry is frozen or the program has to end, and, once the body pauses, when another request wants to
 * continue the same upload: the client has most likely given up on this one.
 *
 * One thread reads the body, another may watch. The reader moves the deadline; the thread that notices that
 * it has passed says so in `verdict`.
 */
#ifndef TIMEOUT_H
#define TIMEOUT_H

#include <pthread.h>
#include <stdint.h>

#include "registry.h"
#include "upload.h"

enum verdict { VERDICT_NONE, VERDICT_SLOW, VERDICT_FROZEN, VERDICT_ENDING, VERDICT_WANTED };

enum {
    TIMEOUT_TICK = 1000,   /* milliseconds between two checks */
    TIMEOUT_START = 60000, /* milliseconds that a body has before the rate counts */
    TIMEOUT_YIELD =
        2000, /* how long a body has to pause before its upload is left to another, in milliseconds */
    TIMEOUT_PAUSE = 300000 /* the longest pause, in milliseconds, after many bytes */
};

struct timeout {
    pthread_mutex_t lock;
    int socket;       /* that the body comes from: reading from it ends with the verdict; -1: none */
    bool kept;        /* somebody waits for the body */
    int64_t deadline; /* in milliseconds of timeout_now(); 0: none */
    int64_t rate;     /* bytes a second; 0: any rate */
    /* The registry that is written to: it may be frozen. NULL: none. Outlives the timeout. */
    const struct stl_registry *registry;
    /* The upload that the body goes to. NULL: none. Until timeout_end(). */
    const struct stl_upload *upload;
    int64_t heard;  /* when bytes came last */
    int64_t judged; /* when it was last checked whether the body may go on */
    enum verdict verdict;
};

#define TIMEOUT_INIT                                                                                         \
    {                                                                                                        \
        .lock = PTHREAD_MUTEX_INITIALIZER, .socket = -1                                                      \
    }

int64_t timeout_now(void);

/* For the reader: the body begins, for this registry and upload (either may be NULL); that many bytes have
 * arrived; the wait is over. The reader decides what to do about the verdict. */
void timeout_begin(struct timeout *timeout, int64_t rate, const struct stl_registry *registry,
                   const struct stl_upload *upload);
void timeout_earn(struct timeout *timeout, size_t bytes);
void timeout_end(struct timeout *timeout);
/* Ends the wait that many milliseconds from now, whatever arrives. */
void timeout_allow(struct timeout *timeout, int64_t milliseconds);

/* For the thread that watches: is it over, and why? `ending`: the program has to end. */
enum verdict timeout_judge(struct timeout *timeout, bool ending);
/* What was found. */
enum verdict timeout_verdict(struct timeout *timeout);

#endif
