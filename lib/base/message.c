#include "message.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

union control {
    struct cmsghdr header;
    char room[CMSG_SPACE(STL_MESSAGE_FDS_MAX * sizeof(int))];
};

int stl_message_send(int socket, struct sockaddr_un *to, const void *bytes, size_t length, const int *fds,
                     size_t count)
{
    union control control = {0};
    struct iovec text = {(void *)bytes, length};
    struct msghdr message = {.msg_name = to,
                             .msg_namelen = to ? sizeof *to : 0,
                             .msg_iov = &text,
                             .msg_iovlen = 1,
                             .msg_control = control.room,
                             .msg_controllen = CMSG_SPACE(count * sizeof *fds)};
    control.header = (struct cmsghdr){CMSG_LEN(count * sizeof *fds), SOL_SOCKET, SCM_RIGHTS};
    memcpy(CMSG_DATA(&control.header), fds, count * sizeof *fds);
    ssize_t sent;
    do
        sent = sendmsg(socket, &message, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent == (ssize_t)length ? 0 : -1;
}

ssize_t stl_message_receive(int socket, int flags, void *bytes, size_t size, int fds[STL_MESSAGE_FDS_MAX],
                            size_t *count)
{
    union control control;
    struct iovec text = {bytes, size};
    struct msghdr message = {.msg_iov = &text,
                             .msg_iovlen = 1,
                             .msg_control = control.room,
                             .msg_controllen = sizeof control.room};
    ssize_t got;
    do
        got = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | flags);
    while (got < 0 && errno == EINTR);
    *count = 0;
    const struct cmsghdr *header = got < 0 ? NULL : CMSG_FIRSTHDR(&message);
    if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS) {
        *count = (header->cmsg_len - CMSG_LEN(0)) / sizeof *fds;
        memcpy(fds, CMSG_DATA(header), *count * sizeof *fds);
    }
    return got;
}
