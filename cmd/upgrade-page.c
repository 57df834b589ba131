/* stillage upgrade-page: renew the web page. */
#include <getopt.h>
#include <stdio.h>

#include "cmd.h"
#include "page.h"

static const struct cmd_option options[] = {CMD_OPTION_REGISTRY, CMD_OPTION_QUIET, {0}};

static int run_upgrade_page(int argc, char **argv)
{
    struct stl_error err = STL_ERROR_INIT;
    STL_AUTO_REGISTRY struct stl_registry registry = STL_REGISTRY_INIT;
    struct cmd_common common = {0};
    STL_AUTO_CLOSE int writing = -1;
    while (cmd_next_option(&cmd_upgrade_page, argc, argv, &common) != -1)
        continue;
    if (optind != argc)
        return cmd_usage(&cmd_upgrade_page, "it takes no arguments");
    if (cmd_open_registry_to_write(&registry, common.registry, false, &writing, &err) ||
        stl_page_put(&registry, &err))
        return cmd_fail(&err);
    if (!common.quiet)
        puts("the web page is that of stillage " STL_VERSION);
    return 0;
}

const struct cmd_command cmd_upgrade_page = {
    .name = "upgrade-page",
    .run = run_upgrade_page,
    .arguments = "",
    .summary = "Renew the web page",
    .description =
        "Replaces www/index.html and the other files of the web page by those of this program, with title, accent and "
        "logo from registry.yaml. A registry keeps the page that 'stillage init' has put there until this is run: "
        "after an upgrade, and after a change of these. Changes that were made to the page by hand are lost.\n\n"
        "The page of an older stillage contained its script, which the configuration of 'stillage config' now forbids: "
        "browsers do not show that page, so run this.",
    .options = options,
    .examples = "  stillage upgrade-page -r /srv/registry",
};
