/*
 * Messages between processes of one machine, over a socket, with open descriptors (unix(7), SCM_RIGHTS).
 */
#ifndef STL_MESSAGE_H
#define STL_MESSAGE_H

#include <stddef.h>
#include <sys/types.h>

struct sockaddr_un;

enum { STL_MESSAGE_FDS_MAX = 2 };

/* Sends one message with `count` descriptors to `to`; NULL: the socket is connected. Returns 0, or -1 with
 * errno. */
int stl_message_send(int socket, struct sockaddr_un *to, const void *bytes, size_t length, const int *fds,
                     size_t count);
/* Receives one; `flags` are those of recvmsg(2). Returns its length, or -1 with errno. The caller closes the
 * *count descriptors that came with it. */
ssize_t stl_message_receive(int socket, int flags, void *bytes, size_t size, int fds[STL_MESSAGE_FDS_MAX],
                            size_t *count);

#endif
