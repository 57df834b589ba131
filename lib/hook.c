#include "hook.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "event.h"

enum { OUTPUT_MAX = 4096, REASON_MAX = 300 };

/* The document for standard input, as an open file at its beginning; or -1. */
static int write_input(const struct stl_repo *repo, const struct stl_manifest *manifest, const struct stl_tag *tags,
                       size_t tag_count, struct stl_error *err)
{
    char digest[STL_DIGEST_TEXT_MAX], path[STL_PATH_MAX];
    const struct stl_registry *registry = repo->registry;
    struct stl_event event = {"push", repo->name.text, tag_count ? tags[0].text : NULL,
                              stl_digest_format(&manifest->digest, digest), manifest->media_type.text, manifest->size};
    STL_AUTO_JSON struct json_object *object = stl_event_describe(&event, repo->actor);
    STL_AUTO_FREE char *folder = stl_sprintf("%s/%s", registry->path, stl_path_repository(&repo->name, path));
    struct json_object *list = json_object_new_array();
    for (size_t i = 0; i < tag_count; i++)
        json_object_array_add(list, json_object_new_string(tags[i].text));
    json_object_object_add(object, "tags", list);
    json_object_object_add(object, "registry", json_object_new_string(registry->path));
    json_object_object_add(object, "repositoryPath", json_object_new_string(folder));
    json_object_object_add(object, "manifest", json_object_get(manifest->object));
    const char *text = stl_json_text(object);
    int fd = memfd_create("stillage-hook", MFD_CLOEXEC);
    if (fd >= 0 && stl_write_all(fd, text, strlen(text), err) == 0 && lseek(fd, 0, SEEK_SET) == 0)
        return fd;
    stl_close_fd(&fd);
    return stl_error_errno(err, "cannot write the input of a hook");
}

/* In the child. The alarm outlives exec: it is for a hook whose supervisor was killed. */
static void become(const char *program, const char *directory, int input, int output, unsigned seconds)
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
        _exit(126);
    alarm(seconds);
    execve(program, arguments, environment);
    dprintf(STDOUT_FILENO, "%s: %s\n", program, strerror(errno));
    _exit(127);
}

static int64_t milliseconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Reads until the hook closes its output, or until the time is over: then returns false. */
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
        ssize_t got = read(fd, chunk, sizeof chunk);
        if (got == 0 || (got < 0 && errno != EINTR))
            return true;
        if (got > 0)
            (void)stl_buf_add(output, chunk, (size_t)got); /* what is over the ceiling is not needed */
    }
}

/* Waits for the end of a hook; when the time is over it is killed, with all that it started, and -1 returned. A hook
 * that closes its output but goes on has until then, too. */
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
    kill(pid, SIGKILL); /* it may not have come to setsid() yet */
    waitpid(pid, NULL, 0);
    return -1;
}

static int ask(const struct stl_registry *registry, const char *program, int input, struct stl_buf *output, int *status,
               struct stl_error *err)
{
    int ends[2];
    int64_t limit = registry->settings.hooks.time_limit, end = milliseconds() + limit * 1000;
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

/* The first line that is not empty, in printable characters. */
static void first_line(const struct stl_buf *output, char line[REASON_MAX + 1])
{
    const char *text = output->data ? output->data : "";
    size_t n = 0;
    text += strspn(text, " \t\r\n");
    for (; *text && *text != '\n' && n < REASON_MAX; text++)
        line[n++] = (char)(*text >= 0x20 && *text < 0x7f ? *text : ' ');
    line[n] = '\0';
}

int stl_hook_before(const struct stl_repo *repo, const struct stl_manifest *manifest, const struct stl_tag *tags,
                    size_t tag_count, struct stl_error *err)
{
    const char *program = repo->registry->settings.hooks.before_manifest;
    STL_AUTO_BUF struct stl_buf output = {.ceiling = OUTPUT_MAX};
    char line[REASON_MAX + 1];
    int status = 0;
    if (!program)
        return 0;
    STL_AUTO_CLOSE int input = write_input(repo, manifest, tags, tag_count, err);
    if (input < 0 || ask(repo->registry, program, input, &output, &status, err))
        return -1;
    if (status != -1 && WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    first_line(&output, line);
    if (status == -1 || !line[0])
        snprintf(line, sizeof line, status == -1 ? "it took longer than %lld seconds" : "it gave no reason",
                 (long long)repo->registry->settings.hooks.time_limit);
    return stl_error_set(err, STL_DENIED, "the registry's check refuses this manifest: %s", line);
}

/* A process of its own watches the hook, so that nobody else has to. It lets go of all that it has inherited: a web
 * server waits until nobody has the other end of its pipes open. */
static void watch(const struct stl_registry *registry, const char *program, int input)
{
    int64_t limit = registry->settings.hooks.time_limit;
    int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    pid_t pid = nothing < 0 ? -1 : fork();
    if (pid == 0)
        become(program, registry->path, input, nothing, (unsigned)limit + 1);
    close_range(0, ~0U, 0);
    if (pid > 0)
        supervise(pid, milliseconds() + limit * 1000);
    _exit(0);
}

void stl_hook_after(const struct stl_repo *repo, const struct stl_manifest *manifest, const struct stl_tag *tags,
                    size_t tag_count)
{
    struct stl_error ignored = STL_ERROR_INIT;
    const char *program = repo->registry->settings.hooks.after_manifest;
    if (!program)
        return;
    STL_AUTO_CLOSE int input = write_input(repo, manifest, tags, tag_count, &ignored);
    pid_t pid = input < 0 ? -1 : fork();
    if (pid == 0) {
        if (fork() == 0) {
            setsid();
            watch(repo->registry, program, input);
        }
        _exit(0);
    }
    if (pid > 0)
        waitpid(pid, NULL, 0);
}
