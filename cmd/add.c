#include "cmd.h"

static const struct cmd_option options[] = {{0}};

static int run(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    return 1;
}

const struct cmd_command cmd_add = {
    .name = "add",
    .run = run,
    .arguments = "SOURCE [NAME[:TAG]...]",
    .summary = "Add images from a layout or an archive",
    .description = "",
    .options = options,
};
