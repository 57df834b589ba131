/* What the commands print: messages, lines and JSON. */
#include "cmd.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "mem.h"
#include "selection.h"
#include "utf8.h"

int cmd_flush(int status)
{
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    cmd_warn("cannot write to standard output%s%s", errno ? ": " : "", errno ? strerror(errno) : "");
    return 1;
}

int cmd_fail(const struct stl_error *err)
{
    fprintf(stderr, "stillage: %s\n", err->message);
    return stl_code_exit_status(err->code);
}

int cmd_usage(const struct cmd_command *command, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    STL_AUTO_FREE char *message = stl_vsprintf(format, args);
    va_end(args);
    stl_utf8_make_printable(message);
    fprintf(stderr, "stillage %s: %s: see 'stillage %s --help'\n", command->name, message, command->name);
    return 2;
}

void cmd_warn(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    STL_AUTO_FREE char *message = stl_vsprintf(format, args);
    va_end(args);
    stl_utf8_make_printable(message);
    fprintf(stderr, "stillage: %s\n", message);
}

void cmd_note_patterns(const struct stl_selection *selection)
{
    enum { SHOWN_MAX = 3 };
    size_t dropped = 0;
    for (size_t i = 0; i < selection->count; i++) {
        const struct stl_selection_pattern *pattern = &selection->items[i];
        if (pattern->host_dropped && dropped++ < SHOWN_MAX)
            cmd_warn("%s is taken without its registry host, %s", pattern->text, pattern->host);
    }
    if (dropped > SHOWN_MAX)
        cmd_warn("%zu more of the patterns are taken without a registry host", dropped - SHOWN_MAX);
    for (size_t i = 0; i < selection->count; i++)
        if (selection->items[i].excludes && !selection->items[i].matched)
            cmd_warn("'%s' leaves out nothing", selection->items[i].text);
}

void cmd_print_line(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    STL_AUTO_FREE char *line = stl_vsprintf(format, args);
    va_end(args);
    stl_utf8_make_printable(line);
    puts(line);
}

char *cmd_format_size(uint64_t bytes, char text[CMD_SIZE_TEXT_MAX])
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
    double value = (double)bytes;
    size_t unit = 0;
    while (value >= 999.95 && unit + 1 < sizeof units / sizeof *units) {
        value /= 1000;
        unit++;
    }
    snprintf(text, CMD_SIZE_TEXT_MAX, unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
    return text;
}

void cmd_format_time(time_t time, char text[CMD_TIME_TEXT_MAX])
{
    struct tm utc;
    strftime(text, CMD_TIME_TEXT_MAX, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&time, &utc));
}

/* json-c leaves DEL and the C1 characters as they are, and a terminal may be what reads this. */
void cmd_print_json(struct json_object *value)
{
    const char *text =
        json_object_to_json_string_ext(value, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE);
    for (const char *p = text; *p; p++) {
        bool c1 = p[0] == '\xc2' && (unsigned char)p[1] >= 0x80 && (unsigned char)p[1] < 0xa0;
        if (c1)
            p++;
        if (c1 || *p == 0x7f)
            printf("\\u%04x", (unsigned)(unsigned char)*p);
        else
            putchar(*p);
    }
    putchar('\n');
}

bool cmd_colours(int fd)
{
    const char *no_color = getenv("NO_COLOR");
    return isatty(fd) && !(no_color && *no_color);
}
