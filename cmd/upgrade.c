/*
 * `stillage upgrade`: brings a registry of an older stillage up to date.
 */
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "check.h"
#include "file.h"
#include "page.h"
#include "server.h"

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

/* --- configurations of web servers ---------------------------------------------------------------------- */

/* Where the system keeps configurations of web servers. */
static const char *const usual[] = {"/etc/nginx/conf.d/stillage.conf",
                                    "/etc/nginx/sites-enabled/stillage.conf",
                                    "/etc/apache2/sites-enabled/stillage.conf"};

static void tell_edition(const char *path, const char *text)
{
    char *edition;
    bool current = cmd_server_is_current(text, &edition);
    if (current)
        printf("%s: edition %s, as 'stillage config' prints it\n", path, edition);
    else
        printf(
            "%s: %s%s, not that of this stillage; it still works, and 'stillage config' prints the current one\n",
            path, edition ? "edition " : "of a stillage that named no edition", edition ? edition : "");
    stl_free_ptr(&edition);
}

/* Reports on `files`, and on the usual files that exist, can be read and are about this registry. */
static int tell_editions(const struct stl_registry *registry, char **files, size_t count,
                         struct stl_error *err)
{
    for (size_t i = 0; i < count; i++) {
        STL_AUTO_BUF struct stl_buf text = STL_BUF_INIT;
        if (stl_file_read(AT_FDCWD, files[i], true, &text, err))
            return -1;
        tell_edition(files[i], text.data ? text.data : "");
    }
    for (size_t i = 0; i < sizeof usual / sizeof *usual; i++) {
        STL_AUTO_BUF struct stl_buf text = STL_BUF_INIT;
        struct stl_error ignored = STL_ERROR_INIT;
        if (stl_file_read(AT_FDCWD, usual[i], true, &text, &ignored) == 0 && text.data &&
            strstr(text.data, registry->path))
            tell_edition(usual[i], text.data);
    }
    return 0;
}

/* -------------------------------------------------------------------------------------------------------- */

static int run(int argc, char **argv)
{
    struct stl_error err = STL_ERROR_INIT;
    STL_AUTO_REGISTRY struct stl_registry registry = STL_REGISTRY_INIT;
    struct cmd_common common = {0};
    const struct stl_verify_options how = {
        .repair = true, .problem = print_upgrade_problem, .context = &common};
    struct stl_verify_result result = {0};
    cmd_parse_common(&cmd_upgrade, argc, argv, &common);
    if (cmd_check_registry(&registry, common.registry, &how, &result, &err) ||
        renew_page(common.registry, &err))
        return cmd_fail(&err);
    if (result.problems) {
        cmd_warn("%ju problem%s remain%s: see above", (uintmax_t)result.problems,
                 result.problems == 1 ? "" : "s", result.problems == 1 ? "s" : "");
        return 1;
    }
    if (!common.quiet)
        puts("the registry is as stillage " STL_VERSION " makes one");
    if (!common.quiet && tell_editions(&registry, argv + optind, (size_t)(argc - optind), &err))
        return cmd_fail(&err);
    return 0;
}

const struct cmd_command cmd_upgrade = {
    .name = "upgrade",
    .run = run,
    .arguments = "[CONFIGURATION]...",
    .summary = "Bring a registry of an older stillage up to date",
    .description =
        "Brings a registry that an older stillage has written up to date: does what "
        "'stillage verify --quick --repair' does, and renews the web page as 'stillage upgrade-page' does. Images, "
        "users and settings stay as they are, and the registry can be served and pushed to all along.\n\n"
        "It also says whether the configurations of web servers are of the edition that 'stillage config' now prints: "
        "the files that are given, and those of this registry in the usual places, /etc/nginx/conf.d/stillage.conf, "
        "/etc/nginx/sites-enabled/stillage.conf and /etc/apache2/sites-enabled/stillage.conf. Older ones go on "
        "working.\n\n"
        "All formats since version 1 can be upgraded; so far there is only that one. A registry of a later format is "
        "refused, by every command. If there is nothing to do, only the page changes.",
    .options = options,
    .examples = "  stillage upgrade -r /srv/registry\n"
                "  stillage upgrade -r /srv/registry /etc/caddy/Caddyfile",
};
