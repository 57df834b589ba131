#include "workers.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "mem.h"

struct worker {
    pid_t pid;
    time_t started;
};

static pid_t start(const sigset_t *signals, pid_t parent, int (*work)(void *), void *context)
{
    pid_t pid = fork();
    if (pid)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent)
        _exit(0);
    sigprocmask(SIG_UNBLOCK, signals, NULL);
    _exit(work(context));
}

/* A worker that ends at once is not started again at once. */
static void start_missing(struct worker *workers, int count, const sigset_t *signals, int (*work)(void *),
                          void *context)
{
    pid_t parent = getpid();
    for (int i = 0; i < count; i++) {
        if (workers[i].pid > 0)
            continue;
        if (workers[i].started == time(NULL))
            nanosleep(&(struct timespec){.tv_sec = 1}, NULL);
        workers[i] = (struct worker){start(signals, parent, work, context), time(NULL)};
        if (workers[i].pid < 0)
            perror("stillage.cgi: cannot start a worker");
    }
}

static void reap(struct worker *workers, int count)
{
    int status;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
        for (int i = 0; i < count; i++)
            if (workers[i].pid == pid)
                workers[i].pid = 0;
        if (WIFSIGNALED(status))
            fprintf(stderr, "stillage.cgi: worker %d ended by signal %d\n", (int)pid, WTERMSIG(status));
    }
}

static void end_all(const struct worker *workers, int count)
{
    for (int i = 0; i < count; i++)
        if (workers[i].pid > 0)
            kill(workers[i].pid, SIGTERM);
    while (wait(NULL) > 0 || errno == EINTR)
        ;
}

int workers_run(int count, int (*work)(void *context), void *context)
{
    STL_AUTO_FREE struct worker *workers = stl_alloc((size_t)count * sizeof *workers);
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGCHLD);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    for (int received = SIGCHLD; received == SIGCHLD;) {
        start_missing(workers, count, &signals, work, context);
        if (sigwait(&signals, &received))
            received = SIGCHLD;
        reap(workers, count);
    }
    end_all(workers, count);
    return 0;
}
