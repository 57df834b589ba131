/*
 * How other processes reach the one that fetches missing content from other registries (`upstream:` in
 * registry.yaml, 'stillage pull-through').
 *
 * That process may connect to other machines, and reads nothing from clients; the processes that answer
 * clients may not connect. A request is one message to the socket REG/fetcher, which only the registry's
 * owner can open; with it goes a pipe for the answers. Processes in the sandbox (sandbox.h) send it through
 * the one that runs hooks (hook.h). The bytes of a blob do not go through here: while it arrives, it is a
 * file in tmp/ that grows, and then a blob of the repository.
 *
 * Whoever asks has checked that the client may pull from this repository.
 */
#ifndef STL_FETCHER_H
#define STL_FETCHER_H

#include <stdbool.h>
#include <stdint.h>

#include "registry.h"

/* Compared byte by byte: unused bytes are 0. */
struct stl_fetch_request {
    bool manifest;
    char name[STL_NAME_MAX + 1];         /* of the repository here */
    char reference[STL_DIGEST_TEXT_MAX]; /* a digest; for a manifest also a tag */
};

enum stl_fetch_step {
    STL_FETCH_BEGUN,  /* of a blob: `text` is its file, which will have `size` bytes */
    STL_FETCH_DONE,   /* it is here */
    STL_FETCH_FAILED, /* `code` and `text` say why */
};
struct stl_fetch_answer {
    enum stl_fetch_step step;
    enum stl_code code;
    int64_t size;
    char text[512];
};

/* Fills in a request for what a client wants; the texts have been parsed. */
void stl_fetch_want(struct stl_fetch_request *request, const char *name, const char *reference,
                    bool manifest);
/* Sends it. Returns a descriptor for stl_fetch_wait(), or -1: STL_UNAVAILABLE if nobody fetches. */
int stl_fetch_ask(const struct stl_registry *registry, const struct stl_fetch_request *request,
                  struct stl_error *err);
/* Waits for an answer, at most that many milliseconds (-1: for ever). Returns 1, 0 if none came, or -1: the
 * process has ended. */
int stl_fetch_wait(int fd, int milliseconds, struct stl_fetch_answer *answer, struct stl_error *err);

/* For the process that fetches: takes a lock, which lasts as long as *lock is open, and makes the socket,
 * which is returned, in place of an old one. Fails with STL_CONFLICT if another process fetches for the
 * registry. */
int stl_fetch_listen(const struct stl_registry *registry, int *lock, struct stl_error *err);
/* A request that came, with the descriptor for its answers (1, 0 if it is none, or -1); an answer, which is
 * lost if nobody waits. */
int stl_fetch_receive(int socket, struct stl_fetch_request *request, int *fd);
void stl_fetch_answer(int fd, const struct stl_fetch_answer *answer);

#endif
