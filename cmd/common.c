/* What the commands share: options, messages, opening a registry, progress. */
#include "cmd.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "freeze.h"
#include "look.h"
#include "mem.h"
#include "selection.h"
#include "utf8.h"

enum { OPTIONS_MAX = 32 };

/* `last` is the last argument that was looked at; of "-xyz" the one before it. */
static int refuse_option(const struct cmd_command *command, int key, const char *last)
{
    const struct cmd_option *option = command->options;
    while (option->key && option->key != optopt)
        option++;
    if (key == ':')
        return cmd_usage(command, "option '--%s' needs an argument", option->name);
    if (optopt && (option->key || optopt == 'h'))
        return cmd_usage(command, "option '--%s' takes no argument", option->key ? option->name : "help");
    return optopt ? cmd_usage(command, "there is no option '-%c'", optopt)
                  : cmd_usage(command, "there is no option '%s'", last);
}

static bool take_common(int key, struct cmd_common *common)
{
    if (key == 'r')
        common->registry = optarg;
    else if (key == 'q')
        common->quiet = true;
    else if (key == 'j')
        common->json = true;
    else if (key == 'f' && !optarg)
        common->force = true;
    else
        return false;
    return true;
}

static bool may_be_repeated(const struct cmd_option *option)
{
    size_t length = option->argument ? strlen(option->argument) : 0;
    return length == 0 || (length > 3 && !strcmp(option->argument + length - 3, "..."));
}

/* Exits if `key` is that of an option whose argument was given before. */
static void note_option(const struct cmd_command *command, int key, struct cmd_common *common)
{
    const struct cmd_option *option = command->options;
    while (option->key && option->key != key)
        option++;
    if (!option->key || may_be_repeated(option))
        return;
    uint32_t bit = (uint32_t)1 << (option - command->options);
    if (common->given & bit)
        exit(cmd_usage(command, "option '--%s' is given twice", option->name));
    common->given |= bit;
}

int cmd_next_option(const struct cmd_command *command, int argc, char **argv, struct cmd_common *common)
{
    struct option long_options[OPTIONS_MAX + 2] = {{"help", no_argument, NULL, 'h'}};
    char short_options[3 * OPTIONS_MAX] = ":h";
    size_t n = 1, s = strlen(short_options);
    for (const struct cmd_option *option = command->options; option->key && n < OPTIONS_MAX; option++) {
        int argument = option->argument ? required_argument : no_argument;
        long_options[n++] = (struct option){option->name, argument, NULL, option->key};
        if (option->key < 256) {
            short_options[s++] = (char)option->key;
            if (option->argument)
                short_options[s++] = ':';
        }
    }
    opterr = 0;
    int key;
    do {
        key = getopt_long(argc, argv, short_options, long_options, NULL);
        note_option(command, key, common);
    } while (take_common(key, common));
    if (key == 'h') {
        cmd_print_help(command);
        exit(cmd_flush(0));
    }
    if (key == '?' || key == ':')
        exit(refuse_option(command, key, argv[optind - 1]));
    return key;
}

void cmd_parse_common(const struct cmd_command *command, int argc, char **argv, struct cmd_common *common)
{
    while (cmd_next_option(command, argc, argv, common) != -1)
        ;
}

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

