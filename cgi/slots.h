/*
 * Slots: how many requests a responder handles at a time, in all of its processes, and whose they are.
 *
 * They are in memory that the processes share, one for each request. A client for whose request there is none
 * is told to try again. Uploads last as long as a client wants: no address and no user may hold more than
 * half of the slots.
 */
#ifndef SLOTS_H
#define SLOTS_H

#include <stdbool.h>

struct slots;

/* Makes that many slots, all free; NULL and errno if there is no memory. They last as long as the
 * processes. */
struct slots *slots_make(int count);

/* A slot for a request of the process `worker` (from 0), or -1: all are taken. */
int slots_take(struct slots *slots, int worker);
void slots_release(struct slots *slots, int slot);
/* Frees the slots of a process that died. */
void slots_release_worker(struct slots *slots, int worker);

/* The request becomes an upload from `address` by `user` (NULL: nobody). Returns false if one of them has
 * half of the slots already. An IPv6 address counts as its network of 64 bits. */
bool slots_admit_upload(struct slots *slots, int slot, const char *address, const char *user);

#endif
