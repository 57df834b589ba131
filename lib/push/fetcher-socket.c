#include "fetcher-socket.h"

#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "layout.h"
#include "mem.h"
#include "message.h"

/* A registry's path may be longer than that of a socket. */
char *stl_fetcher_path(int root, char path[STL_FETCHER_PATH_MAX])
{
    snprintf(path, STL_FETCHER_PATH_MAX, "/proc/self/fd/%d/" STL_FETCHER, root);
    return path;
}

int stl_fetcher_send(int root, const void *bytes, size_t length, int fd, struct stl_error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    STL_AUTO_CLOSE int own = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    stl_fetcher_path(root, address.sun_path);
    if (stl_message_send(own, &address, bytes, length, &fd, 1) == 0)
        return 0;
    return stl_error_set(err, STL_UNAVAILABLE,
                         "what is not here cannot be fetched now: 'stillage pull-through' is not running");
}
