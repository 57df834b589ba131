#include "rsync.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io.h"
#include "mem.h"

enum { NOT_FOUND = 127 };

void cmd_rsync_add(struct cmd_rsync *rsync, const char *argument)
{
    if (rsync->count == CMD_RSYNC_ARGUMENTS_MAX)
        abort();
    rsync->arguments[rsync->count++] = argument;
    rsync->arguments[rsync->count] = NULL;
}

static void exec_rsync(const struct cmd_rsync *rsync, int output, int complaints) __attribute__((noreturn));
static void exec_rsync(const struct cmd_rsync *rsync, int output, int complaints)
{
    int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (nothing < 0 || dup2(nothing, STDIN_FILENO) < 0 || dup2(output, STDOUT_FILENO) < 0 ||
        dup2(complaints, STDERR_FILENO) < 0 || chdir(rsync->directory))
        _exit(NOT_FOUND);
    for (size_t i = 0; i < CMD_RSYNC_HELD; i++)
        if (rsync->held[i] >= 0)
            fcntl(rsync->held[i], F_SETFD, 0);
    execvp(rsync->arguments[0], (char *const *)rsync->arguments);
    dprintf(STDERR_FILENO, "cannot run rsync: %s\n", strerror(errno));
    _exit(NOT_FOUND);
}

/* Lines end with a newline, those that show progress with a carriage return. */
static void read_lines(const struct cmd_rsync *rsync, FILE *output)
{
    STL_AUTO_BUF struct stl_buf line = {.ceiling = 64 << 10};
    for (int c; (c = getc(output)) != EOF;) {
        if (c != '\n' && c != '\r') {
            char byte = (char)c;
            (void)stl_buf_add(&line, &byte, 1); /* no line of interest is that long */
            continue;
        }
        if (line.length && rsync->line)
            rsync->line(rsync->context, line.data);
        line.length = 0;
    }
}

static void first_line(int fd, char complaint[CMD_RSYNC_COMPLAINT_MAX])
{
    ssize_t n = pread(fd, complaint, CMD_RSYNC_COMPLAINT_MAX - 1, 0);
    complaint[n > 0 ? n : 0] = '\0';
    complaint[strcspn(complaint, "\n")] = '\0';
}

int cmd_rsync_run(const struct cmd_rsync *rsync, char complaint[CMD_RSYNC_COMPLAINT_MAX],
                  struct stl_error *err)
{
    int ends[2], status = 0;
    STL_AUTO_CLOSE int complaints = memfd_create("complaints", MFD_CLOEXEC);
    if (complaints < 0 || pipe2(ends, O_CLOEXEC))
        return stl_error_errno(err, "cannot run rsync");
    pid_t pid = fork();
    if (pid == 0)
        exec_rsync(rsync, ends[1], complaints);
    close(ends[1]);
    FILE *output = pid < 0 ? NULL : fdopen(ends[0], "r");
    if (!output) {
        close(ends[0]);
        return stl_error_errno(err, "cannot run rsync");
    }
    read_lines(rsync, output);
    fclose(output);
    if (stl_wait(pid, &status))
        return stl_error_errno(err, "cannot wait for rsync");
    first_line(complaints, complaint);
    if (!WIFEXITED(status))
        return stl_error_set(err, STL_INVALID, "rsync was killed");
    if (WEXITSTATUS(status) == NOT_FOUND)
        return stl_error_set(err, STL_INVALID, "%s: is the package rsync installed?",
                             complaint[0] ? complaint : "cannot run rsync");
    return WEXITSTATUS(status);
}
