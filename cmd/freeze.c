/* stillage freeze and thaw: the read-only mode for maintenance. */
#include "freeze.h"

#include <getopt.h>
#include <stdio.h>

#include "cmd.h"

enum { OPTION_REASON = 256 };

static const struct cmd_option freeze_options[] = {
    CMD_OPTION_REGISTRY,
    CMD_OPTION_QUIET,
    {OPTION_REASON, "reason", "TEXT", "The reason that clients are told when they try to push"},
    {0},
};
static const struct cmd_option thaw_options[] = {CMD_OPTION_REGISTRY, CMD_OPTION_QUIET, {0}};

struct arguments {
    struct cmd_common common;
    const char *reason;
};

/* Returns 0, or the exit status. */
static int parse_freeze(const struct cmd_command *command, int argc, char **argv, struct arguments *arguments)
{
    *arguments = (struct arguments){.reason = "maintenance"};
    while (cmd_next_option(command, argc, argv, &arguments->common) != -1)
        arguments->reason = optarg;
    return optind == argc ? 0 : cmd_usage(command, "it takes no arguments");
}

static int run_freeze(int argc, char **argv)
{
    struct stl_error err = STL_ERROR_INIT;
    STL_AUTO_REGISTRY struct stl_registry registry = STL_REGISTRY_INIT;
    struct arguments arguments;
    int status = parse_freeze(&cmd_freeze, argc, argv, &arguments);
    if (status)
        return status;
    if (cmd_open_registry_as_owner(&registry, arguments.common.registry, CMD_KEEP_NOTHING, &err) ||
        stl_freeze(&registry, arguments.reason, &err))
        return cmd_fail(&err);
    if (!arguments.common.quiet)
        puts("frozen: nothing writes to the registry until 'stillage thaw'");
    return 0;
}

static int run_thaw(int argc, char **argv)
{
    struct stl_error err = STL_ERROR_INIT;
    STL_AUTO_REGISTRY struct stl_registry registry = STL_REGISTRY_INIT;
    struct arguments arguments;
    int status = parse_freeze(&cmd_thaw, argc, argv, &arguments);
    if (status)
        return status;
    int thawed = cmd_open_registry_as_owner(&registry, arguments.common.registry, CMD_KEEP_NOTHING, &err)
                     ? -1
                     : stl_thaw(&registry, &err);
    if (thawed < 0)
        return cmd_fail(&err);
    if (!arguments.common.quiet)
        puts(thawed ? "thawed" : "it was not frozen");
    return 0;
}

const struct cmd_command cmd_freeze = {
    .name = "freeze",
    .run = run_freeze,
    .arguments = "",
    .summary = "Make the registry read-only for maintenance",
    .description =
        "Waits for running writes to end; uploads that are waiting for bytes are cut off within a second "
        "or two, and keep what has arrived. From then on, until 'stillage thaw', pulls go on, and "
        "everything that would write is refused: stillage.cgi answers 503 with Retry-After, and add, "
        "import, tag, rm, gc, prune --yes and the like fail. Unfinished uploads are kept, and can be "
        "resumed afterwards.\n\n"
        "Logging in still works, since private pulls need it, so auth/ and log/ are still written to; "
        "users, tokens and rules can be changed. 'verify --repair' works as well: it is part of "
        "maintenance.",
    .options = freeze_options,
    .examples = "  stillage freeze --reason 'moving to another disk, back at 14:00'",
};

const struct cmd_command cmd_thaw = {
    .name = "thaw",
    .run = run_thaw,
    .arguments = "",
    .summary = "End the read-only mode of freeze",
    .description = "Lets the registry be written to again.",
    .options = thaw_options,
    .examples = "  stillage thaw",
};
