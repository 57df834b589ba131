/* Runs a CGI program as tests/cgi/cgi-common.sh would, time and again. The words of a question (questions.h):
 * PROGRAM, the file that is its standard input, the folder where its answer goes (headers in h, body in b,
 * standard error in cgi.err), and its environment, in which CONTENT_LENGTH=@ is the size of that file. If the
 * program fails, h says so and nothing else. The code of an error goes to standard output. */
#include <fcntl.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "questions.h"

enum { PATH = 4096 };

static const char *in_folder(const char *folder, const char *name, char path[PATH])
{
    snprintf(path, PATH, "%s/%s", folder, name);
    return path;
}

/* Whether a later word gives the same variable another value, which counts then. */
static bool is_overridden(const struct question *question, int number)
{
    size_t name = strcspn(question->words[number], "=") + 1;
    for (int i = number + 1; i < question->count; i++)
        if (!strncmp(question->words[i], question->words[number], name))
            return true;
    return false;
}

/* Returns the exit status. */
static int run(const struct question *question, int input)
{
    char raw[PATH], messages[PATH], *argv[] = {question->words[0], NULL};
    char **environment = calloc((size_t)question->count, sizeof *environment);
    posix_spawn_file_actions_t files;
    pid_t pid;
    int status;
    for (int i = 3, k = 0; i < question->count; i++)
        if (!is_overridden(question, i))
            environment[k++] = question->words[i];
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_adddup2(&files, input, STDIN_FILENO);
    posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, in_folder(question->words[2], "raw", raw),
                                     O_WRONLY | O_CREAT | O_TRUNC, 0666);
    posix_spawn_file_actions_addopen(&files, STDERR_FILENO,
                                     in_folder(question->words[2], "cgi.err", messages),
                                     O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (posix_spawn(&pid, argv[0], &files, NULL, argv, environment))
        die(argv[0]);
    posix_spawn_file_actions_destroy(&files);
    if (waitpid(pid, &status, 0) < 0)
        die("waitpid");
    free(environment);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void split(const char *folder)
{
    char path[PATH], *line = NULL;
    size_t size = 0;
    ssize_t length;
    FILE *raw = open_or_die(in_folder(folder, "raw", path), "rb"),
         *headers = open_or_die(in_folder(folder, "h", path), "wb"),
         *body = open_or_die(in_folder(folder, "b", path), "wb");
    while ((length = getline(&line, &size, raw)) > 0 && strcmp(line, "\r\n") != 0)
        fprintf(headers, "%.*s\n", (int)strcspn(line, "\r\n"), line);
    for (int byte; (byte = getc(raw)) != EOF;)
        putc(byte, body);
    free(line);
    fclose(raw);
    if (fclose(headers) || fclose(body))
        die(folder);
}

static void set_length(struct question *question, int input)
{
    struct stat st;
    for (int i = 3; i < question->count; i++)
        if (!strcmp(question->words[i], "CONTENT_LENGTH=@") && fstat(input, &st) == 0) {
            free(question->words[i]);
            if (asprintf(&question->words[i], "CONTENT_LENGTH=%lld", (long long)st.st_size) < 0)
                die("CONTENT_LENGTH");
        }
}

static void answer(struct question *question)
{
    char path[PATH];
    const char *folder = question->words[2];
    int input = open(question->words[1], O_RDONLY | O_CLOEXEC);
    if (input < 0)
        die(question->words[1]);
    set_length(question, input);
    int status = run(question, input);
    close(input);
    split(folder);
    if (status) {
        FILE *headers = open_or_die(in_folder(folder, "h", path), "wb");
        fprintf(headers, "exit status %d\n", status);
        fclose(headers);
    }
    printf("%s\n", error_code_in(in_folder(folder, "b", path)));
    fflush(stdout);
}

int main(void)
{
    struct question question;
    while (question_read(&question) && question.count >= 3) {
        answer(&question);
        question_clear(&question);
    }
    return 0;
}
