#include "fetcher-socket.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "layout.h"
#include "mem.h"

/* A registry's path may be longer than that of a socket. */
char *stl_fetcher_path(int root, char path[STL_FETCHER_PATH_MAX])
{
    snprintf(path, STL_FETCHER_PATH_MAX, "/proc/self/fd/%d/" STL_FETCHER, root);
    return path;
}

union control {
    struct cmsghdr header;
    char room[CMSG_SPACE(sizeof(int))];
};

int stl_fetcher_send(int root, const void *bytes, size_t length, int fd, struct stl_error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    STL_AUTO_CLOSE int own = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    union control control = {0};
    struct iovec text = {(void *)bytes, length};
    struct msghdr message = {.msg_name = &address,
                             .msg_namelen = sizeof address,
                             .msg_iov = &text,
                             .msg_iovlen = 1,
                             .msg_control = control.room,
                             .msg_controllen = sizeof control.room};
    control.header = (struct cmsghdr){CMSG_LEN(sizeof fd), SOL_SOCKET, SCM_RIGHTS};
    memcpy(CMSG_DATA(&control.header), &fd, sizeof fd);
    stl_fetcher_path(root, address.sun_path);
    ssize_t sent;
    do
        sent = sendmsg(own, &message, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    if (sent == (ssize_t)length)
        return 0;
    return stl_error_set(err, STL_UNAVAILABLE,
                         "what is not here cannot be fetched now: 'stillage pull-through' does not run");
}
