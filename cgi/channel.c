#include "channel.h"

#include <errno.h>
#include <fcgiapp.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { PIPE_SIZE = 256 << 10 };

/* --- plain CGI ------------------------------------------------------------------------------------------ */

static ssize_t process_read(void *context, void *bytes, size_t size)
{
    (void)context;
    for (;;) {
        ssize_t n = read(STDIN_FILENO, bytes, size);
        if (n >= 0 || errno != EINTR)
            return n;
    }
}

static int process_write(void *context, const void *bytes, size_t length)
{
    (void)context;
    for (const char *p = bytes; length > 0;) {
        ssize_t n = write(STDOUT_FILENO, p, length);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        p += n;
        length -= (size_t)n;
    }
    return 0;
}

static void process_log(void *context, const char *line)
{
    (void)context;
    fprintf(stderr, "stillage.cgi: %s\n", line);
}

void channel_init_process(struct channel *channel, char *const *environment)
{
    /* If it is a pipe: with the usual 64 KiB the server and we would wake each other up for every few pages.
     */
    fcntl(STDIN_FILENO, F_SETPIPE_SZ, PIPE_SIZE);
    *channel = (struct channel){.parameters = environment,
                                .read = process_read,
                                .write = process_write,
                                .log = process_log,
                                .insists = true};
}

/* --- FastCGI -------------------------------------------------------------------------------------------- */

static ssize_t fcgi_read(void *context, void *bytes, size_t size)
{
    FCGX_Request *request = context;
    int n = FCGX_GetStr(bytes, size < INT32_MAX ? (int)size : INT32_MAX, request->in);
    return n == 0 && FCGX_GetError(request->in) ? -1 : n;
}

static int fcgi_write(void *context, const void *bytes, size_t length)
{
    FCGX_Request *request = context;
    for (const char *p = bytes; length > 0;) {
        int part = length < (1 << 20) ? (int)length : 1 << 20;
        if (FCGX_PutStr(p, part, request->out) != part)
            return -1;
        p += part;
        length -= (size_t)part;
    }
    return 0;
}

static void fcgi_log(void *context, const char *line)
{
    FCGX_Request *request = context;
    FCGX_FPrintF(request->err, "stillage.cgi: %s\n", line);
}

/* Signal handlers have no other way to tell. */
static volatile sig_atomic_t stop;

static void on_stop(int number)
{
    (void)number;
    stop = 1;
}

/* Waits until a connection may be there, with SIGTERM let through. EPOLLEXCLUSIVE wakes one process of many.
 */
static int open_waiter(void)
{
    int waiter = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN | EPOLLEXCLUSIVE};
    if (waiter < 0 || epoll_ctl(waiter, EPOLL_CTL_ADD, STDIN_FILENO, &event) ||
        fcntl(STDIN_FILENO, F_SETFL, fcntl(STDIN_FILENO, F_GETFL) | O_NONBLOCK)) {
        perror("stillage.cgi: cannot wait on the FastCGI socket");
        return -1;
    }
    return waiter;
}

static void block_signals(sigset_t *open)
{
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    sigprocmask(SIG_BLOCK, &ends, open);
    sigdelset(open, SIGTERM);
    sigdelset(open, SIGINT);
    struct sigaction action = {.sa_handler = on_stop};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
}

int channel_serve(channel_handler *handler, void *context)
{
    FCGX_Request request;
    sigset_t open;
    if (FCGX_Init() || FCGX_InitRequest(&request, STDIN_FILENO, FCGI_FAIL_ACCEPT_ON_INTR)) {
        fputs("stillage.cgi: cannot start FastCGI\n", stderr);
        return 1;
    }
    block_signals(&open); /* after FCGX_Init(), which has handlers of its own */
    int waiter = open_waiter();
    if (waiter < 0)
        return 1;
    while (!stop) {
        struct epoll_event event;
        if (epoll_pwait(waiter, &event, 1, -1, &open) <= 0 || FCGX_Accept_r(&request) < 0)
            continue;
        struct channel channel = {.parameters = request.envp,
                                  .context = &request,
                                  .read = fcgi_read,
                                  .write = fcgi_write,
                                  .log = fcgi_log,
                                  .framed = true};
        handler(context, &channel);
        FCGX_Finish_r(&request);
        FCGX_Free(&request, 1); /* also where the server would keep it: other connections wait */
    }
    close(waiter);
    return 0;
}
