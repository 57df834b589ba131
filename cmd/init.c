#include "cmd.h"

#include <getopt.h>
#include <stdio.h>

#include "mem.h"
#include "render.h"

enum { OPTION_APACHE = 256, OPTION_GROUP, OPTION_TITLE };

static const struct cmd_option options[] = {
    {OPTION_APACHE, "apache", NULL, "Keep the files that Apache needs (nginx does without)"},
    {OPTION_GROUP, "group", "GROUP", "Let only the members of GROUP (the web server's) read, not everybody"},
    {OPTION_TITLE, "title", "TEXT", "The title of the web page"},
    CMD_OPTION_QUIET,
    {0},
};

static int make(const char *path, const struct stl_render *values, struct stl_error *err)
{
    STL_AUTO_BUF struct stl_buf settings = STL_BUF_INIT, page = STL_BUF_INIT;
    if (stl_render("registry.yaml", values, &settings, err) || stl_render("index.html", values, &page, err))
        return -1;
    return stl_registry_make(path, settings.data, page.data, err);
}

static int run(int argc, char **argv)
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
    .run = run,
    .arguments = "DIR",
    .summary = "Make an empty registry",
    .description = "Makes DIR an empty registry that can be served at once. DIR must be empty or not exist. "
                   "The settings are in DIR/registry.yaml, with a comment to each.",
    .options = options,
    .examples = "  stillage init /srv/registry\n"
                "  stillage init --group www-data /srv/registry",
};
