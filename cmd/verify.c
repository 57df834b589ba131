/* stillage verify: check that everything in the registry is as it should be. */
#include "cmd.h"

#include <getopt.h>
#include <stdio.h>
#include <unistd.h>

#include "check.h"
#include "filesystem.h"
#include "last-run.h"

enum { OPTION_QUICK = 256, OPTION_FULL, OPTION_REPAIR, OPTION_FILESYSTEM };

static const struct cmd_option options[] = {
    CMD_OPTION_REGISTRY,
    {OPTION_QUICK, "quick", NULL, "Check everything but the content of blobs"},
    {OPTION_FULL, "full", NULL, "Read every blob and compute its digest (the default)"},
    {OPTION_REPAIR, "repair", NULL,
     "Rebuild what can be derived, and move damaged content to "
     "trash/damaged/"},
    {OPTION_FILESYSTEM, "filesystem", NULL,
     "Try whether the file system of DIR, any directory, keeps the promises that a registry needs"},
    CMD_OPTION_QUIET,
    CMD_OPTION_JSON,
    {0},
};

struct report {
    struct cmd_progress progress;
    struct json_object *problems; /* NULL: print lines */
};

void cmd_print_problem(const struct stl_problem *problem)
{
    cmd_print_line("%s: %s: %s%s", problem->path, problem->what, problem->note ? "note: " : "",
                   problem->repaired ? "repaired" : problem->advice);
}

static void print_verify_problem(void *context, const struct stl_problem *problem)
{
    struct report *report = context;
    cmd_progress_clear(&report->progress);
    if (!report->problems) {
        cmd_print_problem(problem);
        return;
    }
    struct json_object *object = json_object_new_object();
    stl_json_set_string(object, "kind", problem->kind);
    stl_json_set_string(object, "path", problem->path);
    stl_json_set_string(object, "problem", problem->what);
    stl_json_set_string(object, "advice", problem->advice);
    stl_json_set_flag(object, "repaired", problem->repaired);
    stl_json_set_flag(object, "note", problem->note);
    json_object_array_add(report->problems, object);
}

static void print_verify_json(struct json_object *problems, const struct stl_verify_result *result, bool full)
{
    STL_AUTO_JSON struct json_object *out = json_object_new_object();
    const struct {
        const char *name;
        uint64_t value;
    } numbers[] = {{"repositories", result->repositories},
                   {"tags", result->tags},
                   {"manifests", result->manifests},
                   {"blobs", result->blobs},
                   {"bytes", result->bytes},
                   {"remaining", result->problems},
                   {"repaired", result->repaired}};
    stl_json_set_flag(out, "ok", result->problems == 0);
    stl_json_set_flag(out, "full", full);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        stl_json_set_number(out, numbers[i].name, (int64_t)numbers[i].value);
    json_object_object_add(out, "problems", json_object_get(problems));
    cmd_print_json(out);
}

static void print_summary(const struct stl_verify_result *result, bool full)
{
    char bytes[CMD_SIZE_TEXT_MAX];
    printf(
        "%s %ju repositories, %ju tags, %ju manifests, %ju blobs (%s%s): ", full ? "verified" : "looked at",
        (uintmax_t)result->repositories, (uintmax_t)result->tags, (uintmax_t)result->manifests,
        (uintmax_t)result->blobs, cmd_format_size(result->bytes, bytes), full ? "" : ", not read");
    if (result->repaired)
        printf("%ju repaired, ", (uintmax_t)result->repaired);
    if (result->problems)
        printf("%ju problem%s\n", (uintmax_t)result->problems, result->problems == 1 ? "" : "s");
    else
        puts("all in order");
}

int cmd_check_registry(struct stl_registry *registry, const char *path, const struct stl_verify_options *how,
                       struct stl_verify_result *result, struct stl_error *err)
{
    if (how->repair && geteuid() == 0) {
        if (cmd_open_registry(registry, path, err) || stl_verify_own(registry, how, result, err))
            return -1;
        stl_registry_close(registry);
    }
    return cmd_open_registry_as_owner(registry, path, CMD_KEEP_NOTHING, err) ||
                   stl_verify(registry, how, result, err)
               ? -1
               : 0;
}

static int run_verify(int argc, char **argv)
{
    struct stl_error err = STL_ERROR_INIT;
    STL_AUTO_REGISTRY struct stl_registry registry = STL_REGISTRY_INIT;
    struct report report = {0};
    struct stl_verify_options how = {.full = true, .problem = print_verify_problem, .context = &report};
    struct stl_verify_result result = {0};
    struct cmd_common common = {0};
    bool filesystem = false;
    for (int key; (key = cmd_next_option(&cmd_verify, argc, argv, &common)) != -1;) {
        if (key == OPTION_REPAIR)
            how.repair = true;
        else if (key == OPTION_FILESYSTEM)
            filesystem = true;
        else
            how.full = key == OPTION_FULL;
    }
    if (filesystem && (how.repair || argc - optind < 1 || argc - optind > 2))
        return cmd_usage(&cmd_verify, "--filesystem takes a directory, and the same one by another mount");
    if (filesystem)
        return cmd_verify_filesystem(argv[optind], argv[optind + 1], common.quiet, common.json);
    if (optind < argc)
        return cmd_usage(&cmd_verify, "it takes no argument");
    STL_AUTO_JSON struct json_object *problems = common.json ? json_object_new_array() : NULL;
    report.problems = problems;
    cmd_progress_begin(&report.progress, "verifying", common.quiet);
    how.progress = report.progress.shown ? cmd_progress_update : NULL;
    how.progress_context = &report.progress;
    int failed = cmd_check_registry(&registry, common.registry, &how, &result, &err);
    cmd_progress_end(&report.progress);
    if (failed)
        return cmd_fail(&err);
    stl_last_run_note(&registry, "verify", result.problems);
    if (common.json)
        print_verify_json(problems, &result, how.full);
    else if (!common.quiet)
        print_summary(&result, how.full);
    return result.problems ? 1 : 0;
}

const struct cmd_command cmd_verify = {
    .name = "verify",
    .run = run_verify,
    .arguments = "[--filesystem DIR [SECOND]]",
    .summary = "Check that everything in the registry is as it should be",
    .description =
        "Checks every rule of the registry's layout: the digest of each blob and manifest, sizes, links, media types, "
        "the lists against the tags, referrers against their subjects, names that do not belong there, modes and "
        "owner. Prints one line for each problem: where, what, and what to do about it.\n\n"
        "It can run at any time: a push that is halfway done is not taken for damage.\n\n"
        "With --repair, everything that can be derived from the rest is rebuilt: lists, the catalog, referrers, links, "
        "modes. If root runs it, files of other accounts are given back to the owner of the registry's folder. Damaged "
        "blobs and manifests are moved out of every repository to trash/damaged/, so that a client that pushes the "
        "image again sends them again. Nothing is deleted.\n\n"
        "With --filesystem, it checks no registry: in a folder of its own below DIR, it tries what a registry needs of "
        "a file system: names replaced in one step, links, locks, syncs. SECOND is the same directory through another "
        "mount, as a second front end sees it. Each promise is a line: 'yes', 'NO', or 'no' if a registry can do "
        "without it. Nothing is left behind. 'stillage init' does the same on network file systems and on FUSE.\n\n"
        "The exit status is 0 if everything is in order, or was repaired, and 1 if problems remain.",
    .options = options,
    .examples = "  stillage verify --quick             without reading blobs\n"
                "  stillage verify --repair            repair what can be repaired\n"
                "  stillage verify --filesystem /mnt/a /mnt/b\n"
                "  stillage verify --json | jq '.problems[].path'",
};
