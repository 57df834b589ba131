#include "logins.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "file.h"
#include "io.h"

enum { ANSWER_MAX = 64 << 10, CONFIG_MAX = 4 << 20, LINE_MAX_SIZE = 4096 };

extern char **environ;

bool cmd_login_take(struct cmd_login *login, int key, const char *argument)
{
    if (key == CMD_KEY_AUTHFILE)
        login->authfile = argument;
    else if (key == CMD_KEY_CREDS)
        login->from_stdin = true;
    else
        return false;
    return true;
}

/* --- helpers -------------------------------------------------------------------------------------------- */

static int start_helper(const char *program, const char *action, int pipes[2][2], pid_t *pid)
{
    const char *const arguments[] = {program, action, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, pipes[0][0], STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, pipes[1][1], STDOUT_FILENO);
    int result = posix_spawnp(pid, program, &actions, NULL, (char *const *)arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    return result;
}

/* Reads what it prints, to the end. */
static void read_all(int fd, struct stl_buf *answer)
{
    char bytes[4096];
    for (ssize_t n; (n = stl_read_some(fd, bytes, sizeof bytes)) > 0;)
        (void)stl_buf_add(answer, bytes, (size_t)n);
    explicit_bzero(bytes, sizeof bytes);
}

int cmd_run_helper(const char *helper, const char *action, const char *input, struct stl_buf *answer,
                   struct stl_error *err)
{
    STL_AUTO_FREE char *program = stl_sprintf("docker-credential-%s", helper);
    int pipes[2][2] = {{-1, -1}, {-1, -1}}, status = 0;
    pid_t pid;
    if (pipe2(pipes[0], O_CLOEXEC) || pipe2(pipes[1], O_CLOEXEC))
        return stl_error_errno(err, "cannot make a pipe");
    errno = start_helper(program, action, pipes, &pid);
    bool started = errno == 0;
    int result = started ? 0 : stl_error_errno(err, "cannot run %s, which the login file names", program);
    stl_close_fd(&pipes[0][0]);
    stl_close_fd(&pipes[1][1]);
    if (started && write(pipes[0][1], input, strlen(input)) < 0)
        result = stl_error_errno(err, "%s", program);
    stl_close_fd(&pipes[0][1]);
    if (started)
        read_all(pipes[1][0], answer);
    stl_close_fd(&pipes[1][0]);
    if (started)
        stl_wait(pid, &status);
    return result ? -1 : status == 0;
}

static int ask_helper(const char *helper, const char *server, struct stl_credentials *found,
                      struct stl_error *err)
{
    STL_AUTO_BUF struct stl_buf answer = {.ceiling = ANSWER_MAX, .secret = true};
    int got = cmd_run_helper(helper, "get", server, &answer, err);
    if (got <= 0) /* 0: it has none */
        return got;
    return stl_credentials_parse_helper(answer.data ? answer.data : "", answer.length, found, err)
               ? stl_error_context(err, "docker-credential-%s", helper)
               : 1;
}

/* --- files ---------------------------------------------------------------------------------------------- */

static char *below(const char *variable, const char *path)
{
    const char *folder = getenv(variable);
    return folder && *folder ? stl_sprintf("%s/%s", folder, path) : NULL;
}

char *cmd_docker_config(void)
{
    char *path = below("DOCKER_CONFIG", "config.json");
    return path ? path : below("HOME", ".docker/config.json");
}

static int ask_file(const char *path, bool required, const char *host, const char *name,
                    struct stl_credentials *found, struct stl_error *err)
{
    STL_AUTO_BUF struct stl_buf text = {.ceiling = CONFIG_MAX, .secret = true};
    STL_AUTO_FREE char *helper = NULL, *server = NULL;
    if (stl_file_read(AT_FDCWD, path, true, &text, err)) {
        if (required || (err->sys_errno != ENOENT && err->sys_errno != EACCES && err->sys_errno != ENOTDIR))
            return stl_error_context(err, "%s", path);
        stl_error_clear(err);
        return 0;
    }
    STL_AUTO_JSON struct json_object *config = stl_json_parse(text.data ? text.data : "", text.length, err);
    int result = config ? stl_credentials_find(config, host, name, found, &helper, &server, err) : -1;
    if (result == 2)
        result = ask_helper(helper, server, found, err);
    return result < 0 ? stl_error_context(err, "%s", path) : result;
}

static int ask_files(const char *host, const char *name, struct stl_credentials *found, struct stl_error *err)
{
    char *paths[] = {below("XDG_RUNTIME_DIR", "containers/auth.json"),
                     below("XDG_CONFIG_HOME", "containers/auth.json"),
                     below("HOME", ".config/containers/auth.json"), cmd_docker_config()};
    int result = 0;
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        if (result == 0 && paths[i])
            result = ask_file(paths[i], false, host, name, found, err);
        free(paths[i]);
    }
    return result;
}

static int ask_stdin(struct stl_credentials *found, struct stl_error *err)
{
    char line[LINE_MAX_SIZE];
    STL_WIPE_AT_END(line);
    char *colon = fgets(line, sizeof line, stdin) ? strchr(line, ':') : NULL;
    if (!colon)
        return stl_error_set(err, STL_USAGE, "--creds-stdin: standard input has no line USER:PASSWORD");
    line[strcspn(line, "\r\n")] = '\0';
    *colon = '\0';
    found->user = stl_strdup(line);
    found->password = stl_strdup(colon + 1);
    return 1;
}

int cmd_find_credentials(const struct cmd_login *login, const char *host, const char *name,
                         struct stl_credentials *found, struct stl_error *err)
{
    const char *file = login->authfile ? login->authfile : getenv("REGISTRY_AUTH_FILE");
    *found = (struct stl_credentials){0};
    if (login->from_stdin)
        return ask_stdin(found, err);
    return file && *file ? ask_file(file, login->authfile != NULL, host, name, found, err)
                         : ask_files(host, name, found, err);
}
