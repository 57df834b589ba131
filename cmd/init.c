/* stillage init: make an empty registry. */
#include "cmd.h"

#include <getopt.h>
#include <stdio.h>

#include "filesystem.h"
#include "mem.h"
#include "page.h"
#include "render.h"

enum { OPTION_APACHE = 256, OPTION_GROUP, OPTION_TITLE };

static const struct cmd_option options[] = {
    {OPTION_APACHE, "apache", NULL, "Keep the files that Apache needs (nginx does not)"},
    {OPTION_GROUP, "group", "GROUP",
     "Let only members of GROUP (the web server's) read the registry, not everybody"},
    {OPTION_TITLE, "title", "TEXT", "The title of the web page"},
    CMD_OPTION_QUIET,
    {0},
};

static int make(const char *path, const struct stl_render *values, struct stl_error *err)
{
    STL_AUTO_BUF struct stl_buf settings = STL_BUF_INIT, page = STL_BUF_INIT;
    STL_AUTO_REGISTRY struct stl_registry registry = STL_REGISTRY_INIT;
    if (stl_render("registry.yaml", values, &settings, err))
        return -1;
    if (stl_render("page/index.html", values, &page, err))
        return -1;
    if (cmd_become_owner(path, CMD_KEEP_NOTHING, err))
        return -1;
    if (cmd_trust_filesystem(path, err))
        return -1;
    if (stl_registry_make(path, settings.data, page.data, err) || stl_registry_open(&registry, path, err))
        return -1;
    return stl_page_put(&registry, err);
}

static int run_init(int argc, char **argv)
{
    struct stl_error err = STL_ERROR_INIT;
    struct stl_render values = STL_RENDER_INIT;
    struct cmd_common common = {0};
    stl_render_set(&values, "TITLE", "Container images");
    for (int key; (key = cmd_next_option(&cmd_init, argc, argv, &common)) != -1;) {
        if (key == OPTION_APACHE)
            stl_render_set(&values, "APACHE", "");
        else if (key == OPTION_GROUP)
            stl_render_set(&values, "GROUP", optarg);
        else
            stl_render_set(&values, "TITLE", optarg);
    }
    if (argc - optind != 1)
        return cmd_usage(&cmd_init, "give one directory");
    int failed = make(argv[optind], &values, &err);
    stl_render_clear(&values);
    if (failed)
        return cmd_fail(&err);
    if (!common.quiet)
        printf("made an empty registry in %s\n", argv[optind]);
    return 0;
}

const struct cmd_command cmd_init = {
    .name = "init",
    .run = run_init,
    .arguments = "DIR",
    .summary = "Make an empty registry",
    .description =
        "Makes DIR an empty registry that can be served at once. DIR must be empty or not exist. The "
        "settings are in DIR/registry.yaml, each with a comment.\n\n"
        "The registry belongs to the account that runs this, or, if that is root and DIR exists, to the "
        "owner of DIR. Only that account writes to it: with each command, root switches to it, and other "
        "accounts are told what to type.",
    .options = options,
    .examples = "  stillage init /srv/registry\n"
                "  stillage init --group www-data /srv/registry",
};
