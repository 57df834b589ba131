#include "fastcgi.h"

#include <errno.h>
#include <fcgiapp.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "mem.h"

enum {
    STACK = 256 << 10,     /* of a thread; pages that it does not touch cost nothing */
    IDLE_MAX = 8,          /* threads that wait for the next request */
    REFUSING_MAX = 16,     /* threads that only tell clients to try again */
    PARAMETERS_MS = 30000, /* within which the web server has to send the request's parameters */
    GATHER = 16 << 10,
    GATHER_MS = 2,
    LINGER_MS = 2000, /* within which the web server has to take the answer and close */
    ENDING_MS = 8000, /* that unfinished bodies get once the program has to end */
};

struct crew {
    const struct fastcgi *fastcgi;
    pthread_mutex_t lock; /* protects everything below */
    pthread_cond_t queued, thread_ended;
    struct served *jobs;    /* all jobs, whether a thread has them or not */
    struct served *waiting; /* the queue; there are at least as many idle threads */
    int idle, threads, refusing;
    bool ended;
};

/* --- one request ---------------------------------------------------------------------------------------- */

struct served {
    struct crew *crew;
    struct served *next, **back; /* in the list of all jobs */
    struct served *next_waiting; /* in the queue for an idle thread */
    int fd, slot;                /* -1: no slot is free */
    struct timeout timeout;
    FCGX_Request request;
};

/* How many bytes to read next: those that libfcgi has, or whatever the socket has; 0: there are none. A
 * client that has sent many at once will probably go on like that: then it is cheaper to wait a little and to
 * take more together. */
static int bytes_to_read(const struct served *job, size_t got)
{
    const FCGX_Stream *in = job->request.in;
    struct pollfd input = {.fd = job->fd, .events = POLLIN};
    bool fast = got > GATHER;
    if (in->rdNext < in->stop)
        return fast ? GATHER : (int)(in->stop - in->rdNext);
    if (poll(&input, 1, fast ? GATHER_MS : 0) <= 0)
        return 0;
    return fast ? GATHER : 1;
}

/* FCGX_GetStr() waits until it has all that is asked for, so this asks for one byte, and then for those that
 * have come with it. */
static ssize_t fcgi_read(void *context, void *bytes, size_t size)
{
    struct served *job = context;
    FCGX_Stream *in = job->request.in;
    size_t got = 0;
    for (int part = 1; part > 0 && got < size; part = bytes_to_read(job, got)) {
        if ((size_t)part > size - got)
            part = (int)(size - got);
        int n = FCGX_GetStr((char *)bytes + got, part, in);
        got += n > 0 ? (size_t)n : 0;
        if (n < part)
            break;
    }
    return got == 0 && FCGX_GetError(in) ? -1 : (ssize_t)got;
}

static int fcgi_write(void *context, const void *bytes, size_t length)
{
    struct served *job = context;
    for (const char *p = bytes; length > 0;) {
        int part = length < (1 << 20) ? (int)length : 1 << 20;
        if (FCGX_PutStr(p, part, job->request.out) != part)
            return -1;
        p += part;
        length -= (size_t)part;
    }
    return 0;
}

static void fcgi_log(void *context, const char *line)
{
    struct served *job = context;
    FCGX_FPrintF(job->request.err, "stillage.cgi: %s\n", line);
}

static bool fcgi_admit(void *context, const char *address, const char *user)
{
    struct served *job = context;
    return slots_admit_upload(job->crew->fastcgi->slots, job->slot, address, user);
}

/* Closes the connection so that the web server gets the answer before it notices that nobody reads its bytes
 * any more. libfcgi would go on reading for as long as bytes come. */
static void hang_up(int fd)
{
    char trash[4096];
    struct pollfd input = {.fd = fd, .events = POLLIN};
    int64_t end = timeout_now() + LINGER_MS, left = LINGER_MS;
    if (shutdown(fd, SHUT_WR) == 0)
        while (left > 0 && poll(&input, 1, (int)left) > 0 && recv(fd, trash, sizeof trash, 0) > 0)
            left = end - timeout_now();
    close(fd);
}

