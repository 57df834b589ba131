/* Progress of long work, on a terminal. */
#include "cmd.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

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
