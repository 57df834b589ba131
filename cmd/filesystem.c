#include "filesystem.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "fs-kind.h"
#include "promises.h"

static int open_directory(const char *path, struct stl_error *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? stl_error_errno(err, "cannot open the directory %s", path) : fd;
}

/* --- verify --filesystem -------------------------------------------------------------------------------- */

struct report {
    bool quiet;
    struct json_object *promises; /* NULL: print lines */
};

static void print_promise(void *context, const struct stl_promise *promise)
{
    struct report *report = context;
    if (report->promises) {
        struct json_object *object = json_object_new_object();
        stl_json_set_string(object, "promise", promise->what);
        stl_json_set_flag(object, "kept", promise->kept);
        stl_json_set_flag(object, "needed", promise->needed);
        stl_json_set_string(object, "found", promise->found);
        stl_json_set_string(object, "why", promise->why);
        json_object_array_add(report->promises, object);
    } else if (!promise->kept)
        cmd_print_line("%-4s%s: %s: %s", promise->needed ? "NO" : "no", promise->what, promise->found,
                       promise->why);
    else if (!report->quiet)
        printf("yes %s\n", promise->what);
}

static void print_verdict(const struct report *report, const char *directory, unsigned broken)
{
    if (report->promises) {
        STL_AUTO_JSON struct json_object *out = json_object_new_object();
        stl_json_set_flag(out, "ok", broken == 0);
        json_object_object_add(out, "promises", json_object_get(report->promises));
        cmd_print_json(out);
    } else if (broken)
        cmd_print_line("%s is not suitable for a registry: %u promise%s that it needs %s not kept", directory,
                       broken, broken == 1 ? "" : "s", broken == 1 ? "is" : "are");
    else if (!report->quiet)
        cmd_print_line("%s keeps what a registry needs", directory);
}

int cmd_verify_filesystem(const char *directory, const char *second, bool quiet, bool json)
{
    struct stl_error err = STL_ERROR_INIT;
    unsigned broken = 0;
    int here = open_directory(directory, &err), there = -1;
    if (here >= 0 && second)
        there = open_directory(second, &err);
    STL_AUTO_JSON struct json_object *promises = json ? json_object_new_array() : NULL;
    struct report report = {.quiet = quiet, .promises = promises};
    int failed = here < 0 || (second && there < 0) ||
                 stl_promises_check(here, there, print_promise, &report, &broken, &err);
    if (here >= 0)
        close(here);
    if (there >= 0)
        close(there);
    if (failed)
        return cmd_fail(&err);
    print_verdict(&report, directory, broken);
    return broken ? 1 : 0;
}

/* --- init ----------------------------------------------------------------------------------------------- */

static void keep_first(void *context, const struct stl_promise *promise)
{
    char *first = context;
    if (!promise->kept && promise->needed && !*first)
        snprintf(first, 200, "%s: %s", promise->what, promise->found);
}

int cmd_trust_filesystem(const char *directory, struct stl_error *err)
{
    char first[200] = "", *parent = stl_strdup(directory);
    unsigned broken = 0;
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        fd = open(dirname(parent), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(parent);
    const char *kind = fd < 0 ? NULL : stl_fs_doubtful(fd);
    int failed = kind && stl_promises_check(fd, -1, keep_first, first, &broken, err);
    if (fd >= 0)
        close(fd);
    if (failed)
        return -1;
    return broken ? stl_error_set(
                        err, STL_UNSUPPORTED,
                        "%s is on a file system (%s) that lacks what a registry needs (%s): take another, "
                        "or see 'stillage verify --filesystem'",
                        directory, kind, first)
                  : 0;
}