static void serve(const struct fastcgi *fastcgi, struct served *job)
{
    FCGX_Request *request = &job->request;
    struct pollfd input = {.fd = job->fd, .events = POLLIN};
    if (poll(&input, 1, PARAMETERS_MS) <= 0) {
        close(job->fd);
        return;
    }
    FCGX_InitRequest(request, -1, FCGI_FAIL_ACCEPT_ON_INTR);
    request->ipcFd = job->fd;
    request->keepConnection = true; /* libfcgi first ends the request before this one */
    if (FCGX_Accept_r(request) < 0)
        return; /* the connection is closed */
    struct channel channel = {.parameters = request->envp,
                              .context = job,
                              .read = fcgi_read,
                              .write = fcgi_write,
                              .log = fcgi_log,
                              .admit = fcgi_admit,
                              .timeout = &job->timeout,
                              .framed = true};
    fastcgi->handler(fastcgi->context, &channel, job->slot < 0);
    timeout_end(&job->timeout);
    bool broken = FCGX_GetError(request->in);
    request->keepConnection = true; /* only so that libfcgi does not close it */
    FCGX_Finish_r(request);
    if (request->ipcFd >= 0 && !broken)
        hang_up(request->ipcFd);
}

/* --- the threads ---------------------------------------------------------------------------------------- */

static void end_job(struct crew *crew, struct served *job)
{
    *job->back = job->next;
    if (job->next)
        job->next->back = job->back;
    if (job->slot >= 0)
        slots_release(crew->fastcgi->slots, job->slot);
    else
        crew->refusing--;
    pthread_mutex_destroy(&job->timeout.lock);
    free(job);
}

/* The next job for this thread; NULL if it is not needed any more. Whoever queued the job has already
 * subtracted one from `idle`. */
static struct served *next_job(struct crew *crew)
{
    if (crew->idle >= IDLE_MAX || crew->ended)
        return NULL;
    crew->idle++;
    while (!crew->waiting && !crew->ended)
        pthread_cond_wait(&crew->queued, &crew->lock);
    struct served *job = crew->waiting;
    if (job)
        crew->waiting = job->next_waiting;
    else
        crew->idle--;
    return job;
}

static void *run_thread(void *argument)
{
    struct served *job = argument;
    struct crew *crew = job->crew;
    while (job) {
        serve(crew->fastcgi, job);
        pthread_mutex_lock(&crew->lock);
        end_job(crew, job);
        job = next_job(crew);
        pthread_mutex_unlock(&crew->lock);
    }
    pthread_mutex_lock(&crew->lock);
    crew->threads--;
    pthread_cond_signal(&crew->thread_ended);
    pthread_mutex_unlock(&crew->lock);
    return NULL;
}

static int start_thread(struct crew *crew, struct served *job)
{
    pthread_attr_t how;
    pthread_t thread;
    pthread_attr_init(&how);
    pthread_attr_setstacksize(&how, STACK);
    pthread_attr_setdetachstate(&how, PTHREAD_CREATE_DETACHED);
    int result = pthread_create(&thread, &how, run_thread, job);
    pthread_attr_destroy(&how);
    crew->threads += result == 0;
    return result;
}

/* Gives the connection to a thread. If there cannot be one more, drops it: then the web server has to answer
 * that we are busy. */
