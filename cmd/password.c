#include "password.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "file.h"
#include "mem.h"

/* Reads one line, without its end. It reads byte by byte, since the rest of standard input is not ours. */
static int read_password_line(int fd, char line[PASSWORD_SIZE], struct stl_error *err)
{
    size_t n = 0;
    for (;;) {
        char c;
        ssize_t got = read(fd, &c, 1);
        if (got < 0 && errno == EINTR)
            return stl_error_set(err, STL_SYSTEM, "cancelled");
        if (got < 0)
            return stl_error_errno(err, "cannot read the password");
        if (got == 0 || c == '\n')
            break;
        if (n == PASSWORD_SIZE - 1)
            return stl_error_set(err, STL_USAGE, "the password is longer than %d bytes", PASSWORD_SIZE - 1);
        if (c == '\0')
            return stl_error_set(err, STL_USAGE, "the password has a NUL byte");
        line[n++] = c;
    }
    if (n > 0 && line[n - 1] == '\r')
        n--;
    line[n] = '\0';
    return 0;
}

static int ask(int tty, const char *prompt, char line[PASSWORD_SIZE], struct stl_error *err)
{
    if (stl_write_all(tty, prompt, strlen(prompt), err))
        return -1;
    if (read_password_line(tty, line, err))
        return -1;
    return stl_write_all(tty, "\n", 1, err);
}

static int ask_for_it(int tty, const char *user, bool is_new, char password[PASSWORD_SIZE],
                      struct stl_error *err)
{
    char again[PASSWORD_SIZE] = "";
    STL_WIPE_AT_END(again);
    STL_AUTO_FREE char *first = stl_sprintf("Password for %s: ", user);
    int result = ask(tty, first, password, err);
    if (result == 0 && is_new)
        result = ask(tty, "Repeat the password: ", again, err);
    if (result == 0 && is_new && strcmp(password, again))
        result = stl_error_set(err, STL_USAGE, "the two passwords differ");
    return result;
}

static void interrupt(int number)
{
    (void)number; /* all that it does is interrupt read(2) */
}

/* Ctrl-C must not leave the terminal without echo: it ends the reading first, and then this process, as
 * usual. */
static int ask_without_echo(int tty, const char *user, bool is_new, char password[PASSWORD_SIZE],
                            struct stl_error *err)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    enum { SIGNALS = sizeof signals / sizeof *signals };
    struct sigaction action = {.sa_handler = interrupt}, before[SIGNALS];
    struct termios old, quiet;
    if (tcgetattr(tty, &old))
        return stl_error_errno(err, "cannot turn off the echo of the terminal");
    quiet = old;
    quiet.c_lflag &= ~(tcflag_t)(ECHO | ECHOE | ECHOK | ECHONL);
    for (int i = 0; i < SIGNALS; i++)
        sigaction(signals[i], &action, &before[i]);
    int result = tcsetattr(tty, TCSAFLUSH, &quiet)
                     ? stl_error_errno(err, "cannot turn off the echo of the terminal")
                     : ask_for_it(tty, user, is_new, password, err);
    tcsetattr(tty, TCSAFLUSH, &old);
    for (int i = 0; i < SIGNALS; i++)
        sigaction(signals[i], &before[i], NULL);
    return result;
}

int cmd_read_password(const char *user, bool from_stdin, bool is_new, char password[PASSWORD_SIZE],
                      struct stl_error *err)
{
    if (from_stdin)
        return read_password_line(STDIN_FILENO, password, err);
    STL_AUTO_CLOSE int tty = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (tty < 0)
        return stl_error_set(err, STL_USAGE, "there is no terminal to ask for the password: use --stdin");
    return ask_without_echo(tty, user, is_new, password, err);
}
