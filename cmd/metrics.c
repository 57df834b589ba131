/* stillage metrics: write numbers for Prometheus, for a timer to call. */
#include "cmd.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "metrics.h"

enum { OPTION_ACCESS_LOG = 256, BEFORE_MAX = 4 << 20 };

static const struct cmd_option options[] = {
    CMD_OPTION_REGISTRY,
    {'o', "output", "FILE", "Replace this file, in one step; it keeps counters from going back"},
    {OPTION_ACCESS_LOG, "access-log", "FILE",
     "Also count the answers in this log of nginx or Apache, by status"},
    {0},
};

static int ignore_pull(void *context, const struct stl_record *record, struct stl_error *err)
{
    (void)context;
    (void)record;
    (void)err;
    return 0;
}

static int read_log(const char *path, struct stl_access_log_seen *seen, struct stl_error *err)
{
    STL_AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd < 0 ? stl_error_errno(err, "cannot open %s", path)
                  : stl_access_log_each(fd, path, ignore_pull, NULL, seen, err);
}

/* Reads the file that the last run wrote, if there is one. */
static int read_before(const char *path, struct stl_buf *text, struct stl_error *err)
{
    if (stl_file_read(AT_FDCWD, path, true, text, err) == 0)
        return 0;
    if (err->sys_errno != ENOENT)
        return -1;
    stl_error_clear(err);
    return 0;
}

/* The collector reads every *.prom in the folder, so the temporary name has another ending. */
static int replace_file(const char *path, const struct stl_buf *text, struct stl_error *err)
{
    STL_AUTO_FREE char *temporary = stl_sprintf("%s.XXXXXX", path);
    STL_AUTO_CLOSE int fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0)
        return stl_error_errno(err, "cannot make a file beside %s", path);
    if (stl_write_all(fd, text->data, text->length, err) == 0) {
        if (fchmod(fd, 0644) == 0 && rename(temporary, path) == 0)
            return 0;
        stl_error_errno(err, "cannot replace %s", path);
    }
    unlink(temporary);
    return -1;
}

static int write_metrics(const char *registry_path, const char *output, const char *log,
                         struct stl_error *err)
{
    STL_AUTO_REGISTRY struct stl_registry registry = STL_REGISTRY_INIT;
    STL_AUTO_BUF struct stl_buf before = {.ceiling = BEFORE_MAX}, text = STL_BUF_INIT;
    struct stl_access_log_seen seen = {0};
    if (cmd_open_registry(&registry, registry_path, err))
        return -1;
    if (log && read_log(log, &seen, err))
        return -1;
    if (output && read_before(output, &before, err))
        return -1;
    if (stl_metrics_write(&registry, before.data, log ? &seen : NULL, &text, err))
        return -1;
    if (output)
        return replace_file(output, &text, err);
    fwrite(text.data, 1, text.length, stdout);
    return 0;
}

static int run_metrics(int argc, char **argv)
{
    struct stl_error err = STL_ERROR_INIT;
    struct cmd_common common = {0};
    const char *output = NULL, *log = NULL;
    for (int key; (key = cmd_next_option(&cmd_metrics, argc, argv, &common)) != -1;)
        *(key == 'o' ? &output : &log) = optarg;
    if (optind < argc)
        return cmd_usage(&cmd_metrics, "it takes no argument");
    return write_metrics(common.registry, output, log, &err) ? cmd_fail(&err) : 0;
}

const struct cmd_command cmd_metrics = {
    .name = "metrics",
    .run = run_metrics,
    .arguments = "",
    .summary = "Write numbers for Prometheus, for a timer to call",
    .description =
        "Writes numbers about the registry in Prometheus' text format: repositories, tags, manifests, blobs and their "
        "bytes, open uploads, events by kind, and when gc and verify last ran and with how many problems. "
        "node_exporter's textfile collector hands them out; nothing has to keep running for that.\n\n"
        "With --output, the file is replaced in one step. The counters of events go on from what it held, so that they "
        "never go back, even when old events are deleted.\n\n"
        "Each run looks at every tag and every blob once. --access-log reads all of the log: give the current one, not "
        "those before it.",
    .options = options,
    .examples = "  stillage metrics\n"
                "  cd /var/lib/prometheus/node-exporter && stillage metrics -o stillage.prom",
};