static void accept_job(struct crew *crew, int fd)
{
    struct served *job = stl_alloc(sizeof *job);
    *job = (struct served){.crew = crew, .fd = fd, .timeout = TIMEOUT_INIT};
    job->timeout.socket = fd;
    job->slot = slots_take(crew->fastcgi->slots, crew->fastcgi->worker);
    pthread_mutex_lock(&crew->lock);
    bool may = job->slot >= 0 || crew->refusing < REFUSING_MAX;
    crew->refusing += job->slot < 0;
    job->next = crew->jobs;
    job->back = &crew->jobs;
    if (job->next)
        job->next->back = &job->next;
    crew->jobs = job;
    if (may && crew->idle > 0) {
        crew->idle--;
        job->next_waiting = crew->waiting;
        crew->waiting = job;
        pthread_cond_signal(&crew->queued);
    } else if (!may || start_thread(crew, job)) {
        end_job(crew, job);
        close(fd);
    }
    pthread_mutex_unlock(&crew->lock);
}

/* Checks the timeouts of all bodies. Returns whether there are requests. */
static bool check_timeouts(struct crew *crew, bool ending)
{
    pthread_mutex_lock(&crew->lock);
    for (struct served *job = crew->jobs; job; job = job->next)
        timeout_judge(&job->timeout, ending);
    bool any = crew->jobs != NULL;
    pthread_mutex_unlock(&crew->lock);
    return any;
}

/* Waits until all threads have ended. */
static void end_threads(struct crew *crew)
{
    int64_t patience = timeout_now() + ENDING_MS;
    pthread_mutex_lock(&crew->lock);
    crew->ended = true;
    pthread_cond_broadcast(&crew->queued);
    while (crew->threads > 0) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec++;
        pthread_cond_timedwait(&crew->thread_ended, &crew->lock, &until);
        pthread_mutex_unlock(&crew->lock);
        check_timeouts(crew, timeout_now() > patience);
        pthread_mutex_lock(&crew->lock);
    }
    pthread_mutex_unlock(&crew->lock);
}

/* --- the connections ------------------------------------------------------------------------------------ */

/* Set by signal handlers. */
static volatile sig_atomic_t stop, end_status;

static void on_stop(int number)
{
    (void)number;
    stop = 1;
}

/* EPOLLEXCLUSIVE wakes only one of several processes: the one that joined first. */
static int join_queue(int waiter)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLEXCLUSIVE};
    return epoll_ctl(waiter, EPOLL_CTL_ADD, STDIN_FILENO, &event);
}

static int open_waiter(void)
{
    int waiter = epoll_create1(EPOLL_CLOEXEC);
    if (waiter < 0 || join_queue(waiter) ||
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

/* Accepts one connection. Having taken it, the process goes to the end of the queue of processes. */
static void accept_one(struct crew *crew, int waiter)
{
    int fd = accept4(STDIN_FILENO, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0)
        return;
    epoll_ctl(waiter, EPOLL_CTL_DEL, STDIN_FILENO, NULL);
    if (join_queue(waiter)) {
        perror("stillage.cgi: cannot wait on the FastCGI socket");
        stop = 1;
    }
    accept_job(crew, fd);
}

int fastcgi_serve(const struct fastcgi *fastcgi)
{
    struct crew crew = {.fastcgi = fastcgi,
                        .lock = PTHREAD_MUTEX_INITIALIZER,
                        .queued = PTHREAD_COND_INITIALIZER,
                        .thread_ended = PTHREAD_COND_INITIALIZER};
    sigset_t open;
    if (FCGX_Init()) {
        fputs("stillage.cgi: cannot start FastCGI\n", stderr);
        return 1;
    }
    block_signals(&open); /* after FCGX_Init(), which has handlers of its own */
    int waiter = open_waiter();
    if (waiter < 0)
        return 1;
    int64_t looked = timeout_now();
    for (bool any = false; !stop;) {
        struct epoll_event event;
        if (epoll_pwait(waiter, &event, 1, any ? TIMEOUT_TICK : -1, &open) > 0) {
            accept_one(&crew, waiter);
            any = true;
        }
        if (timeout_now() - looked < TIMEOUT_TICK)
            continue;
        any = check_timeouts(&crew, false);
        looked = timeout_now();
    }
    close(waiter);
    end_threads(&crew);
    return end_status;
}

void fastcgi_end(int status)
{
    end_status = status;
    stop = 1;
}
