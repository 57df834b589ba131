/*
 * The socket of the process that fetches from other registries (fetcher.h). Only lib/push uses this.
 */
#ifndef STL_FETCHER_SOCKET_H
#define STL_FETCHER_SOCKET_H

#include <stddef.h>

#include "err.h"

/* Sends a message with a descriptor to the fetcher of the registry whose folder `root` is. Fails with
 * STL_UNAVAILABLE if nobody fetches there. */
int stl_fetcher_send(int root, const void *bytes, size_t length, int fd, struct stl_error *err);
/* The address of that socket. Returns `path`. */
enum { STL_FETCHER_PATH_MAX = 64 };
char *stl_fetcher_path(int root, char path[STL_FETCHER_PATH_MAX]);

#endif
