#include <getopt.h>
#include <stdio.h>

#include "check.h"
#include "page.h"

static const struct cmd_option options[] = {CMD_OPTION_REGISTRY, CMD_OPTION_QUIET, {0}};

static void print_upgrade_problem(void *context, const struct stl_problem *problem)
{
    const struct cmd_common *common = context;
    if (!common->quiet || (!problem->repaired && !problem->note))
        cmd_print_problem(problem);
}

static int renew_page(const char *path, struct stl_error *err)
{
    STL_AUTO_REGISTRY struct stl_registry registry = STL_REGISTRY_INIT;
    STL_AUTO_CLOSE int writing = -1;
    return cmd_open_registry_to_write(&registry, path, false, &writing, err) || stl_page_put(&registry, err)
               ? -1
               : 0;
}

static int run(int argc, char **argv)
{
    struct stl_error err = STL_ERROR_INIT;
    STL_AUTO_REGISTRY struct stl_registry registry = STL_REGISTRY_INIT;
    struct cmd_common common = {0};
    const struct stl_verify_options how = {
        .repair = true, .problem = print_upgrade_problem, .context = &common};
    struct stl_verify_result result = {0};
    cmd_parse_common(&cmd_upgrade, argc, argv, &common);
    if (optind != argc)
        return cmd_usage(&cmd_upgrade, "it takes no arguments");
    if (cmd_check_registry(&registry, common.registry, &how, &result, &err) ||
        renew_page(common.registry, &err))
        return cmd_fail(&err);
    if (result.problems) {
        cmd_warn("%ju problem%s remain%s: see above", (uintmax_t)result.problems,
                 result.problems == 1 ? "" : "s", result.problems == 1 ? "s" : "");
        return 1;
    }
    if (!common.quiet)
        puts("the registry is as stillage " STL_VERSION " makes one\n"
             "  older configurations of web servers go on working; for a new one: stillage config");
    return 0;
}

const struct cmd_command cmd_upgrade = {
    .name = "upgrade",
    .run = run,
    .arguments = "",
    .summary = "Bring a registry of an older stillage up to date",
    .description =
        "Makes a registry that an older stillage has written one as this stillage would have made it: does what "
        "'stillage verify --quick --repair' does, and renews the web page as 'stillage upgrade-page' does. Images, "
        "users and settings stay as they are, and the registry can be served and pushed to all along.\n\n"
        "All formats since version 1 can be upgraded; so far there is only that one. A registry of a later format is "
        "refused, by every command. Where nothing is left to do, nothing changes but the page.",
    .options = options,
    .examples = "  stillage upgrade -r /srv/registry",
};
