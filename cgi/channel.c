#include "channel.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "io.h"

enum { PIPE_SIZE = 256 << 10 };

/* The context is the timeout, which this thread checks itself. */
static ssize_t process_read(void *context, void *bytes, size_t size)
{
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    struct timeout *timeout = context;
    do {
        if (timeout_now() - timeout->judged >= TIMEOUT_TICK && timeout_judge(timeout, false))
            return -1;
    } while (poll(&input, 1, TIMEOUT_TICK) <= 0);
    return stl_read_some(STDIN_FILENO, bytes, size);
}

static int process_write(void *context, const void *bytes, size_t length)
{
    struct stl_error ignored = STL_ERROR_INIT;
    (void)context;
    return stl_write_all(STDOUT_FILENO, bytes, length, &ignored);
}

static void process_log(void *context, const char *line)
{
    (void)context;
    fprintf(stderr, "stillage.cgi: %s\n", line);
}

void channel_init_process(struct channel *channel, struct timeout *timeout, char *const *environment)
{
    /* If it is a pipe: with the usual 64 KiB, the server and this program would wake each other up every few
     * pages. */
    fcntl(STDIN_FILENO, F_SETPIPE_SZ, PIPE_SIZE);
    *channel = (struct channel){.parameters = environment,
                                .context = timeout,
                                .read = process_read,
                                .write = process_write,
                                .log = process_log,
                                .timeout = timeout,
                                .insists = true};
}
