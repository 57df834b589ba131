/* stillage inventory: print what the registry holds, for export --without. */
#include "cmd.h"

#include <getopt.h>
#include <stdio.h>

#include "inventory.h"

enum { OPTION_PUBLISH = 256 };

static const struct cmd_option options[] = {
    CMD_OPTION_REGISTRY,
    {OPTION_PUBLISH, "publish", NULL,
     "Write it to " STL_WWW "/" STL_INVENTORY " instead, so that the web server serves it to everybody"},
    {0},
};

static int run_inventory(int argc, char **argv)
{
    struct stl_error err = STL_ERROR_INIT;
    STL_AUTO_REGISTRY struct stl_registry registry = STL_REGISTRY_INIT;
    STL_AUTO_BUF struct stl_buf inventory = {.ceiling = STL_INVENTORY_MAX};
    struct cmd_common common = {0};
    bool publish = false;
    while (cmd_next_option(&cmd_inventory, argc, argv, &common) != -1)
        publish = true;
    if (optind < argc)
        return cmd_usage(&cmd_inventory, "it takes no arguments");
    STL_AUTO_CLOSE int writing = -1;
    if ((publish ? cmd_open_registry_to_write(&registry, common.registry, false, &writing, &err)
                 : cmd_open_registry(&registry, common.registry, &err)) ||
        stl_inventory_make(&registry, &inventory, &err) ||
        (publish && stl_inventory_publish(&registry, &inventory, &err)))
        return cmd_fail(&err);
    if (!publish)
        fwrite(inventory.data, 1, inventory.length, stdout);
    return 0;
}

const struct cmd_command cmd_inventory = {
    .name = "inventory",
    .run = run_inventory,
    .arguments = "",
    .summary = "Print what the registry holds, for export --without",
    .description =
        "Prints a JSON document of all repositories, tags, manifests and blobs. Carried to another "
        "registry, it lets 'stillage export --without' leave out what is here already.\n\n"
        "With --publish, it becomes a page of the registry, at /" STL_INVENTORY
        ", which shows the state of this moment. Everybody who may see that page learns the names of all "
        "repositories; where tokens decide who may pull, the web server does not serve it.",
    .options = options,
    .examples = "  stillage inventory > far.json\n"
                "  stillage export --all --without far.json -o bundle.tar",
};
