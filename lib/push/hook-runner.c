/*
 * The process that runs hooks for those that cannot start programs (sandbox.h). A request is one message: 'b'
 * or 'a' and the name of a project, or none, with the input and, for 'b', a pipe for the answer: the status,
 * then the output of the hook; or 'f' and what is to be passed on to the fetcher.
 *
 * Senders of messages are not trusted: registry.yaml alone says which program runs.
 */
#include "hook-runner.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fetcher-socket.h"
#include "hook-run.h"
#include "io.h"
#include "message.h"

/* --- messages ------------------------------------------------------------------------------------------- */

struct request {
    char what;
    char passed[STL_HOOK_PASSED_MAX];
};

static int send_request(int runner, const struct request *request, size_t passed, const int *fds,
                        size_t count, struct stl_error *err)
{
    if (stl_message_send(runner, NULL, request, 1 + passed, fds, count))
        return stl_error_errno(err, "cannot reach the process that runs hooks");
    return 0;
}

/* --- asking --------------------------------------------------------------------------------------------- */

static int read_answer(int fd, struct stl_buf *output, int *status, struct stl_error *err)
{
    char bytes[sizeof *status + STL_HOOK_OUTPUT_MAX];
    ssize_t length = stl_read_full(fd, bytes, sizeof bytes);
    if (length < (ssize_t)sizeof *status)
        return stl_error_set(err, STL_SYSTEM, "the process that runs hooks has ended");
    memcpy(status, bytes, sizeof *status);
    return stl_buf_add(output, bytes + sizeof *status, (size_t)length - sizeof *status);
}

/* Returns the number of bytes in `passed`. */
static size_t request_of_project(struct request *request, char what, const char *project)
{
    *request = (struct request){.what = what};
    return (size_t)snprintf(request->passed, sizeof request->passed, "%s", project ? project : "");
}

int stl_hook_runner_ask(int runner, const char *project, int input, struct stl_buf *output, int *status,
                        struct stl_error *err)
{
    struct request request;
    size_t passed = request_of_project(&request, 'b', project);
    int ends[2];
    if (pipe2(ends, O_CLOEXEC))
        return stl_error_errno(err, "cannot ask the process that runs hooks");
    int result = send_request(runner, &request, passed, (int[]){input, ends[1]}, 2, err);
    close(ends[1]);
    STL_AUTO_CLOSE int from = ends[0];
    return result ? -1 : read_answer(from, output, status, err);
}

int stl_hook_runner_tell(int runner, const char *project, int input, struct stl_error *err)
{
    struct request request;
    size_t passed = request_of_project(&request, 'a', project);
    return send_request(runner, &request, passed, &input, 1, err);
}

int stl_hook_runner_pass(int runner, const void *bytes, size_t length, int fd, struct stl_error *err)
{
    struct request request = {.what = 'f'};
    memcpy(request.passed, bytes, length);
    return send_request(runner, &request, length, &fd, 1, err);
}

/* --- running -------------------------------------------------------------------------------------------- */

/* The error that kept the hook from running replaces its output. */
static void run_before(const struct stl_registry *registry, const struct stl_hooks *hooks, int input,
                       int answer, struct stl_error *err)
{
    STL_AUTO_BUF struct stl_buf output = {.ceiling = STL_HOOK_OUTPUT_MAX};
    int status = 0;
    if (err->code ||
        (hooks && hooks->before_manifest && stl_hook_run(registry, hooks, input, &output, &status, err))) {
        status = W_EXITCODE(STL_HOOK_NOT_FOUND, 0);
        stl_buf_puts(&output, err->message);
    }
    if (stl_write_all(answer, &status, sizeof status, err) == 0 && output.length)
        stl_write_all(answer, output.data, output.length, err);
}

/* If nobody fetches, the descriptor is closed, and the client notices that. */
static void pass_on(const char *path, const struct request *request, size_t length, int fd)
{
    struct stl_error ignored = STL_ERROR_INIT;
    int root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root >= 0)
        stl_fetcher_send(root, request->passed, length, fd, &ignored);
}

static void serve_request(const char *path, const struct request *request, size_t passed, size_t count,
                          const int *fds)
{
    struct stl_error err = STL_ERROR_INIT;
    struct stl_registry registry;
    const char what = request->what;
    if (what == 'f' && count == 1) {
        pass_on(path, request, passed, fds[0]);
        _exit(0);
    }
    STL_AUTO_FREE char *project = passed ? stl_sprintf("%.*s", (int)passed, request->passed) : NULL;
    const struct stl_hooks *hooks = NULL;
    if (stl_registry_open(&registry, path, &err) == 0)
        hooks = stl_settings_hooks(&registry.settings, project);
    if (what == 'b' && count == 2)
        run_before(&registry, hooks, fds[0], fds[1], &err);
    else if (what == 'a' && count == 1 && hooks && hooks->after_manifest)
        stl_hook_start(&registry, hooks, fds[0]);
    _exit(0);
}

/* Each request gets a process of its own, which nobody waits for. A signal to the whole service ends the
 * processes that ask; this one ends once the last of them is gone. */
static _Noreturn void run(const char *path, int socket)
{
    int fds[STL_MESSAGE_FDS_MAX], nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    struct request request;
    size_t count;
    signal(SIGCHLD, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    for (int fd = 0; fd < 3; fd++) /* a web server waits until nobody has the other end of its pipes open */
        dup2(nothing, fd);
    if (nothing < 0 || dup2(socket, 3) < 0 || close_range(4, ~0U, 0))
        _exit(1);
    /* No sender is left. */
    for (ssize_t got; (got = stl_message_receive(3, 0, &request, sizeof request, fds, &count)) > 0;) {
        if (fork() == 0) {
            signal(SIGCHLD, SIG_DFL);
            close(3);
            serve_request(path, &request, (size_t)got - 1, count, fds);
        }
        for (size_t i = 0; i < count; i++)
            close(fds[i]);
    }
    _exit(0);
}

int stl_hook_runner_start(const char *path, struct stl_error *err)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
        return stl_error_errno(err, "cannot start the process that runs hooks");
    pid_t pid = fork();
    if (pid == 0) {
        if (fork() == 0)
            run(path, ends[1]);
        _exit(0);
    }
    close(ends[1]);
    if (pid > 0) {
        stl_wait(pid, NULL);
        return ends[0];
    }
    stl_error_errno(err, "cannot start the process that runs hooks");
    close(ends[0]);
    return -1;
}
