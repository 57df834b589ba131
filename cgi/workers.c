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
    pid_t pid; /* 0: it does not run */
    time_t started;
};

static pid_t start_worker(const struct workers *workers, int number, const sigset_t *signals, pid_t parent)
{
    pid_t pid = fork();
    if (pid)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent)
        _exit(0);
    sigprocmask(SIG_UNBLOCK, signals, NULL);
    _exit(workers->work(workers->context, number));
}

/* Returns whether one could not be started. One that ends at once is not started again at once. */
static bool start_missing(const struct workers *workers, struct worker *running, const sigset_t *signals)
{
    pid_t parent = getpid();
    bool missing = false;
    for (int i = 0; i < workers->count; i++) {
        if (running[i].pid)
            continue;
        if (running[i].started == time(NULL))
            nanosleep(&(struct timespec){.tv_sec = 1}, NULL);
        running[i] = (struct worker){start_worker(workers, i, signals, parent), time(NULL)};
        if (running[i].pid < 0) {
            perror("stillage.cgi: cannot start a worker");
            running[i].pid = 0;
            missing = true;
        }
    }
    return missing;
}

/* Returns whether one has asked for all to be started anew. */
static bool reap(const struct workers *workers, struct worker *running)
{
    bool renew = false;
    int status;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
        for (int i = 0; i < workers->count; i++) {
            if (running[i].pid != pid)
                continue;
            running[i].pid = 0;
            workers->ended(workers->context, i);
            renew |= WIFEXITED(status) && WEXITSTATUS(status) == WORKERS_RENEW;
        }
        if (WIFSIGNALED(status))
            fprintf(stderr, "stillage.cgi: worker %d ended by signal %d\n", (int)pid, WTERMSIG(status));
    }
    return renew;
}

static void end_all(const struct worker *running, int count)
{
    for (int i = 0; i < count; i++)
        if (running[i].pid)
            kill(running[i].pid, SIGTERM);
    while (wait(NULL) > 0 || errno == EINTR)
        ;
}

int workers_run(const struct workers *workers)
{
    STL_AUTO_FREE struct worker *running = stl_alloc((size_t)workers->count * sizeof *running);
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGCHLD);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    bool renew = false;
    for (int received = SIGCHLD; received != SIGTERM && received != SIGINT && !renew;) {
        bool missing = start_missing(workers, running, &signals);
        received = sigtimedwait(&signals, NULL, missing ? &(struct timespec){.tv_sec = 1} : NULL);
        renew = reap(workers, running);
    }
    end_all(running, workers->count);
    for (int i = 0; i < workers->count; i++)
        workers->ended(workers->context, i);
    sigprocmask(SIG_UNBLOCK, &signals, NULL);
    return renew ? WORKERS_RENEW : 0;
}
