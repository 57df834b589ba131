#include "fetcher.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "fetcher-socket.h"
#include "hook-runner.h"
#include "io.h"
#include "mem.h"
#include "message.h"

/* --- asking --------------------------------------------------------------------------------------------- */

void stl_fetch_want(struct stl_fetch_request *request, const char *name, const char *reference, bool manifest)
{
    memset(request, 0, sizeof *request);
    request->manifest = manifest;
    snprintf(request->name, sizeof request->name, "%s", name);
    snprintf(request->reference, sizeof request->reference, "%s", reference);
}

int stl_fetch_ask(const struct stl_registry *registry, const struct stl_fetch_request *request,
                  struct stl_error *err)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC))
        return stl_error_errno(err, "cannot make a pipe");
    int result = registry->hook_runner < 0
                     ? stl_fetcher_send(registry->root.fd, request, sizeof *request, ends[1], err)
                     : stl_hook_runner_pass(registry->hook_runner, request, sizeof *request, ends[1], err);
    close(ends[1]);
    if (result)
        close(ends[0]);
    return result ? -1 : ends[0];
}

/* An answer is shorter than PIPE_BUF, so it arrives whole. */
int stl_fetch_wait(int fd, int milliseconds, struct stl_fetch_answer *answer, struct stl_error *err)
{
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    int n = poll(&ready, 1, milliseconds);
    if (n == 0 || (n < 0 && errno == EINTR))
        return 0;
    ssize_t got = stl_read_some(fd, answer, sizeof *answer);
    if (got == (ssize_t)sizeof *answer) {
        answer->text[sizeof answer->text - 1] = '\0';
        return 1;
    }
    return stl_error_set(err, STL_UNAVAILABLE,
                         "what is not here cannot be fetched now: 'stillage pull-through' is not running, or "
                         "has ended");
}

/* --- answering ------------------------------------------------------------------------------------------ */

/* Everything in a registry belongs to its owner, even if root makes it. */
static int take_lock(const struct stl_registry *registry, const struct stat *owner, struct stl_error *err)
{
    int fd = openat(registry->root.fd, STL_LOCKS_FETCHER, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC,
                    registry->root.file_mode & 0660);
    if (fd < 0 || fchown(fd, owner->st_uid, (gid_t)-1))
        stl_error_errno(err, "cannot open %s/" STL_LOCKS_FETCHER, registry->path);
    else if (flock(fd, LOCK_EX | LOCK_NB))
        stl_error_set(err, STL_CONFLICT, "'stillage pull-through' is running already for %s", registry->path);
    else
        return fd;
    stl_close_fd(&fd);
    return -1;
}

int stl_fetch_listen(const struct stl_registry *registry, int *lock, struct stl_error *err)
{
    const int root = registry->root.fd;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct stat st;
    if (fstat(root, &st))
        return stl_error_errno(err, "cannot look at %s", registry->path);
    *lock = take_lock(registry, &st, err);
    if (*lock < 0)
        return -1;
    STL_AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    stl_fetcher_path(root, address.sun_path);
    if (fd < 0 || (unlinkat(root, STL_FETCHER, 0) && errno != ENOENT) ||
        bind(fd, (struct sockaddr *)&address, sizeof address) || fchmodat(root, STL_FETCHER, 0600, 0) ||
        fchownat(root, STL_FETCHER, st.st_uid, (gid_t)-1, AT_SYMLINK_NOFOLLOW))
        return stl_error_errno(err, "cannot listen on %s/" STL_FETCHER, registry->path);
    int listening = fd;
    fd = -1;
    return listening;
}

static bool is_whole(const struct stl_fetch_request *request)
{
    return memchr(request->name, '\0', sizeof request->name) &&
           memchr(request->reference, '\0', sizeof request->reference);
}

int stl_fetch_receive(int socket, struct stl_fetch_request *request, int *fd)
{
    int fds[STL_MESSAGE_FDS_MAX];
    size_t count;
    ssize_t got = stl_message_receive(socket, MSG_DONTWAIT, request, sizeof *request, fds, &count);
    if (got < 0)
        return errno == EAGAIN ? 0 : -1;
    if (count == 1 && got == (ssize_t)sizeof *request && is_whole(request)) {
        /* Whoever sent the pipe must not be able to keep us waiting. */
        *fd = fds[0];
        fcntl(*fd, F_SETFL, O_NONBLOCK);
        return 1;
    }
    for (size_t i = 0; i < count; i++)
        close(fds[i]);
    return 0;
}

void stl_fetch_answer(int fd, const struct stl_fetch_answer *answer)
{
    stl_write_some(fd, answer, sizeof *answer);
}
