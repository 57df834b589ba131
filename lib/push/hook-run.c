/* The processes of hooks: starting them, waiting for them, ending them. */
#include "hook-run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "io.h"

/* In the child. The alarm outlives exec: it is for a hook whose supervisor was killed. */
static _Noreturn void become(const char *program, const char *directory, int input, int output,
                             unsigned seconds)
{
    static char *const environment[] = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                                        "LANG=C.UTF-8", NULL};
    char *const arguments[] = {(char *)program, NULL};
    sigset_t none;
    setsid();
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    signal(SIGINT, SIG_DFL);
    if (dup2(input, STDIN_FILENO) < 0 || dup2(output, STDOUT_FILENO) < 0 || dup2(output, STDERR_FILENO) < 0 ||
        close_range(3, ~0U, 0) || chdir(directory))
        _exit(STL_HOOK_NOT_EXECUTABLE);
    alarm(seconds);
    execve(program, arguments, environment);
    dprintf(STDOUT_FILENO, "%s: %s\n", program, strerror(errno));
    _exit(STL_HOOK_NOT_FOUND);
}

static int64_t milliseconds(void)
{
    return (int64_t)(stl_monotonic() * 1000);
}

/* Reads until the hook closes its output. Returns false if the time is over first. */
static bool read_output(int fd, struct stl_buf *output, int64_t end)
{
    for (;;) {
        char chunk[1024];
        int64_t left = end - milliseconds();
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        int n = left > 0 ? poll(&ready, 1, (int)(left < 60000 ? left : 60000)) : -1;
        if (left <= 0)
            return false;
        if (n <= 0)
            continue;
        ssize_t got = stl_read_some(fd, chunk, sizeof chunk);
        if (got <= 0)
            return true;
        (void)stl_buf_add(output, chunk, (size_t)got); /* anything beyond the ceiling is not needed */
    }
}

/* Waits for the end of a hook. When the time is over, kills it with everything it started and returns -1. The
 * limit also applies to a hook that closes its output and goes on. */
static int supervise(pid_t pid, int64_t end)
{
    int status = -1;
    int64_t pause = 1;
    for (pid_t done = 0; done != pid;) {
        done = waitpid(pid, &status, WNOHANG);
        if (done == pid)
            return status;
        if (milliseconds() >= end || (done < 0 && errno != EINTR))
            break;
        nanosleep(&(struct timespec){.tv_nsec = pause * 1000000}, NULL);
        pause = pause < 50 ? pause * 2 : pause;
    }
    kill(-pid, SIGKILL);
    kill(pid, SIGKILL); /* it may not have called setsid() yet */
    waitpid(pid, NULL, 0);
    return -1;
}

int stl_hook_run(const struct stl_registry *registry, const struct stl_hooks *hooks, int input,
                 struct stl_buf *output, int *status, struct stl_error *err)
{
    int ends[2];
    const char *program = hooks->before_manifest;
    int64_t limit = hooks->time_limit, end = milliseconds() + limit * 1000;
    if (pipe2(ends, O_CLOEXEC))
        return stl_error_errno(err, "cannot start %s", program);
    pid_t pid = fork();
    if (pid == 0)
        become(program, registry->path, input, ends[1], (unsigned)limit + 1);
    close(ends[1]);
    STL_AUTO_CLOSE int from = ends[0];
    if (pid < 0)
        return stl_error_errno(err, "cannot start %s", program);
    *status = supervise(pid, read_output(from, output, end) ? end : 0);
    return 0;
}

/* A separate process watches the hook, so that nobody else has to. It closes everything that it has
 * inherited: a web server waits until nobody has the other end of its pipes open. */
static _Noreturn void watch(const struct stl_registry *registry, const struct stl_hooks *hooks, int input)
{
    int64_t limit = hooks->time_limit;
    int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    pid_t pid = nothing < 0 ? -1 : fork();
    if (pid == 0)
        become(hooks->after_manifest, registry->path, input, nothing, (unsigned)limit + 1);
    close_range(0, ~0U, 0);
    if (pid > 0)
        supervise(pid, milliseconds() + limit * 1000);
    _exit(0);
}

void stl_hook_start(const struct stl_registry *registry, const struct stl_hooks *hooks, int input)
{
    pid_t pid = fork();
    if (pid == 0) {
        if (fork() == 0) {
            setsid();
            watch(registry, hooks, input);
        }
        _exit(0);
    }
    if (pid > 0)
        waitpid(pid, NULL, 0);
}