/* A warning that repeats the last one, as for each of many manifests, tells nothing new. */
static void cmd_notice(const char *text)
{
    static char *last;
    if (last && !strcmp(last, text))
        return;
    free(last);
    last = stl_strdup(text);
    cmd_warn("%s", text);
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
        cmd_warn("%zu more patterns are taken without their registry hosts", dropped - SHOWN_MAX);
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

/* Returns NULL with `err` set if nobody said where it is. */
static const char *find_registry(const char *given, struct stl_error *err)
{
    const char *path = given ? given : getenv("STILLAGE_REGISTRY");
    if (path && *path)
        return path;
    if (access(STL_SETTINGS_FILE, F_OK) == 0)
        return ".";
    stl_error_set(err, STL_USAGE,
                  "which registry? Give -r DIR, set STILLAGE_REGISTRY, or go to the folder that holds "
                  "registry.yaml");
    return NULL;
}

/* What was given in place of a registry, and what can be done with it. */
static int explain_registry(const char *path, struct stl_error *err)
{
    static const char uses[] =
        "it can be looked at ('stillage ls -r', 'stillage show -r'), checked ('stillage verify-bundle') "
        "and imported, but nothing else";
    if (err->sys_errno == EACCES)
        cmd_refuse_others(path, err);
    else if (err->sys_errno == ENOENT)
        stl_error_set(err, err->code, "there is no registry at %s, and no folder: 'stillage init' makes one",
                      path);
    else if (err->sys_errno == ENOTDIR)
        stl_error_set(err, err->code, "%s is a file, and a registry is a folder; if it is a bundle, %s", path,
                      uses);
    else if (err->code == STL_NOT_REGISTRY && cmd_is_bundle_folder(path))
        stl_error_set(err, err->code, "%s is an unpacked bundle, not a registry: %s", path, uses);
    return -1;
}

static int open_registry(struct stl_registry *registry, const char *path, struct stl_error *err)
{
    return stl_registry_open(registry, path, err) ? explain_registry(path, err) : 0;
}

int cmd_read_text(const char *file, struct stl_buf *text, struct stl_error *err)
{
    const char *path = strcmp(file, "-") ? file : "/dev/stdin";
    STL_AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    char chunk[4096];
    ssize_t n = 0;
    if (fd < 0)
        return stl_error_errno(err, "cannot open %s", file);
    while ((n = read(fd, chunk, sizeof chunk)) > 0)
        if (stl_buf_add(text, chunk, (size_t)n))
            return stl_error_set(err, STL_USAGE, "%s is too large", file);
    return n < 0 ? stl_error_errno(err, "cannot read %s", file) : stl_buf_puts(text, "");
}

int cmd_open_registry(struct stl_registry *registry, const char *given, struct stl_error *err)
{
    const char *path = find_registry(given, err);
    return path ? open_registry(registry, path, err) : -1;
}

int cmd_open_registry_as_owner(struct stl_registry *registry, const char *given, enum cmd_keep keep,
                               struct stl_error *err)
{
    const char *path = find_registry(given, err);
    return !path || cmd_become_owner(path, keep, err) ? -1 : open_registry(registry, path, err);
}

int cmd_open_registry_to_write(struct stl_registry *registry, const char *given, bool force, int *writing,
                               struct stl_error *err)
{
    if (cmd_open_registry_as_owner(registry, given, CMD_KEEP_NOTHING, err))
        return -1;
    registry->notice = cmd_notice;
    if (force) {
        stl_limits_clear(&registry->settings.limits);
        stl_projects_lift_quotas(&registry->settings.projects);
    }
    *writing = stl_write_begin(registry, err);
    if (*writing < 0 && err->code == STL_UNAVAILABLE)
        stl_error_context(err, "the registry is frozen: 'stillage thaw' ends that");
    return *writing < 0 ? -1 : 0;
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

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

void cmd_progress_begin(struct cmd_progress *progress, const char *what, bool quiet)
{
    *progress =
        (struct cmd_progress){.shown = !quiet && isatty(STDERR_FILENO), .what = what, .started = now()};
}

static char *format_amount(const struct cmd_progress *progress, uint64_t amount, char text[CMD_SIZE_TEXT_MAX])
{
    if (!progress->unit)
        return cmd_format_size(amount, text);
    snprintf(text, CMD_SIZE_TEXT_MAX, "%ju", (uintmax_t)amount);
    return text;
}

void cmd_progress_update(void *context, uint64_t done, uint64_t total)
{
    struct cmd_progress *progress = context;
    double time = progress->shown ? now() : 0;
    if (!progress->shown || time - progress->drawn < 0.1)
        return;
    progress->drawn = time;
    char done_text[CMD_SIZE_TEXT_MAX], total_text[CMD_SIZE_TEXT_MAX], rate_text[CMD_SIZE_TEXT_MAX];
    double elapsed = time - progress->started, rate = elapsed > 0 ? (double)done / elapsed : 0;
    fprintf(stderr, "\r%s %s", progress->what, format_amount(progress, done, done_text));
    if (total)
        fprintf(stderr, " of %s", format_amount(progress, total, total_text));
    if (progress->unit)
        fprintf(stderr, " %s", progress->unit);
    fprintf(stderr, ", %s/s", format_amount(progress, (uint64_t)rate, rate_text));
    if (total > done && rate > 0) {
        unsigned left = (unsigned)((double)(total - done) / rate + 0.5);
        fprintf(stderr, ", %u:%02u left", left / 60, left % 60);
    }
    fputs("\033[K", stderr);
}

void cmd_progress_clear(const struct cmd_progress *progress)
{
    if (progress->shown && progress->drawn > 0)
        fputs("\r\033[K", stderr);
}

void cmd_progress_end(struct cmd_progress *progress)
{
    cmd_progress_clear(progress);
    progress->shown = false;
}
